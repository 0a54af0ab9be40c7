//! A query by itself, whose rows go to whoever asks.

use std::collections::BTreeSet;

use millstream_model::{Column, FormatOptions, Value};

use super::join::kind_of;
use super::query::query;
use super::{Plan, Planned, Planner, Rule};
use crate::ast::{At, BinaryOp, Expr, Query, SourceKind};
use crate::bind::{Scope, assigned, bind};
use crate::catalog::{Catalog, OnError, SchemaSource, Source};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;
use crate::parse::parse_query;

/// A query by itself, ready to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    /// What it does with each record. The values of its sink's rows are the columns selected, and the sink is no topic.
    pub rule: Rule,
    /// What is selected.
    pub columns: Vec<Column>,
    /// Whether its rows are told as they change, without end; otherwise it tells what there is.
    pub is_push: bool,
    /// How many rows are told at the most.
    pub limit: Option<u64>,
    /// For each column selected, which of the row's key columns it is: what is told of a table's row that is gone.
    pub keys: Vec<Option<usize>>,
    /// The one key that its rows have, where the condition says so.
    pub key: Option<Vec<Value>>,
}

/// Plans a query by itself: `SELECT …`, with `EMIT CHANGES` as rows come, or without, of what there is.
///
/// # Errors
/// All mistakes found in it.
pub fn ask(text: &str, catalog: &Catalog, schemas: &dyn SchemaSource) -> Result<Asking, Vec<Diagnostic>> {
    let mut asked = parse_query(text).map_err(|mistake| vec![mistake])?;
    asked.is_transient = true;
    let mut known = catalog.clone();
    let planner = Planner { catalog: &mut known, schemas, failed: BTreeSet::new(), plan: Plan::default() };
    refused(&asked)?;
    let kind = kind_of(&asked, &planner)?;
    let body = query(&asked, kind, &planner)?;
    let source = asked.from.query.is_none().then(|| planner.known(&asked.from.name)).transpose()?;
    let alone = source.filter(|_| asked.joins.is_empty());
    let width = match (asked.group_by.len(), alone) {
        (0, Some(source)) => source.key.len(),
        (groups, _) => groups,
    };
    let key_place = |bound: &Bound| match bound {
        Bound::Column(place) if *place < width => Some(*place),
        _ => None,
    };
    let keys = body.outputs.iter().map(key_place).collect();
    let key = alone.and_then(|source| one_key(&asked, source, planner.catalog));
    let columns = body.value.clone();
    let sink = nowhere(kind, &columns);
    let query = body.into_plan(None).numbered();
    let rule = Rule {
        name: sink.name.clone(),
        sink,
        query,
        guarantee: None,
        idle_ms: None,
        is_from_end: false,
        tells_each_change: true,
        span: asked.from.name.span,
    };
    let is_push = asked.emits_changes || asked.emit_final.is_some();
    Ok(Asking { rule, columns, is_push, limit: asked.limit.map(|limit| limit.node), keys, key })
}

fn refused(asked: &Query) -> Planned<()> {
    let is_push = asked.emits_changes || asked.emit_final.is_some();
    if let Some(other) = &asked.union {
        let said = "UNION ALL can't be run by itself";
        let said = Diagnostic::unsupported(other.from.name.span, said);
        return Err(vec![said.help("create a stream with it, and ask that")]);
    }
    if let Some(join) = asked.joins.first().filter(|_| !is_push) {
        let said = Diagnostic::unsupported(join.right.name.span, "a query that ends reads one source");
        return Err(vec![said.help("write EMIT CHANGES, or create a table with the join and ask that")]);
    }
    if let Some(window) = asked.window.as_ref().filter(|_| !is_push) {
        let said = Diagnostic::unsupported(window.span, "a query that ends makes no windows");
        return Err(vec![said.help("write EMIT CHANGES, or create a table with the windows and ask that")]);
    }
    Ok(())
}

/// The sink of rows that are told and not kept.
fn nowhere(kind: SourceKind, columns: &[Column]) -> Source {
    Source {
        name: "TRANSIENT".to_owned(),
        kind,
        topic: "transient".to_owned(),
        key_format: "NONE".to_owned(),
        value_format: "NONE".to_owned(),
        key_options: FormatOptions::default(),
        value_options: FormatOptions::default(),
        key: Vec::new(),
        value: columns.to_vec(),
        headers: Vec::new(),
        window: None,
        timestamp: None,
        partitions: None,
        replicas: None,
        on_error: OnError::Skip,
        is_read_only: true,
    }
}

/// The values of all key columns, where the condition gives each one by `=`.
fn one_key(asked: &Query, source: &Source, catalog: &Catalog) -> Option<Vec<Value>> {
    let mut given = Vec::new();
    equalities(asked.filter.as_ref()?, &mut given);
    let value = |column: &Column| {
        let (_, at) = given.iter().find(|(name, _)| **name == column.name)?;
        let scope = Scope::default().using(catalog.functions());
        let value = assigned(bind(&scope, at).ok()?, &column.ty)?.try_eval(&[]).ok()?;
        (!value.is_null()).then_some(value)
    };
    let all: Option<Vec<_>> = source.key.iter().map(value).collect();
    all.filter(|all| !all.is_empty())
}

/// What columns are said to equal, in what must all be true.
fn equalities<'q>(at: &'q At<Expr>, found: &mut Vec<(&'q String, &'q At<Expr>)>) {
    let Expr::Binary(left, op, right) = &at.node else { return };
    match (op, &left.node, &right.node) {
        (BinaryOp::And, ..) => {
            equalities(left, found);
            equalities(right, found);
        }
        (BinaryOp::Eq, Expr::Column(_, name), Expr::Literal(_)) => found.push((name, right)),
        (BinaryOp::Eq, Expr::Literal(_), Expr::Column(_, name)) => found.push((name, left)),
        _ => {}
    }
}
