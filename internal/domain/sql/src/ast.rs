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
    /// `SET 'property' = 'value'`.
    Set(At<String>, At<String>),
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
    /// Whether it is in the record's key.
    pub is_key: bool,
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

/// A query over one source, or two that are joined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// What is selected.
    pub items: Vec<SelectItem>,
    /// The source.
    pub from: Relation,
    /// The source joined to it.
    pub join: Option<Join>,
    /// `WHERE`.
    pub filter: Option<At<Expr>>,
    /// `GROUP BY`.
    pub group_by: Vec<At<Expr>>,
    /// `PARTITION BY`.
    pub partition_by: Vec<At<Expr>>,
    /// `HAVING`.
    pub having: Option<At<Expr>>,
}

/// A source joined to the one before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Join {
    /// `LEFT`: rows of the left side are kept also where nothing is on the right.
    pub is_outer: bool,
    /// The source on the right.
    pub right: Relation,
    /// What must be true of a pair.
    pub on: At<Expr>,
}

/// A named source in a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Relation {
    /// The source's name.
    pub name: At<String>,
    /// What the query calls it.
    pub alias: String,
}

/// One thing selected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SelectItem {
    /// `*`.
    All(Span),
    /// An expression, and the name given to it.
    Expr(At<Expr>, Option<String>),
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
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
            Self::Concat => "||",
        }
    }
}
