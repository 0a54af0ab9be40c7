//! Statements as they were written, names folded and places kept.

mod print;

use millstream_model::{Type, Value};

pub(crate) use print::literal;

use crate::diagnostic::Span;

/// Something with the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct At<T> {
    /// What.
    pub node: T,
    /// Where.
    pub span: Span,
}

/// Whether a source is a stream of events or a table of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Every record is an event.
    Stream,
    /// A record replaces the row of its key.
    Table,
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Table => "table",
        })
    }
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    /// One that could not be read, as far as it is known what it would have created.
    Unreadable(Option<String>),
    /// `CREATE STREAM|TABLE name (columns) WITH (…)`.
    CreateSource(Box<CreateSource>),
    /// `CREATE STREAM|TABLE name WITH (…) AS SELECT …`.
    CreateAs(Box<CreateAs>),
    /// `INSERT INTO name SELECT …`.
    InsertSelect(Box<InsertSelect>),
    /// `INSERT INTO name (columns) VALUES (…)`.
    InsertValues(Box<InsertValues>),
    /// `CREATE TYPE name AS type`.
    CreateType(At<String>, Type, IfExists),
    /// `DROP STREAM|TABLE name`.
    DropSource(DropSource),
    /// `DROP TYPE name`; `true` where it may be missing.
    DropType(At<String>, bool),
    /// `ALTER STREAM|TABLE name ADD COLUMN …`.
    Alter(SourceKind, At<String>, Vec<ColumnDef>),
    /// `SET 'property' = 'value'`, or with no value `UNSET`.
    Set(At<String>, Option<At<String>>),
    /// One that changes no rule: it asks about or watches what runs.
    Ask(At<String>),
}

/// `DROP STREAM|TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DropSource {
    /// Stream or table.
    pub kind: SourceKind,
    /// Which.
    pub name: At<String>,
    /// Whether it may be missing.
    pub if_exists: bool,
    /// Whether its topic goes too.
    pub delete_topic: bool,
}

/// `INSERT INTO … SELECT`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InsertSelect {
    /// Where to.
    pub target: At<String>,
    /// What.
    pub query: Query,
}

/// `INSERT INTO … VALUES`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InsertValues {
    /// Where to.
    pub target: At<String>,
    /// Which columns; all of them where none is named.
    pub columns: Vec<At<String>>,
    /// Their values.
    pub values: Vec<At<Expr>>,
}

/// What becomes of a statement whose source exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfExists {
    /// It is refused.
    Refuse,
    /// `OR REPLACE`: it counts from here on.
    Replace,
    /// `IF NOT EXISTS`: it is passed over.
    Keep,
}

/// A source over a topic that somebody else writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateSource {
    /// Stream or table.
    pub kind: SourceKind,
    /// `SOURCE`: nothing may be written to it.
    pub is_read_only: bool,
    /// When there is one of its name.
    pub if_exists: IfExists,
    /// Its name.
    pub name: At<String>,
    /// Declared columns.
    pub columns: Vec<ColumnDef>,
    /// Properties, their names in capitals.
    pub with: Vec<(At<String>, At<String>)>,
}

/// A declared column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnDef {
    /// Its name.
    pub name: At<String>,
    /// Its type.
    pub ty: Type,
    /// Where in a record it is.
    pub place: ColumnPlace,
}

/// Where in a record a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnPlace {
    /// In the value.
    Value,
    /// In the key.
    Key,
    /// All headers.
    Headers,
    /// The last header of a name.
    Header(String),
}

/// A source that a query keeps filled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateAs {
    /// Stream or table.
    pub kind: SourceKind,
    /// When there is one of its name.
    pub if_exists: IfExists,
    /// Its name.
    pub name: At<String>,
    /// Properties, their names in capitals.
    pub with: Vec<(At<String>, At<String>)>,
    /// The query.
    pub query: Query,
}

/// A query over one source, or several that are joined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// What is selected.
    pub items: Vec<SelectItem>,
    /// The first source.
    pub from: Relation,
    /// The sources joined to it, one after the other.
    pub joins: Vec<Join>,
    /// `WINDOW`.
    pub window: Option<At<Window>>,
    /// `WHERE`.
    pub filter: Option<At<Expr>>,
    /// `GROUP BY`.
    pub group_by: Vec<At<Expr>>,
    /// `PARTITION BY`.
    pub partition_by: Vec<At<Expr>>,
    /// `HAVING`.
    pub having: Option<At<Expr>>,
    /// `EMIT FINAL`: where that is said.
    pub emit_final: Option<Span>,
    /// `EMIT CHANGES` is said.
    pub emits_changes: bool,
    /// `LIMIT`: how many rows, and where that is said.
    pub limit: Option<At<u64>>,
    /// Its rows go to whoever asks, so that nothing need be their key.
    pub is_transient: bool,
    /// The query behind `UNION ALL`, whose rows come too.
    pub union: Option<Box<Query>>,
}

/// A window over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its shape.
    pub shape: WindowShape,
    /// How long after its end records are still taken, in milliseconds.
    pub grace_ms: Option<i64>,
    /// How long it is kept, in milliseconds.
    pub retention_ms: Option<i64>,
}

