use millstream_model::{Column, Type};

use super::explode::table_calls;
use super::graph::{Act, Builder, Windows};
use super::query::{Body, Rows, items};
use super::selection::Selection;
use super::{Planned, truth};
use crate::aggregate::{Aggregate, AggregateCall, aggregate as aggregate_of, is_aggregate};
use crate::ast::{At, Expr, Query, SourceKind, Window, WindowShape};
use crate::bind::{Scope, Typed, bind, bind_with};
use crate::catalog::{BOUNDS, Catalog, KeyWindow};
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;
use crate::format::Half;

/// How long after a window's end rows are still taken where that was not said, less the window's own size. With EMIT FINAL
/// it is not at all.
const LATENESS_MS: i64 = 86_400_000;

/// Splits expressions into what is computed for each record and what is computed for each group.
struct Grouping<'a> {
    scope: &'a Scope,
    group: Vec<(Bound, Type)>,
    is_windowed: bool,
    is_table: bool,
    calls: Vec<AggregateCall>,
}

/// The place of an aggregate's call in an expression.
pub(super) fn call_in(at: &At<Expr>) -> Option<Span> {
    match &at.node {
        Expr::Call(name, _) if is_aggregate(name) => Some(at.span),
        other => other.parts().into_iter().find_map(call_in),
    }
}

