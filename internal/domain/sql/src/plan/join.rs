use millstream_model::Type;

use super::selection::Selection;
use super::{Body, Planned, QueryPlan, items};
use crate::ast::{At, BinaryOp, Expr, Join, Query, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::Source;
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// Plans a join of a stream or a table with a table, on the right one's key.
pub(super) fn join(
    query: &Query,
    kind: SourceKind,
    left: &Source,
    right: &Source,
    join: &Join,
) -> Planned<Body> {
    let mut mistakes = refused(query, kind, left, right, join);
    let mut scope = Scope::default();
    scope.add(left, &query.from.alias);
    scope.add(right, &join.right.alias);
    let mut note = |mistake| mistakes.push(mistake);
    let on = condition(&scope, left, right, &join.on).map_err(&mut note).ok();
    let filter = query.filter.as_ref();
    let filter = filter.and_then(|filter| super::condition(&scope, filter).map_err(&mut note).ok());
    // Events are keyed by what they were joined on, for that is where they met; a table's rows keep their key.
    let keyed_by = match left.kind {
        SourceKind::Stream => on.clone().into_iter().collect(),
        SourceKind::Table => (0..left.key.len()).map(Bound::Column).collect(),
    };
    let mut selection = Selection::new(keyed_by, mistakes);
    for (expr, name) in items(query, &scope) {
        selection.add(bind(&scope, &expr), name, expr.span);
    }
    let missing = |_| unselected(query, left, join);
    selection.finish(&left.value_format, missing, |key, value| {
        let (left, right, is_outer) = (left.clone(), right.clone(), join.is_outer);
        Some(QueryPlan::Join { left, right, is_outer, on: on?, filter, key, value })
    })
}

fn unselected(query: &Query, left: &Source, join: &Join) -> Diagnostic {
    if left.kind == SourceKind::Stream {
        let said = "what the stream is joined on is the key of the result, and is not selected";
        return Diagnostic::new(join.on.span, said).help("select it too");
    }
    let names: Vec<_> =
        left.key.iter().map(|column| format!("{}.{}", query.from.alias, column.name)).collect();
    let said = format!("the key of {} is the joined table's key, and is not selected", left.name);
    Diagnostic::new(query.from.name.span, said).help(format!("select {}", names.join(", ")))
}

fn refused(query: &Query, kind: SourceKind, left: &Source, right: &Source, join: &Join) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    if right.kind == SourceKind::Stream {
        let said = format!("{} is a stream; only a table can be joined to another source", right.name);
        let said = Diagnostic::new(join.right.name.span, said);
        mistakes.push(said.help("create a table from it with GROUP BY first"));
    }
    if left.topic == right.topic {
        let said = format!("both sources read the topic {}", right.topic);
        let said = Diagnostic::new(join.right.name.span, said);
        mistakes.push(said.help("create a table that copies one of them, and join that"));
    }
    if kind != left.kind {
        let (gives, write) = match left.kind {
            SourceKind::Stream => ("a stream joined with a table gives a stream", "write CREATE STREAM"),
            SourceKind::Table => ("two joined tables give a table", "write CREATE TABLE"),
        };
        mistakes.push(Diagnostic::new(query.from.name.span, gives).help(write));
    }
    if query.from.alias == join.right.alias {
        let said = format!("both sources are called {}", join.right.alias);
        mistakes.push(Diagnostic::new(join.right.name.span, said).help("give one another name behind it"));
    }
    if let Some(by) = query.group_by.first() {
        let said = Diagnostic::new(by.span, "a join can't be grouped in the same statement");
        mistakes.push(said.help("create a table from the join, and group that"));
    }
    if let Some(by) = query.partition_by.first() {
        let said = Diagnostic::new(by.span, "a join can't be partitioned anew in the same statement");
        mistakes.push(said.help("create a stream from the join, and partition that"));
    }
    if let Some(having) = query.having.as_ref().filter(|_| query.group_by.is_empty()) {
        mistakes.push(Diagnostic::new(having.span, "HAVING needs a GROUP BY").help("use WHERE"));
    }
    mistakes
}

/// `left expression = right key`, either way round.
fn condition(scope: &Scope, left: &Source, right: &Source, on: &At<Expr>) -> Result<Bound, Diagnostic> {
    let Expr::Binary(one, BinaryOp::Eq, other) = &on.node else {
        return Err(Diagnostic::new(on.span, "sources are joined on one equality")
            .help("write ON left.column = right.key"));
    };
    let right_key = left.width();
    let is_right_key = |bound: &Bound| *bound == Bound::Column(right_key) && right.key.len() == 1;
    let ((one_bound, one_type), (other_bound, other_type)) = (bind(scope, one)?, bind(scope, other)?);
    if one_type != other_type {
        return Err(Diagnostic::new(on.span, format!("{one_type} and {other_type} can't be equal"))
            .help("convert one with CAST"));
    }
    let expression = match (is_right_key(&one_bound), is_right_key(&other_bound)) {
        (false, true) => one_bound,
        (true, false) => other_bound,
        _ => {
            let key: Vec<_> = right.key.iter().map(|column| column.name.as_str()).collect();
            let said = format!("one side must be the key of {}, which is ({})", right.name, key.join(", "));
            return Err(Diagnostic::new(on.span, said));
        }
    };
    if one_type == Type::Double {
        return Err(Diagnostic::new(on.span, "DOUBLE is no key: equal numbers may have different bytes"));
    }
    let used = expression.columns();
    if used.iter().any(|column| *column >= left.width()) {
        return Err(Diagnostic::new(
            on.span,
            format!("the side of {} names columns of {}", left.name, right.name),
        ));
    }
    // A table row's expression then never changes, so that one partition alone decides on each joined row.
    if left.kind == SourceKind::Table && used.iter().any(|column| *column >= left.key.len()) {
        let said = format!("the left side must be made of the key of {} alone", left.name);
        return Err(
            Diagnostic::new(on.span, said).help("group the left table by what it is joined on as well")
        );
    }
    Ok(expression)
}