/// A window's shape; all times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowShape {
    /// One behind the other.
    Tumbling {
        /// How long each is.
        size_ms: i64,
    },
    /// Overlapping.
    Hopping {
        /// How long each is.
        size_ms: i64,
        /// How far apart they begin.
        advance_ms: i64,
    },
    /// As long as records come.
    Session {
        /// How long none may come.
        gap_ms: i64,
    },
}

/// How rows without a partner are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// They are left out.
    Inner,
    /// Those of the left are kept.
    Left,
    /// Those of the right are kept.
    Right,
    /// Those of both are kept.
    Full,
}

impl JoinKind {
    /// How it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Inner => "INNER",
            Self::Left => "LEFT",
            Self::Right => "RIGHT",
            Self::Full => "FULL",
        }
    }
}

/// A source joined to those before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Join {
    /// What becomes of rows without a partner.
    pub kind: JoinKind,
    /// The source on the right.
    pub right: Relation,
    /// `WITHIN`, where streams meet.
    pub within: Option<At<Within>>,
    /// What must be true of a pair.
    pub on: At<Expr>,
}

/// How far apart two events may be, in milliseconds.
#[expect(clippy::struct_field_names, reason = "a time's unit ends its name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    /// How much earlier the right one may be.
    pub before_ms: i64,
    /// How much later the right one may be.
    pub after_ms: i64,
    /// How late records may come.
    pub grace_ms: Option<i64>,
}

/// A named source in a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Relation {
    /// The source's name.
    pub name: At<String>,
    /// What the query calls it.
    pub alias: String,
    /// The query that stands in its place.
    pub query: Option<Box<Query>>,
}

/// One thing selected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SelectItem {
    /// `*`.
    All(Span),
    /// `source.*`.
    AllOf(At<String>),
    /// `struct->*`.
    Fields(At<Expr>),
    /// An expression, and the name given to it.
    Expr(At<Expr>, Option<At<String>>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// A column, with the source it is of where that was written.
    Column(Option<String>, String),
    /// A value.
    Literal(Value),
    /// A struct's field.
    Field(Box<At<Expr>>, String),
    /// Two operands.
    Binary(Box<At<Expr>>, BinaryOp, Box<At<Expr>>),
    /// `NOT`.
    Not(Box<At<Expr>>),
    /// A minus sign.
    Negate(Box<At<Expr>>),
    /// `LIKE`, and what stands before a wildcard that is meant as it is.
    Like(Box<At<Expr>>, Box<At<Expr>>, Option<char>),
    /// `x => …` or `(x, y) => …`.
    Lambda(Vec<String>, Box<At<Expr>>),
    /// `IN (…, …)`.
    In(Box<At<Expr>>, Vec<At<Expr>>),
    /// `IS NULL`; `true` for `IS NOT NULL`.
    IsNull(Box<At<Expr>>, bool),
    /// `CASE WHEN … THEN … ELSE … END`.
    Case(Vec<(At<Expr>, At<Expr>)>, Option<Box<At<Expr>>>),
    /// `CAST(… AS …)`.
    Cast(Box<At<Expr>>, Type),
    /// A function's call, its name in capitals.
    Call(String, Vec<At<Expr>>),
    /// `STRUCT(name := …, …)`.
    Struct(Vec<(String, At<Expr>)>),
    /// `ARRAY[…, …]`.
    Array(Vec<At<Expr>>),
    /// `MAP(key := value, …)`.
    Map(Vec<(At<Expr>, At<Expr>)>),
    /// `array[index]` or `map[key]`.
    Index(Box<At<Expr>>, Box<At<Expr>>),
}

/// What joins two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `AND`.
    And,
    /// `OR`.
    Or,
    /// `=`.
    Eq,
    /// `<>`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Modulo,
    /// `IS DISTINCT FROM`.
    Distinct,
    /// `IS NOT DISTINCT FROM`.
    NotDistinct,
    /// `||`.
    Concat,
}

impl BinaryOp {
    /// How it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Concat => "||",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

impl Expr {
    /// The expressions that it is made of, in the order in which they are written.
    pub(crate) fn parts(&self) -> Vec<&At<Self>> {
        match self {
            Self::Column(..) | Self::Literal(_) => Vec::new(),
            Self::Field(of, _)
            | Self::Not(of)
            | Self::Negate(of)
            | Self::IsNull(of, _)
            | Self::Cast(of, _) => {
                vec![of]
            }
            Self::Lambda(_, body) => vec![body],
            Self::Binary(left, _, right) | Self::Index(left, right) | Self::Like(left, right, _) => {
                vec![left, right]
            }
            Self::In(of, list) => std::iter::once(&**of).chain(list).collect(),
            Self::Case(cases, otherwise) => {
                let cases = cases.iter().flat_map(|(when, then)| [when, then]);
                cases.chain(otherwise.as_deref()).collect()
            }
            Self::Call(_, parts) | Self::Array(parts) => parts.iter().collect(),
            Self::Struct(fields) => fields.iter().map(|(_, of)| of).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, of)| [key, of]).collect(),
        }
    }
}
