use millstream_model::{Column, Type};

use super::{Body, Planned, QueryPlan, items, refuse_twins};
use crate::ast::{At, BinaryOp, Expr, Query, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::Source;
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// Plans a join of two tables on the right one's key.
pub(super) fn join(
    query: &Query,
    kind: SourceKind,
    left: &Source,
    right: &Source,
    on: &At<Expr>,
) -> Planned<Body> {
    let Some((right_relation, _)) = &query.join else { return Err(Vec::new()) };
    let mut mistakes = refused(query, kind, left, right);
    let mut scope = Scope::default();
    scope.add(left, &query.from.alias);
    scope.add(right, &right_relation.alias);
    let on = condition(&scope, left, right, on).map_err(|mistake| mistakes.push(mistake)).ok();
    let filter = query
        .filter
        .as_ref()
        .and_then(|filter| super::condition(&scope, filter).map_err(|mistake| mistakes.push(mistake)).ok());
    let (mut key, mut value) = (vec![None; left.key.len()], Vec::new());
    for (expr, name) in items(query, &scope) {
        match bind(&scope, &expr) {
            Ok((Bound::Column(index), ty)) if key.get(index).is_some_and(Option::is_none) => {
                if let Some(slot) = key.get_mut(index) {
                    *slot = Some(Column::new(name, ty));
                }
            }
            Ok((bound, ty)) => value.push((bound, (Column::new(name, ty), expr.span))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() && key.iter().any(Option::is_none) {
        let names: Vec<_> =
            left.key.iter().map(|column| format!("{}.{}", query.from.alias, column.name)).collect();
        let said = Diagnostic::new(
            query.from.name.span,
            format!("the key of {} is the joined table's key, and is not selected", left.name),
        );
        mistakes.push(said.help(format!("select {}", names.join(", "))));
    }
    let (value, columns): (Vec<_>, Vec<_>) = value.into_iter().unzip();
    mistakes.extend(refuse_twins(&columns));
    match on {
        Some(on) if mistakes.is_empty() => {
            let plan = QueryPlan::Join { left: left.clone(), right: right.clone(), on, filter, value };
            let value = columns.into_iter().map(|(column, _)| column).collect();
            Ok(Body {
                plan,
                key: key.into_iter().flatten().collect(),
                value,
                format: left.value_format.clone(),
            })
        }
        _ => Err(mistakes),
    }
}

fn refused(query: &Query, kind: SourceKind, left: &Source, right: &Source) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let right_span = query.join.as_ref().map(|(relation, _)| relation.name.span).unwrap_or_default();
    for (source, span) in [(left, query.from.name.span), (right, right_span)] {
        if source.kind == SourceKind::Stream {
            let said =
                Diagnostic::new(span, format!("{} is a stream; only tables can be joined", source.name));
            mistakes.push(said.help("create a table from it with GROUP BY first"));
        }
    }
    if kind == SourceKind::Stream {
        mistakes.push(
            Diagnostic::new(query.from.name.span, "two joined tables give a table")
                .help("write CREATE TABLE"),
        );
    }
    if let Some(group) = query.group_by.first() {
        let said = Diagnostic::new(group.span, "a join can't be grouped in the same statement");
        mistakes.push(said.help("create a table from the join, and group that"));
    }
    mistakes
}

/// `left expression = right key`, either way round.
fn condition(scope: &Scope, left: &Source, right: &Source, on: &At<Expr>) -> Result<Bound, Diagnostic> {
    let Expr::Binary(one, BinaryOp::Eq, other) = &on.node else {
        return Err(Diagnostic::new(on.span, "tables are joined on one equality")
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
        return Err(Diagnostic::new(on.span, "a DOUBLE is no key: equal numbers may have different bytes"));
    }
    // A row's expression then never changes, so that one partition alone decides on each joined row.
    if columns(&expression).iter().any(|column| *column >= left.key.len()) {
        let said = format!("the left side must be made of the key of {} alone", left.name);
        return Err(
            Diagnostic::new(on.span, said).help("group the left table by what it is joined on as well")
        );
    }
    Ok(expression)
}

fn columns(bound: &Bound) -> Vec<usize> {
    match bound {
        Bound::Column(index) => vec![*index],
        Bound::Literal(_) => Vec::new(),
        Bound::Field(of, _)
        | Bound::Not(of)
        | Bound::Negate(of)
        | Bound::IsNull(of, _)
        | Bound::Cast(of, _) => columns(of),
        Bound::Binary(left, _, right) => [columns(left), columns(right)].concat(),
        Bound::Call(_, parts) | Bound::Struct(parts) => parts.iter().flat_map(columns).collect(),
        Bound::Case(cases, otherwise) => {
            let parts = cases.iter().flat_map(|(when, then)| [columns(when), columns(then)].concat());
            parts.chain(otherwise.iter().flat_map(|of| columns(of))).collect()
        }
    }
}
