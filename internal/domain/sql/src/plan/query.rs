//! A query's sources, what is done with their rows, and what is selected.

use millstream_model::{Column, Type};

use super::graph::{Act, Builder, End, OnNull, QueryPlan};
use super::selection::{Item, Selection};
use super::{Planned, Planner, aggregate, condition, explode, join};
use crate::ast::{At, Expr, Query, SelectItem, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::{KeyWindow, is_reserved};
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;
use crate::format::Half;

/// A planned query, and the columns it gives.
pub(crate) struct Body {
    pub(crate) builder: Builder,
    /// Where the rows come out.
    pub(crate) end: End,
    /// The sink's value columns, over those rows.
    pub(crate) outputs: Vec<Bound>,
    pub(crate) kind: SourceKind,
    pub(crate) key: Vec<Column>,
    pub(crate) value: Vec<Column>,
    pub(crate) window: Option<KeyWindow>,
    /// The formats of the first source, which the sink takes over.
    pub(crate) key_half: Half,
    pub(crate) value_half: Half,
}

impl Body {
    /// The graph, with the sink at its end.
    pub(crate) fn into_plan(mut self, time: Option<Bound>) -> QueryPlan {
        let act = Act::Sink { value: self.outputs, time, kind: self.kind };
        self.builder.then(self.end, act);
        self.builder.build()
    }
}

/// Rows on their way: what they hold, and what they are keyed by.
pub(super) struct Rows {
    pub(super) end: End,
    pub(super) scope: Scope,
    pub(super) kind: SourceKind,
    /// For each key column, what is the same value in the row, the preferred one first.
    pub(super) key: Vec<Vec<Bound>>,
    pub(super) window: Option<KeyWindow>,
    /// How many sources are joined.
    pub(super) sources: usize,
    /// How many partitions they are in, where a statement says so.
    pub(super) partitions: Option<u32>,
    /// The formats of the first source.
    pub(super) halves: (Half, Half),
    /// How many of the row's columns are the sources' own; further ones were made on the way.
    pub(super) width: usize,
}

impl Rows {
    /// The names of the sources' own columns.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.scope.names().take(self.width)
    }
}

/// Plans a query that fills something of this kind.
pub(super) fn query(query: &Query, kind: SourceKind, planner: &Planner<'_>) -> Planned<Body> {
    query_with(query, kind, planner, Builder::default())
}

