//! INSERT INTO: a query's rows, or one row, into a source that is there.

use millstream_model::{Column, Type, Value};

use super::graph::QueryPlan;
use super::query::{Body, query};
use super::{Insertion, Planned, Planner};
use crate::ast::{At, InsertSelect, InsertValues, Query, SourceKind};
use crate::bind::{Scope, assigned, bind};
use crate::catalog::Source;
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::{Bound, compare};

fn target<'p>(name: &At<String>, planner: &'p Planner<'_>) -> Planned<&'p Source> {
    let sink = planner.known(name)?;
    let refused = if sink.is_read_only {
        Some("is a SOURCE, which rules only read")
    } else if !sink.headers.is_empty() {
        Some("has columns of headers, which are not written")
    } else {
        None
    };
    match refused {
        Some(why) => Err(vec![Diagnostic::new(name.span, format!("{} {why}", sink.name))]),
        None => Ok(sink),
    }
}

/// A query that fills a source beside others.
pub(super) fn select(insert: &InsertSelect, planner: &Planner<'_>) -> Planned<(Source, QueryPlan)> {
    let sink = target(&insert.target, planner)?.clone();
    let span = insert.target.span;
    if sink.kind == SourceKind::Table {
        let said = format!("{} is a table, and two queries would undo each other's rows", sink.name);
        return Err(vec![Diagnostic::new(span, said).help("insert into a stream")]);
    }
    if sink.window.is_some() {
        return Err(vec![Diagnostic::new(
            span,
            format!("the windows of {} are those of its own query", sink.name),
        )]);
    }
    let others = union(&insert.query, &sink, None, planner)?;
    let body = fitting(&insert.query, &sink, planner, span)?;
    let plan = others.into_iter().fold(body.into_plan(None), QueryPlan::with).numbered();
    Ok((sink, plan))
}

/// The queries behind UNION ALL, each with rows as the sink has them.
pub(super) fn union(
    first: &Query,
    sink: &Source,
    time: Option<&Bound>,
    planner: &Planner<'_>,
) -> Planned<Vec<QueryPlan>> {
    let mut all = Vec::new();
    let mut next = first.union.as_deref();
    if let Some(other) = next.filter(|_| sink.kind == SourceKind::Table) {
        let said = "two queries would undo each other's rows in a table";
        return Err(vec![Diagnostic::new(other.from.name.span, said).help("write CREATE STREAM")]);
    }
    while let Some(other) = next {
        let body = fitting(other, sink, planner, other.from.name.span)?;
        all.push(body.into_plan(time.cloned()));
        next = other.union.as_deref();
    }
    Ok(all)
}

/// A query whose rows are as the sink has them.
fn fitting(of: &Query, sink: &Source, planner: &Planner<'_>, span: Span) -> Planned<Body> {
    let mut body = query(of, sink.kind, planner)?;
    let types = |columns: &[Column]| columns.iter().map(|column| column.ty.clone()).collect::<Vec<_>>();
    let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let is_keyed = names(&body.key) == names(&sink.key) && types(&body.key) == types(&sink.key);
    let mut outputs = Vec::new();
    if is_keyed && names(&body.value) == names(&sink.value) {
        for ((bound, from), to) in body.outputs.drain(..).zip(&body.value).zip(&sink.value) {
            let widens = from.ty == to.ty || is_wider(&to.ty, &from.ty);
            outputs.extend(assigned((bound, from.ty.clone()), &to.ty).filter(|_| widens));
        }
    }
    if !is_keyed || outputs.len() != sink.value.len() {
        let list =
            |columns: &[Column]| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let said = format!(
            "the query gives key ({}) value ({}), where {} has key ({}) value ({})",
            list(&body.key),
            list(&body.value),
            sink.name,
            list(&sink.key),
            list(&sink.value)
        );
        return Err(vec![
            Diagnostic::new(span, said).help("select columns of these names and types, in this order"),
        ]);
    }
    body.outputs = outputs;
    Ok(body)
}

