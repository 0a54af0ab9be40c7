//! Table functions: calls that make several rows of one.

use millstream_model::Type;

use super::graph::{Act, Builder};
use super::query::Rows;
use crate::aggregate::is_aggregate;
use crate::ast::{At, Expr, Query, SelectItem, SourceKind};
use crate::bind::{Scope, Typed, bind, bind_with};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;
use crate::tables::{TableCall, is_table_function, table_function};

/// A table function's call, the column that its elements stand in, and their type.
pub(super) type Exploded = Vec<(At<Expr>, usize, Type)>;

/// The calls of table functions in an expression.
pub(super) fn table_calls(at: &At<Expr>, calls: &mut Vec<At<Expr>>) {
    match &at.node {
        Expr::Call(name, _) if is_table_function(name) => calls.push(at.clone()),
        other => other.parts().into_iter().for_each(|part| table_calls(part, calls)),
    }
}

/// A CASE chooses among values, and a table function gives rows.
fn outside_case(at: &At<Expr>) -> Result<(), Diagnostic> {
    let parts = at.node.parts();
    if matches!(at.node, Expr::Case(..)) {
        let mut calls = Vec::new();
        parts.iter().for_each(|part| table_calls(part, &mut calls));
        if let Some(call) = calls.first() {
            let said = "a table function makes rows, and a CASE chooses among values";
            return Err(Diagnostic::new(call.span, said).help("create a stream with it first"));
        }
    }
    parts.into_iter().try_for_each(outside_case)
}

/// Binds a table function's call.
fn bind_call(scope: &Scope, call: &At<Expr>) -> Result<TableCall, Diagnostic> {
    let Expr::Call(name, arguments) = &call.node else {
        return Err(Diagnostic::new(call.span, "expected a table function"));
    };
    let bound = arguments.iter().map(|argument| bind(scope, argument)).collect::<Result<_, _>>()?;
    table_function(name, bound).map_err(|said| Diagnostic::new(call.span, said))
}

/// Puts the elements of what table functions make behind each row.
pub(super) fn explode(
    query: &Query,
    rows: &mut Rows,
    builder: &mut Builder,
    mistakes: &mut Vec<Diagnostic>,
) -> Exploded {
    let mut calls = Vec::new();
    for item in &query.items {
        if let SelectItem::Expr(expr, _) | SelectItem::Fields(expr) = item {
            table_calls(expr, &mut calls);
            mistakes.extend(outside_case(expr).err());
        }
    }
    if let (Some(call), SourceKind::Table) = (calls.first(), rows.kind) {
        let said = Diagnostic::new(call.span, "a table's row can't become several");
        mistakes.push(said.help("read a stream"));
    }
    let (mut exploded, mut lists) = (Exploded::new(), Vec::new());
    for call in calls {
        match bind_call(&rows.scope, &call) {
            Ok(list) => {
                let ty = list.result_type().clone();
                lists.push(list);
                let place = rows.scope.push("", "", ty.clone());
                exploded.push((call, place, ty));
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !lists.is_empty() {
        rows.end = builder.then(rows.end, Act::Explode { lists });
    }
    exploded
}

/// Binds an item over rows that have the elements of table functions behind them.
pub(super) fn bind_item(expr: &At<Expr>, scope: &Scope, exploded: &Exploded) -> Typed {
    bind_with(scope.functions(), expr, &mut |at| {
        if let Some((_, place, ty)) = exploded.iter().find(|(call, ..)| call.node == at.node) {
            return Some(Ok((Bound::Column(*place), ty.clone())));
        }
        match &at.node {
            Expr::Column(source, name) => Some(scope.column(source.as_deref(), name, at)),
            Expr::Call(name, _) if is_aggregate(name) => {
                let said =
                    format!("{name} puts many rows together, which is done only in a query with GROUP BY");
                Some(Err(Diagnostic::new(at.span, said)))
            }
            _ => None,
        }
    })
}