/// Plans a query with GROUP BY.
pub(super) fn aggregate(
    query: &Query,
    kind: SourceKind,
    (mut rows, mut builder): (Rows, Builder),
    (key_half, value_half): (Half, Half),
    (mut mistakes, catalog): (Vec<Diagnostic>, &Catalog),
) -> Planned<Body> {
    if kind == SourceKind::Stream {
        let said = Diagnostic::new(query.from.name.span, "a query with GROUP BY gives a table");
        mistakes.push(said.help("write CREATE TABLE"));
    }
    let group = grouped_by(query, &rows.scope, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let windows = query.window.as_ref().map(|window| windows(&window.node, query.emit_final.is_some()));
    let key_width = if query.is_transient { 0 } else { group.len() };
    let keyed_by = (0..key_width).map(|place| vec![Bound::Column(place)]).collect();
    let is_windowed = windows.is_some();
    let is_table = rows.kind == SourceKind::Table;
    let mut grouping = Grouping { scope: &rows.scope, group, is_windowed, is_table, calls: Vec::new() };
    let mut selection = Selection::new(keyed_by, mistakes);
    let items = items(query, &rows, &mut selection.mistakes);
    let mut tables = Vec::new();
    for item in &items {
        table_calls(&item.expr, &mut tables);
    }
    if let Some(call) = tables.first() {
        let said = Diagnostic::new(call.span, "a table function makes rows, and groups are made of rows");
        selection.mistakes.push(said.help("create a stream with it first, and group that"));
        return Err(selection.mistakes);
    }
    for item in items {
        selection.add(grouping.split(&item.expr), item);
    }
    let having = query.having.as_ref().map(|having| truth(grouping.split(having), having));
    let having = having.and_then(|having| selection.take(having));
    if grouping.calls.is_empty() && selection.mistakes.is_empty() {
        let span = query.group_by.first().map(|by| by.span).unwrap_or_default();
        let said = Diagnostic::new(span, "nothing is put together in the groups");
        selection.mistakes.push(said.help("select an aggregate such as COUNT(*)"));
    }
    let missing = |place: usize| {
        let span = query.group_by.get(place).map(|by| by.span).unwrap_or_default();
        Diagnostic::new(span, "what is grouped by is the table's key, and is not selected")
            .help("select it too")
    };
    let Grouping { group, calls, .. } = grouping;
    intermediate(&calls, &value_half, query, &mut selection.mistakes);
    let selected = selection.finish(missing)?;
    let group = group.into_iter().map(|(bound, _)| bound).collect();
    let arguments = calls.iter().map(|call| call.arguments.clone()).collect();
    rows.end = builder.then(rows.end, Act::Group { kind: rows.kind, group, arguments });
    let calls = calls.into_iter().map(|call| limited(call.aggregate, catalog)).collect();
    rows.end = builder.then(rows.end, Act::Aggregate { kind: rows.kind, calls, window: windows });
    if let Some(condition) = having {
        rows.end = builder.then(rows.end, Act::Filter { condition, kind: SourceKind::Table });
    }
    Ok(Body {
        builder,
        end: rows.end,
        outputs: selected.outputs,
        kind,
        key: selected.key,
        value: selected.value,
        window: windows.map(|windows| KeyWindow { shape: windows.shape }),
        key_half,
        value_half,
    })
}

/// An aggregate that collects values stops where a setting says.
fn limited(aggregate: Aggregate, catalog: &Catalog) -> Aggregate {
    let setting = format!("ksql.functions.{}.limit", aggregate.name().to_lowercase());
    match catalog.setting(&setting).and_then(|limit| limit.parse().ok()) {
        Some(limit) => aggregate.with_limit(limit),
        None => aggregate,
    }
}

/// States that are kept between rows are written in the format of the values, which must hold them.
fn intermediate(calls: &[AggregateCall], half: &Half, query: &Query, mistakes: &mut Vec<Diagnostic>) {
    let Some(format) = crate::format::format(&half.format) else { return };
    for call in calls {
        let state = [Column::new("STATE", call.aggregate.state_type())];
        if let Some(reason) = format.refuses(&state).filter(|_| mistakes.is_empty()) {
            let span = query.group_by.first().map(|by| by.span).unwrap_or_default();
            let said = format!(
                "what an aggregate keeps between rows does not go into the source's format: {reason}"
            );
            mistakes.push(
                Diagnostic::new(span, said).help("read a source with another VALUE_FORMAT, such as JSON"),
            );
        }
    }
}

/// What makes a group.
fn grouped_by(query: &Query, scope: &Scope, mistakes: &mut Vec<Diagnostic>) -> Vec<(Bound, Type)> {
    let mut group: Vec<(Bound, Type)> = Vec::new();
    for by in &query.group_by {
        if let Some(call) = call_in(by) {
            mistakes.push(Diagnostic::new(call, "rows are not grouped by what groups give"));
            continue;
        }
        let bound = if query.window.is_some() {
            outside_bounds(by).and_then(|()| bind(scope, by))
        } else {
            bind(scope, by)
        };
        match bound {
            Ok(bound) if group.iter().any(|(known, _)| *known == bound.0) => {
                mistakes.push(Diagnostic::new(by.span, "rows are grouped by this already"));
            }
            Ok(bound) => group.push(bound),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    group
}

fn is_bound(name: &str) -> bool {
    BOUNDS.iter().any(|(bound, _)| *bound == name)
}

/// A window's bounds are known only behind the grouping.
fn outside_bounds(at: &At<Expr>) -> Result<(), Diagnostic> {
    match &at.node {
        Expr::Column(_, name) if is_bound(name) => {
            let said = format!("{name} is known when the groups are made, so it can only be selected");
            Err(Diagnostic::new(at.span, said))
        }
        other => other.parts().into_iter().try_for_each(outside_bounds),
    }
}

fn windows(window: &Window, is_final: bool) -> Windows {
    let size_ms = match window.shape {
        WindowShape::Tumbling { size_ms } | WindowShape::Hopping { size_ms, .. } => size_ms,
        WindowShape::Session { gap_ms } => gap_ms,
    };
    // What is told once is not held back for a day unless somebody asks for it.
    let otherwise = if is_final { 0 } else { LATENESS_MS.saturating_sub(size_ms).max(0) };
    let grace_ms = window.grace_ms.unwrap_or(otherwise);
    Windows { shape: window.shape, grace_ms, is_final }
}

impl Grouping<'_> {
    /// An expression over the grouped row.
    fn split(&mut self, at: &At<Expr>) -> Typed {
        bind_with(self.scope.functions(), at, &mut |at| self.known(at))
    }

    /// How many values stand before the aggregates' results.
    fn first_result(&self) -> usize {
        self.group.len() + if self.is_windowed { BOUNDS.len() } else { 0 }
    }

    /// What a part stands for in the grouped row: an aggregate's result, what is grouped by, or a window's bound.
    fn known(&mut self, at: &At<Expr>) -> Option<Typed> {
        if let Expr::Call(name, arguments) = &at.node
            && is_aggregate(name)
        {
            return Some(self.call(name, arguments, at));
        }
        if let Expr::Column(_, name) = &at.node
            && let Some(place) =
                BOUNDS.iter().position(|(bound, _)| bound == name).filter(|_| self.is_windowed)
        {
            return Some(Ok((Bound::Column(self.group.len() + place), Type::Bigint)));
        }
        let bound = bind(self.scope, at);
        if let Ok((bound, ty)) = &bound
            && let Some(index) = self.group.iter().position(|(group, _)| group == bound)
        {
            return Some(Ok((Bound::Column(index), ty.clone())));
        }
        let Expr::Column(_, name) = &at.node else { return None };
        // A name that does not exist is the better thing to say.
        Some(bound.and_then(|_| {
            Err(Diagnostic::new(at.span, format!("{name} differs within a group"))
                .help("group by it, or put it into an aggregate such as LATEST_BY_OFFSET"))
        }))
    }

    fn call(&mut self, name: &str, arguments: &[At<Expr>], at: &At<Expr>) -> Typed {
        for argument in arguments {
            if let Some(inner) = call_in(argument) {
                return Err(Diagnostic::new(inner, "an aggregate is not put together of aggregates"));
            }
            if self.is_windowed {
                outside_bounds(argument)?;
            }
        }
        let bound = arguments.iter().map(|argument| bind(self.scope, argument));
        let call = aggregate_of(name, bound.collect::<Result<_, _>>()?)
            .map_err(|said| Diagnostic::new(at.span, said))?;
        if self.is_table && !call.aggregate.has_undo() {
            let said = format!("{name} can't take back what a table's row gave before");
            return Err(Diagnostic::new(at.span, said).help("put a stream's rows together"));
        }
        let result = call.aggregate.result_type().clone();
        let known = self.calls.iter().position(|known| *known == call);
        let index = known.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        Ok((Bound::Column(self.first_result() + index), result))
    }
}