/// One row.
pub(super) fn values(insert: &InsertValues, planner: &Planner<'_>) -> Planned<Insertion> {
    let sink = target(&insert.target, planner)?;
    if sink.window.is_some() {
        let said =
            Diagnostic::new(insert.target.span, format!("the keys of {} belong to windows", sink.name));
        return Err(vec![said.help("rows are written there by its own query alone")]);
    }
    let all: Vec<&Column> = sink.key.iter().chain(&sink.value).collect();
    let names: Vec<At<String>> = if insert.columns.is_empty() {
        let named = |column: &&Column| At { node: column.name.clone(), span: insert.target.span };
        all.iter().map(named).collect()
    } else {
        insert.columns.clone()
    };
    if names.len() != insert.values.len() {
        let said = format!("{} values stand for {} columns", insert.values.len(), names.len());
        return Err(vec![Diagnostic::new(insert.target.span, said)]);
    }
    let mut row = vec![Value::Null; all.len()];
    let mut timestamp = None;
    let scope = Scope::default().using(planner.catalog.functions());
    for (name, at) in names.iter().zip(&insert.values) {
        let one = |mistake| vec![mistake];
        let given = bind(&scope, at).map_err(one)?;
        if name.node == "ROWTIME" {
            timestamp = match given.0.eval(&[]) {
                Value::Bigint(time) | Value::Timestamp(time) => Some(time),
                Value::Int(time) => Some(i64::from(time)),
                _ => return Err(one(Diagnostic::new(at.span, "ROWTIME is in milliseconds since 1970"))),
            };
            continue;
        }
        let found = all.iter().position(|column| column.name == name.node);
        let Some((place, column)) = found.and_then(|place| Some((place, all.get(place)?))) else {
            return Err(one(Diagnostic::new(
                name.span,
                format!("{} has no column {}", sink.name, name.node),
            )));
        };
        let said = format!("{} is {}, not {}", column.name, column.ty, given.1);
        let value = fitting_value(given, &column.ty).ok_or_else(|| one(Diagnostic::new(at.span, said)))?;
        if let Some(slot) = row.get_mut(place) {
            *slot = value;
        }
    }
    let value = row.split_off(sink.key.len());
    if sink.kind == SourceKind::Table && row.iter().all(Value::is_null) {
        return Err(vec![Diagnostic::new(
            insert.target.span,
            "a table's row is known by its key, and none is given",
        )]);
    }
    Ok(Insertion { sink: sink.clone(), key: row, value, timestamp, span: insert.target.span })
}

/// A value that is given for a column of type `to`, as one of that type; none where it would be another value then.
fn fitting_value((given, from): (Bound, Type), to: &Type) -> Option<Value> {
    let before = given.eval(&[]);
    let is_text = |ty: &Type| *ty == Type::String;
    // Clients write exact numbers as texts.
    let is_plain = |ty: &Type| matches!(ty, Type::Int | Type::Bigint | Type::Double | Type::Boolean);
    let is_other = is_text(&from) && is_plain(to) || is_plain(&from) && is_text(to);
    if is_other && !before.is_null() {
        return None;
    }
    let is_exact = from.is_number() && to.is_number();
    if is_exact && !is_wider(to, &from) {
        return None;
    }
    let value = assigned((given, from), to)?.eval(&[]);
    let is_decimal = matches!(to, Type::Decimal { .. });
    let is_same = !is_exact || !is_decimal || compare(&before, &value).is_none_or(std::cmp::Ordering::is_eq);
    Some(value).filter(|_| is_same)
}

/// Whether a number's type holds all numbers of another one's kind.
fn is_wider(to: &Type, from: &Type) -> bool {
    let width = |ty: &Type| match ty {
        Type::Int => Some(0),
        Type::Bigint => Some(1),
        Type::Decimal { .. } => Some(2),
        Type::Double => Some(3),
        _ => None,
    };
    matches!((width(to), width(from)), (Some(to), Some(from)) if to >= from)
}
