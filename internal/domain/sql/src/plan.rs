//! From statements to plans: what a rule reads, does and writes, with every name resolved.

mod aggregate;
mod explain;
mod join;
mod project;
mod selection;
mod sink;

use std::collections::BTreeSet;

use millstream_model::{Column, Type};

use crate::aggregate::AggregateCall;
use crate::ast::{At, CreateAs, CreateSource, Expr, IfExists, Query, SelectItem, SourceKind, Statement};
use crate::bind::{Scope, Typed, bind};
use crate::catalog::{Catalog, SchemaSource, Source};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;
use crate::parse::parse;
pub use explain::explain;

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
        calls: Vec<AggregateCall>,
        /// Which groups, over the grouped row.
        having: Option<Bound>,
        /// The sink's value columns, over the grouped row.
        value: Vec<Bound>,
    },
    /// Rows put side by side where the left one's expression equals the right table's key.
    Join {
        /// On the left: a table, or a stream whose records each meet the table as it is.
        left: Source,
        /// The right table.
        right: Source,
        /// Whether a left row is kept also where nothing is on the right.
        is_outer: bool,
        /// What equals the right key, over the left row.
        on: Bound,
        /// Which pairs, over the left row and the right behind it.
        filter: Option<Bound>,
        /// The sink's key columns, over the left row.
        key: Vec<Bound>,
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
    let mut planner = Planner { catalog, schemas, failed: BTreeSet::new(), rules: Vec::new() };
    for statement in &statements {
        match &statement.node {
            Statement::Unreadable(name) => planner.failed.extend(name.clone()),
            Statement::CreateSource(create) => mistakes.extend(planner.source(create)),
            Statement::CreateAs(create) => mistakes.extend(planner.rule(create)),
            Statement::Set(property, value) => mistakes.extend(set(property, value)),
        }
    }
    mistakes.sort_by_key(|mistake| mistake.span);
    (planner.rules, mistakes)
}

type Planned<T> = Result<T, Vec<Diagnostic>>;

struct Planner<'a> {
    catalog: &'a mut Catalog,
    schemas: &'a dyn SchemaSource,
    /// Sources whose own statement is wrong; that they are missing is not said once more.
    failed: BTreeSet<String>,
    rules: Vec<Rule>,
}

impl Planner<'_> {
    fn source(&mut self, create: &CreateSource) -> Vec<Diagnostic> {
        match self.is_wanted(create.if_exists, create.kind, &create.name) {
            Ok(false) => return Vec::new(),
            Err(mistake) => return vec![mistake],
            Ok(true) => {}
        }
        match sink::declared(create, self.schemas) {
            Ok(source) => {
                self.catalog.insert(source.name.clone(), source);
                Vec::new()
            }
            Err(mistake) => self.fail(&create.name, vec![mistake]),
        }
    }

    fn rule(&mut self, create: &CreateAs) -> Vec<Diagnostic> {
        match self.is_wanted(create.if_exists, create.kind, &create.name) {
            Ok(false) => return Vec::new(),
            Err(mistake) => return vec![mistake],
            Ok(true) => {}
        }
        let body = query(&create.query, create.kind, self);
        let planned = body.and_then(|body| {
            let sink = sink::filled(create, &body).map_err(|mistake| vec![mistake])?;
            Ok(Rule { sink, query: body.plan })
        });
        match planned {
            Ok(rule) => {
                self.catalog.insert(rule.sink.name.clone(), rule.sink.clone());
                self.rules.retain(|other| other.sink.name != rule.sink.name);
                self.rules.push(rule);
                Vec::new()
            }
            Err(mistakes) => self.fail(&create.name, mistakes),
        }
    }

    fn fail(&mut self, name: &At<String>, mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
        self.failed.insert(name.node.clone());
        mistakes
    }

    /// Whether a source is to be created: not when there is one that is to be kept.
    fn is_wanted(
        &self,
        if_exists: IfExists,
        kind: SourceKind,
        name: &At<String>,
    ) -> Result<bool, Diagnostic> {
        let Some(known) = self.catalog.get(&name.node) else { return Ok(true) };
        match if_exists {
            IfExists::Keep => Ok(false),
            IfExists::Replace if known.kind == kind => Ok(true),
            IfExists::Replace => {
                let said = format!("{} exists, and is a {}", name.node, known.kind);
                Err(Diagnostic::new(name.span, said).help("give it another name"))
            }
            IfExists::Refuse => {
                let said = format!("a {} called {} exists", known.kind, name.node);
                Err(Diagnostic::new(name.span, said).help("give it another name, or write CREATE OR REPLACE"))
            }
        }
    }

    fn known(&self, name: &At<String>) -> Planned<&Source> {
        if let Some(source) = self.catalog.get(&name.node) {
            return Ok(source);
        }
        if self.failed.contains(&name.node) {
            return Err(Vec::new());
        }
        let known: Vec<_> = self.catalog.keys().map(String::as_str).collect();
        let help = if known.is_empty() {
            "create it first".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        Err(vec![Diagnostic::new(name.span, format!("there is no stream or table {}", name.node)).help(help)])
    }
}

/// Rules read their sources from the first record on; that may be said, and nothing else.
fn set(property: &At<String>, value: &At<String>) -> Option<Diagnostic> {
    if property.node != "auto.offset.reset" {
        let said = Diagnostic::new(property.span, format!("the property '{}' can't be set", property.node));
        return Some(said.help("only 'auto.offset.reset' can, to 'earliest'"));
    }
    let said = Diagnostic::new(value.span, "rules read their sources from the first record on");
    (value.node != "earliest").then(|| said.help("set it to 'earliest', or leave the statement out"))
}

/// A planned query, and the columns it gives.
pub(crate) struct Body {
    pub(crate) plan: QueryPlan,
    pub(crate) key: Vec<Column>,
    pub(crate) value: Vec<Column>,
    /// The format of the first source's values, which the sink takes over.
    pub(crate) format: String,
}

fn query(query: &Query, kind: SourceKind, planner: &Planner<'_>) -> Planned<Body> {
    let from = planner.known(&query.from.name);
    if let Some(join) = &query.join {
        let right = planner.known(&join.right.name);
        return match (from, right) {
            (Ok(from), Ok(right)) => join::join(query, kind, from, right, join),
            (from, right) => Err([from.err(), right.err()].into_iter().flatten().flatten().collect()),
        };
    }
    if query.group_by.is_empty() {
        project::project(query, kind, from?)
    } else {
        aggregate::aggregate(query, kind, from?)
    }
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
fn items(query: &Query, scope: &Scope) -> Vec<(At<Expr>, String)> {
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
fn condition(scope: &Scope, expr: &At<Expr>) -> Result<Bound, Diagnostic> {
    truth(bind(scope, expr), expr)
}

fn truth(bound: Typed, expr: &At<Expr>) -> Result<Bound, Diagnostic> {
    match bound? {
        (bound, Type::Boolean) => Ok(bound),
        (_, ty) => Err(Diagnostic::new(expr.span, format!("this is {ty}, where a condition is expected"))),
    }
}
