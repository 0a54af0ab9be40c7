//! From statements to plans: what a rule reads, does and writes, with every name resolved.

mod aggregate;
mod join;
mod project;
mod sink;

use millstream_model::Column;

use crate::aggregate::Aggregate;
use crate::ast::{At, Expr, Query, SelectItem, SourceKind, Statement};
use crate::catalog::{Catalog, SchemaSource, Source};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;
use crate::parse::parse;

/// A rule that runs: a source that is kept filled from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it fills.
    pub sink: Source,
    /// How.
    pub query: QueryPlan,
}

/// How a sink is filled. Rows are a source's key, value and pseudo columns; see [`Source::width`].
#[derive(Clone, Debug, PartialEq)]
pub enum QueryPlan {
    /// Each record by itself.
    Project {
        /// From where.
        from: Source,
        /// Which records.
        filter: Option<Bound>,
        /// The sink's key columns, over the source's row.
        key: Vec<Bound>,
        /// The sink's value columns, over the source's row.
        value: Vec<Bound>,
    },
    /// Records put together by group. Behind the grouping a row is the group's values, then the aggregates' results.
    Aggregate {
        /// From where.
        from: Source,
        /// Which records.
        filter: Option<Bound>,
        /// What makes a group, over the source's row. It is also the sink's key.
        group: Vec<Bound>,
        /// What is put together: a function, and its argument over the source's row.
        calls: Vec<(Aggregate, Option<Bound>)>,
        /// Which groups, over the grouped row.
        having: Option<Bound>,
        /// The sink's value columns, over the grouped row.
        value: Vec<Bound>,
    },
    /// Two tables' rows put side by side where the left one's expression equals the right one's key.
    Join {
        /// The left table, whose key is the sink's.
        left: Source,
        /// The right table.
        right: Source,
        /// What equals the right key, over the left row.
        on: Bound,
        /// Which pairs, over the left row and the right behind it.
        filter: Option<Bound>,
        /// The sink's value columns, over the left row and the right behind it.
        value: Vec<Bound>,
    },
}

impl QueryPlan {
    /// The sources read, in the order of the operator's sides.
    pub fn sources(&self) -> Vec<&Source> {
        match self {
            Self::Project { from, .. } | Self::Aggregate { from, .. } => vec![from],
            Self::Join { left, right, .. } => vec![left, right],
        }
    }
}

/// Plans every statement of a text against `catalog`, which gains the sources that it creates, and finds all mistakes.
pub fn plan(text: &str, catalog: &mut Catalog, schemas: &dyn SchemaSource) -> (Vec<Rule>, Vec<Diagnostic>) {
    let (statements, mut mistakes) = parse(text);
    let mut rules = Vec::new();
    for statement in &statements {
        match planned(statement, catalog, schemas) {
            Ok((source, query)) => {
                catalog.insert(source.name.clone(), source.clone());
                rules.extend(query.map(|query| Rule { sink: source, query }));
            }
            Err(found) => mistakes.extend(found),
        }
    }
    mistakes.sort_by_key(|mistake| mistake.span);
    (rules, mistakes)
}

type Planned<T> = Result<T, Vec<Diagnostic>>;

fn planned(
    statement: &At<Statement>,
    catalog: &Catalog,
    schemas: &dyn SchemaSource,
) -> Planned<(Source, Option<QueryPlan>)> {
    match &statement.node {
        Statement::CreateSource(create) => {
            sink::declared(create, schemas).map(|source| (source, None)).map_err(|mistake| vec![mistake])
        }
        Statement::CreateAs(create) => {
            let body = query(&create.query, create.kind, catalog)?;
            let sink = sink::filled(create, &body).map_err(|mistake| vec![mistake])?;
            Ok((sink, Some(body.plan)))
        }
    }
}

/// A planned query, and the columns it gives.
pub(crate) struct Body {
    pub(crate) plan: QueryPlan,
    pub(crate) key: Vec<Column>,
    pub(crate) value: Vec<Column>,
    /// The format of the first source's values, which the sink takes over.
    pub(crate) format: String,
}

fn query(query: &Query, kind: SourceKind, catalog: &Catalog) -> Planned<Body> {
    let from = source(catalog, &query.from.name)?;
    if let Some((right, on)) = &query.join {
        let right_source = source(catalog, &right.name)?;
        return join::join(query, kind, from, right_source, on);
    }
    if query.group_by.is_empty() {
        project::project(query, kind, from)
    } else {
        aggregate::aggregate(query, kind, from)
    }
}

fn source<'a>(catalog: &'a Catalog, name: &At<String>) -> Planned<&'a Source> {
    catalog.get(&name.node).ok_or_else(|| {
        let known: Vec<_> = catalog.keys().map(String::as_str).collect();
        let help = if known.is_empty() {
            "create it first".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        vec![Diagnostic::new(name.span, format!("there is no stream or table {}", name.node)).help(help)]
    })
}

/// The name of an item: given, or the column's or field's own, or made up from its place.
fn item_name(expr: &At<Expr>, alias: Option<&String>, place: usize) -> String {
    match (&expr.node, alias) {
        (_, Some(alias)) => alias.clone(),
        (Expr::Column(_, name) | Expr::Field(_, name), None) => name.clone(),
        _ => format!("KSQL_COL_{place}"),
    }
}

/// The items with `*` written out.
fn items(query: &Query, scope: &crate::bind::Scope) -> Vec<(At<Expr>, String)> {
    let mut all = Vec::new();
    for item in &query.items {
        match item {
            SelectItem::Expr(expr, alias) => {
                let name = item_name(expr, alias.as_ref(), all.len());
                all.push((expr.clone(), name));
            }
            SelectItem::All(span) => {
                let column = |(source, name): (&str, &str)| {
                    let node = Expr::Column(Some(source.to_owned()), name.to_owned());
                    (At { node, span: *span }, name.to_owned())
                };
                all.extend(scope.all().map(column));
            }
        }
    }
    all
}

/// Binds what must be true or false.
fn condition(scope: &crate::bind::Scope, expr: &At<Expr>) -> Result<Bound, Diagnostic> {
    match crate::bind::bind(scope, expr)? {
        (bound, millstream_model::Type::Boolean) => Ok(bound),
        (_, ty) => Err(Diagnostic::new(expr.span, format!("this is a {ty}, where a condition is expected"))),
    }
}

/// A second column of one name could not be told from the first.
fn refuse_twins(columns: &[(Column, crate::diagnostic::Span)]) -> Vec<Diagnostic> {
    let twin = |(index, (column, _)): &(usize, &(Column, _))| {
        columns.iter().take(*index).any(|(before, _)| before.name == column.name)
    };
    let found = columns.iter().enumerate().filter(twin);
    found
        .map(|(_, (column, span))| {
            Diagnostic::new(*span, format!("a second column is called {}", column.name))
                .help("name it with AS")
        })
        .collect()
}

#[cfg(test)]
mod tests;