/// The same, behind what a builder has already.
pub(super) fn query_with(
    query: &Query,
    kind: SourceKind,
    planner: &Planner<'_>,
    mut builder: Builder,
) -> Planned<Body> {
    let mut rows = join::sources(query, planner, &mut builder)?;
    let mut mistakes = clauses(query, &rows);
    if let Some(filter) = &query.filter {
        match condition(&rows.scope, filter) {
            Ok(condition) => {
                let act = Act::Filter { condition, kind: rows.kind };
                rows.end = builder.then(rows.end, act);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let halves = rows.halves.clone();
    if query.group_by.is_empty() {
        project(query, kind, (rows, builder), halves, mistakes)
    } else {
        aggregate::aggregate(query, kind, (rows, builder), halves, (mistakes, planner.catalog))
    }
}

/// Clauses that don't go together.
fn clauses(query: &Query, rows: &Rows) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let is_grouped = !query.group_by.is_empty();
    if let Some(window) = query.window.as_ref().filter(|_| !is_grouped) {
        mistakes.push(Diagnostic::new(window.span, "a WINDOW is of groups, so it needs a GROUP BY"));
    }
    if let Some(window) = query.window.as_ref().filter(|_| rows.kind == SourceKind::Table && is_grouped) {
        mistakes.push(Diagnostic::new(window.span, "a table's rows have no windows; only a stream's do"));
    }
    if let Some(window) = query.window.as_ref().filter(|_| rows.window.is_some()) {
        let said = Diagnostic::new(window.span, "the source's keys belong to windows already");
        mistakes.push(said.help("group a stream whose keys do not"));
    }
    if let Some(span) = query.emit_final.filter(|_| query.window.is_none()) {
        let said = Diagnostic::new(span, "EMIT FINAL tells closed windows, and there are none");
        mistakes.push(said.help("add a WINDOW, or write EMIT CHANGES"));
    }
    if let Some(having) = query.having.as_ref().filter(|_| !is_grouped) {
        mistakes.push(Diagnostic::new(having.span, "HAVING needs a GROUP BY").help("use WHERE"));
    }
    if let Some(by) = query.partition_by.first().filter(|_| is_grouped) {
        let said = Diagnostic::new(by.span, "groups are partitioned by what they are grouped by");
        mistakes.push(said.help("leave PARTITION BY out"));
    }
    if let Some(by) = query.partition_by.first().filter(|_| rows.kind == SourceKind::Table && !is_grouped) {
        let said = Diagnostic::new(by.span, "a table's rows stay with their key");
        mistakes.push(said.help("use GROUP BY to key them by something else"));
    }
    if let Some(by) = query.partition_by.first().filter(|_| rows.window.is_some() && !is_grouped) {
        let said = "keys that belong to windows can't be given up for others";
        mistakes.push(Diagnostic::new(by.span, said));
    }
    if let Some(limit) = query.limit.as_ref().filter(|_| !query.is_transient) {
        mistakes.push(Diagnostic::new(limit.span, "a rule runs for ever, so it has no LIMIT"));
    }
    mistakes
}

type Halves = (Half, Half);

/// Plans a query over each row by itself.
fn project(
    query: &Query,
    kind: SourceKind,
    (mut rows, mut builder): (Rows, Builder),
    (key_half, value_half): Halves,
    mut mistakes: Vec<Diagnostic>,
) -> Planned<Body> {
    if kind != rows.kind {
        let said = match rows.kind {
            SourceKind::Stream => "without GROUP BY, what comes of a stream is a stream",
            SourceKind::Table => "what comes of a table is a table",
        };
        let said = Diagnostic::new(query.from.name.span, said);
        mistakes.push(said.help(format!("write CREATE {}", rows.kind.to_string().to_uppercase())));
    }
    if query.is_transient && rows.window.is_some() && rows.sources == 1 {
        rows.scope.show_bounds(rows.key.len());
    }
    let key_of = |rows: &Rows| if query.is_transient { Vec::new() } else { rows.key.clone() };
    let mut selection = Selection::new(key_of(&rows), mistakes);
    if !query.partition_by.is_empty() {
        match partitioned(query, &mut rows, &mut builder) {
            Ok(_) if query.is_transient => {}
            Ok(keyed_by) => selection = Selection::new(keyed_by, selection.mistakes),
            Err(mistake) => selection.mistakes.push(mistake),
        }
    }
    let exploded = explode::explode(query, &mut rows, &mut builder, &mut selection.mistakes);
    for item in items(query, &rows, &mut selection.mistakes) {
        let bound = explode::bind_item(&item.expr, &rows.scope, &exploded);
        selection.add(bound, item);
    }
    let missing = |place: usize| missing_key(query, &rows, place);
    let selected = selection.finish(missing)?;
    Ok(Body {
        builder,
        end: rows.end,
        outputs: selected.outputs,
        kind,
        key: selected.key,
        value: selected.value,
        window: rows.window,
        key_half,
        value_half,
    })
}

fn missing_key(query: &Query, rows: &Rows, place: usize) -> Diagnostic {
    if let Some(by) = query.partition_by.get(place) {
        return Diagnostic::new(by.span, "what is partitioned by is the key, and is not selected")
            .help("select it too");
    }
    let same = rows.key.get(place).map_or(&[][..], Vec::as_slice);
    let name = |same: &Bound| {
        let column = rows.scope.at(super::join::column(same)?)?;
        let is_plain = rows.sources == 1 || column.source.is_empty();
        Some(if is_plain { column.name.clone() } else { format!("{}.{}", column.source, column.name) })
    };
    let names: Vec<_> = same.iter().filter_map(name).collect();
    if rows.sources > 1 {
        let span = query.joins.last().map_or(query.from.name.span, |join| join.on.span);
        return Diagnostic::new(
            span,
            "what the sources are joined on is the key of the result, and is not selected",
        )
        .help(format!("select {}", names.join(" or ")));
    }
    Diagnostic::new(query.from.name.span, format!("the key of {} is not selected", query.from.name.node))
        .help(format!("select {}", names.join(" or ")))
}

/// Rekeys rows by PARTITION BY, and answers what they are keyed by.
fn partitioned(query: &Query, rows: &mut Rows, builder: &mut Builder) -> Result<Vec<Vec<Bound>>, Diagnostic> {
    let by = &query.partition_by;
    let is_null = |at: &At<Expr>| at.node == Expr::Literal(millstream_model::Value::Null);
    if let [only] = by.as_slice()
        && is_null(only)
    {
        rows.end = builder.then(rows.end, Act::Rekey { key: Vec::new() });
        rows.key = Vec::new();
        return Ok(Vec::new());
    }
    if let Some(null) = by.iter().find(|at| is_null(at)) {
        return Err(Diagnostic::new(null.span, "NULL is no key beside others"));
    }
    let mut key = Vec::new();
    let mut same = Vec::new();
    let mut made = Vec::new();
    let width = rows.scope.width();
    let mut names = made_names(rows);
    for at in by {
        if let Some(call) = aggregate::call_in(at) {
            return Err(Diagnostic::new(call, "rows are not partitioned by what many of them give"));
        }
        let (bound, ty) = bind(&rows.scope, at)?;
        if let Some(column) = super::join::column(&bound) {
            same.push(column);
        } else {
            // A key that is no column is one from here on, also for '*'.
            made.push(bound.clone());
            let name = match &at.node {
                Expr::Field(_, name) => numbered(name, &[], rows),
                _ => names.next().unwrap_or_default(),
            };
            same.push(rows.scope.push_first(&name, ty));
        }
        key.push(bound);
    }
    let keyed_by =
        key.iter().zip(&same).map(|(bound, place)| vec![bound.clone(), Bound::Column(*place)]).collect();
    if !made.is_empty() {
        debug_assert_eq!(rows.scope.width(), width + made.len());
        rows.end = builder.then(rows.end, Act::Extend { values: made });
    }
    rows.end = builder.then(rows.end, Act::Rekey { key });
    // What was the key before stands behind the value from here on.
    let before = rows.key.iter().flatten().filter_map(super::join::column).collect::<Vec<_>>();
    rows.scope.show_last(&before, &same);
    rows.key = same.into_iter().map(|place| vec![Bound::Column(place)]).collect();
    Ok(keyed_by)
}

/// The items selected, `*` written out, each with the name it gets.
pub(super) fn items(query: &Query, rows: &Rows, mistakes: &mut Vec<Diagnostic>) -> Vec<Item> {
    let mut all: Vec<Item> = Vec::new();
    let mut names = made_names(rows);
    for item in &query.items {
        match item {
            SelectItem::Expr(expr, alias) => {
                let reserves = !query.is_transient;
                let found = &mut *mistakes;
                if let Some(named) = named(expr, alias.as_ref(), (&mut names, &all), rows, (found, reserves))
                {
                    all.push(Item { expr: expr.clone(), name: named });
                }
            }
            SelectItem::All(span) => all.extend(columns(rows, None, *span)),
            SelectItem::AllOf(source) => {
                if rows.scope.has(&source.node) {
                    all.extend(columns(rows, Some(&source.node), source.span));
                } else {
                    mistakes
                        .push(Diagnostic::new(source.span, format!("the query reads no {}", source.node)));
                }
            }
            SelectItem::Fields(of) => match bind(&rows.scope, of) {
                Ok((_, Type::Struct(fields))) => all.extend(fields.into_iter().map(|field| {
                    let node = Expr::Field(Box::new(of.clone()), field.name.clone());
                    Item { expr: At { node, span: of.span }, name: field.name }
                })),
                Ok((_, ty)) => {
                    mistakes
                        .push(Diagnostic::new(of.span, format!("only a STRUCT has fields; this is {ty}")));
                }
                Err(mistake) => mistakes.push(mistake),
            },
        }
    }
    all
}

type MadeNames = Box<dyn Iterator<Item = String>>;

/// Names for what has none, behind those that columns have already.
fn made_names(rows: &Rows) -> MadeNames {
    let first = rows.names().filter_map(|name| name.strip_prefix("KSQL_COL_")?.parse::<u32>().ok()).max();
    let first = first.map_or(0, |last| last.saturating_add(1));
    Box::new((first..).map(|number| format!("KSQL_COL_{number}")))
}

/// An item's name: given, or the column's or field's own, or made up from its place.
fn named(
    expr: &At<Expr>,
    alias: Option<&At<String>>,
    (names, before): (&mut MadeNames, &[Item]),
    rows: &Rows,
    (mistakes, reserves): (&mut Vec<Diagnostic>, bool),
) -> Option<String> {
    let name = match (&expr.node, alias) {
        (_, Some(alias)) => alias.node.clone(),
        (Expr::Column(source, name), None) => match source {
            Some(source) if rows.sources > 1 && rows.scope.is_ambiguous(name) => format!("{source}_{name}"),
            _ => name.clone(),
        },
        (Expr::Field(_, name), None) => numbered(name, before, rows),
        _ => names.next().unwrap_or_default(),
    };
    if reserves && is_reserved(&name) {
        let span: Span = alias.map_or(expr.span, |alias| alias.span);
        let said = format!("{name} is what every row has, so no column of the result can be called so");
        mistakes.push(Diagnostic::new(span, said).help("name it with AS"));
        return None;
    }
    Some(name)
}

/// The name, with a number behind it where it is taken.
fn numbered(name: &str, before: &[Item], rows: &Rows) -> String {
    let is_taken =
        |name: &str| rows.names().any(|known| known == name) || before.iter().any(|item| item.name == name);
    let numbers = (1..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbers).find(|name| !is_taken(name)).unwrap_or_default()
}

/// The columns that `*` or `source.*` stands for. In a join they carry their source's name.
fn columns(rows: &Rows, source: Option<&str>, span: Span) -> Vec<Item> {
    let item = |place: usize| {
        let column = rows.scope.at(place)?;
        let source = Some(column.source.clone()).filter(|source| !source.is_empty());
        let name = match &source {
            Some(source) if rows.sources > 1 => format!("{source}_{}", column.name),
            _ => column.name.clone(),
        };
        let node = Expr::Column(source, column.name.clone());
        Some(Item { expr: At { node, span }, name })
    };
    rows.scope.all(source).into_iter().filter_map(item).collect()
}

/// The step that takes rows to where their key belongs.
pub(super) fn exchange(key: Option<Vec<Bound>>, window: Option<KeyWindow>) -> Act {
    let by_end = window.is_some_and(|window| window.size_ms().is_none());
    Act::Exchange { key, on_null: OnNull::Drop, by_end }
}
