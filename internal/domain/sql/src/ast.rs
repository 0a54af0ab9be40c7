//! Statements as they were written, names folded and places kept.

use millstream_model::{Type, Value};

use crate::diagnostic::Span;

/// Something with the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
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

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `CREATE STREAM|TABLE name (columns) WITH (…)`.
    CreateSource(CreateSource),
    /// `CREATE STREAM|TABLE name WITH (…) AS SELECT …`.
    CreateAs(CreateAs),
}

/// A source over a topic that somebody else writes.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSource {
    /// Stream or table.
    pub kind: SourceKind,
    /// Its name.
    pub name: At<String>,
    /// Declared columns.
    pub columns: Vec<ColumnDef>,
    /// Properties, their names in capitals.
    pub with: Vec<(At<String>, At<String>)>,
}

/// A declared column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: At<String>,
    /// Its type.
    pub ty: Type,
    /// Whether it is in the record's key.
    pub is_key: bool,
}

/// A source that a query keeps filled.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateAs {
    /// Stream or table.
    pub kind: SourceKind,
    /// Its name.
    pub name: At<String>,
    /// Properties, their names in capitals.
    pub with: Vec<(At<String>, At<String>)>,
    /// The query.
    pub query: Query,
}

/// A query over one source, or two that are joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What is selected.
    pub items: Vec<SelectItem>,
    /// The source.
    pub from: Relation,
    /// The source joined to it, and on what.
    pub join: Option<(Relation, At<Expr>)>,
    /// `WHERE`.
    pub filter: Option<At<Expr>>,
    /// `GROUP BY`.
    pub group_by: Vec<At<Expr>>,
    /// `HAVING`.
    pub having: Option<At<Expr>>,
}

/// A named source in a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// The source's name.
    pub name: At<String>,
    /// What the query calls it.
    pub alias: String,
}

/// One thing selected.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*`.
    All(Span),
    /// An expression, and the name given to it.
    Expr(At<Expr>, Option<String>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
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
    /// `LIKE`.
    Like,
}
