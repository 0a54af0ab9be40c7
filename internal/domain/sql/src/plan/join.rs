//! Sources joined one after the other.

use millstream_model::Type;

use super::graph::{Act, Builder};
use super::query::{Rows, exchange, query_with};
use super::with::moment;
use super::{Planned, Planner};
use crate::ast::{At, BinaryOp, Expr, Join, JoinKind, Query, Relation, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::BOUNDS;
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;

/// Reads a query's sources and joins them.
pub(super) fn sources(query: &Query, planner: &Planner<'_>, builder: &mut Builder) -> Planned<Rows> {
    let mut rows = entry(&query.from, planner, builder)?;
    for (place, join) in query.joins.iter().enumerate() {
        let is_again = |name: &At<String>| name.node == join.right.name.node;
        let before = query.joins.iter().take(place).map(|join| &join.right.name);
        if std::iter::once(&query.from.name).chain(before).any(is_again) {
            let said = format!("{} is joined with itself", join.right.name.node);
            let said = Diagnostic::new(join.right.name.span, said);
            return Err(vec![said.help("create a copy of it with a query, and join that")]);
        }
        if rows.scope.has(&join.right.alias) {
            let said = format!("two sources are called {}", join.right.alias);
            return Err(vec![
                Diagnostic::new(join.right.name.span, said).help("give one another name behind it"),
            ]);
        }
        let right = entry(&join.right, planner, builder)?;
        rows = joined(rows, right, join, place == 0, builder).map_err(|mistake| vec![mistake])?;
    }
    Ok(rows)
}

fn entry(relation: &Relation, planner: &Planner<'_>, builder: &mut Builder) -> Planned<Rows> {
    if let Some(inner) = &relation.query {
        return subquery(inner, relation, planner, builder);
    }
    let source = planner.known(&relation.name)?;
    let mut scope = Scope::default().using(planner.catalog.functions());
    scope.add(source, &relation.alias);
    let time = source.timestamp.as_ref().map(|column| moment(&scope, column, relation.name.span));
    let time = time.transpose().map_err(|mistake| vec![mistake])?;
    Ok(Rows {
        width: scope.width(),
        end: builder.entry(source.clone(), time),
        scope,
        kind: source.kind,
        key: (0..source.key.len()).map(|place| vec![Bound::Column(place)]).collect(),
        window: source.window,
        sources: 1,
        partitions: source.partitions,
        halves: (source.key_half(), source.value_half()),
    })
}

/// A query in place of a source: its rows, with their time and windows.
fn subquery(
    inner: &Query,
    relation: &Relation,
    planner: &Planner<'_>,
    builder: &mut Builder,
) -> Planned<Rows> {
    if let Some(other) = &inner.union {
        let said = "UNION ALL can't be run inside another query";
        return Err(vec![Diagnostic::unsupported(other.from.name.span, said)]);
    }
    let kind = kind_of(inner, planner)?;
    let body = query_with(inner, kind, planner, std::mem::take(builder))?;
    *builder = body.builder;
    let (alias, functions) = (&relation.alias, planner.catalog.functions());
    let mut scope = Scope::default().using(functions);
    for column in body.key.iter().chain(&body.value) {
        scope.push_shown(alias, &column.name, column.ty.clone());
    }
    scope.push(alias, "ROWTIME", Type::Bigint);
    for (name, ty) in BOUNDS.iter().filter(|_| body.window.is_some()) {
        scope.push(alias, name, ty.clone());
    }
    Ok(Rows {
        width: scope.width(),
        end: builder.then(body.end, Act::Select { values: body.outputs }),
        scope,
        kind,
        key: (0..body.key.len()).map(|place| vec![Bound::Column(place)]).collect(),
        window: body.window,
        sources: 1,
        partitions: None,
        halves: (body.key_half, body.value_half),
    })
}

/// Whether a query gives a stream or a table.
pub(super) fn kind_of(query: &Query, planner: &Planner<'_>) -> Planned<SourceKind> {
    match &query.from.query {
        _ if !query.group_by.is_empty() => Ok(SourceKind::Table),
        Some(inner) => kind_of(inner, planner),
        None => Ok(planner.known(&query.from.name)?.kind),
    }
}

/// What two sources are joined on: expressions over the left row that equal ones over the right row.
struct On {
    all: Vec<Equality>,
    span: Span,
}

struct Equality {
    left: Bound,
    right: Bound,
    /// The right one, over both rows side by side.
    right_beside: Bound,
    ty: Type,
}

impl On {
    fn left(&self) -> Vec<Bound> {
        self.all.iter().map(|each| each.left.clone()).collect()
    }

    fn right(&self) -> Vec<Bound> {
        self.all.iter().map(|each| each.right.clone()).collect()
    }

    /// The equalities in the order of a table's key, where they are of its whole key.
    fn by_key_of(mut self, right: &Rows) -> Self {
        let place = |each: &Equality| right.key.iter().position(|same| same.contains(&each.right));
        self.all.sort_by_key(|each| place(each).unwrap_or(usize::MAX));
        self
    }
}

fn joined(
    mut left: Rows,
    mut right: Rows,
    join: &Join,
    is_first: bool,
    builder: &mut Builder,
) -> Result<Rows, Diagnostic> {
    kinds(&left, &right, join)?;
    for rows in [&mut left, &mut right] {
        if rows.sources == 1 && rows.window.is_some() {
            rows.scope.show_bounds(rows.key.len());
        }
    }
    let on = condition(&left, &right, &join.on)?.by_key_of(&right);
    match (left.kind, right.kind) {
        (SourceKind::Stream, SourceKind::Stream) => streams(left, right, join, &on, builder),
        (SourceKind::Stream, SourceKind::Table) => lookup(left, right, join, &on, builder),
        _ => tables(left, right, join, &on, is_first, builder),
    }
}

/// Which sources can be joined how.
fn kinds(left: &Rows, right: &Rows, join: &Join) -> Result<(), Diagnostic> {
    let span = join.right.name.span;
    let name = &join.right.alias;
    match (left.kind, right.kind, &join.within) {
        (SourceKind::Stream, SourceKind::Stream, None) => {
            Err(Diagnostic::new(span, "streams are joined within a time, for all that was can't be kept")
                .help("write WITHIN, such as WITHIN 10 MINUTES"))
        }
        (SourceKind::Table, SourceKind::Stream, _) => {
            let said = format!("{name} is a stream; a table has no moment at which its row meets an event");
            Err(Diagnostic::new(span, said).help("join the table to the stream: FROM stream JOIN table"))
        }
        (_, SourceKind::Table, Some(within)) => {
            Err(Diagnostic::new(within.span, "a table has its rows at any time, so WITHIN says nothing")
                .help("leave it out"))
        }
        (SourceKind::Stream, SourceKind::Table, None)
            if matches!(join.kind, JoinKind::Full | JoinKind::Right) =>
        {
            let said =
                "an event meets a table's row and never the other way round, so the join is INNER or LEFT";
            Err(Diagnostic::new(span, said))
        }
        _ => Ok(()),
    }
}

/// Equalities, all of which hold.
fn condition(left: &Rows, right: &Rows, on: &At<Expr>) -> Result<On, Diagnostic> {
    let mut parts = Vec::new();
    conjuncts(on, &mut parts);
    let mut all: Vec<Equality> = Vec::new();
    for part in parts {
        let each = equality(left, right, part)?;
        if all.iter().any(|known| (&known.left, &known.right) == (&each.left, &each.right)) {
            return Err(Diagnostic::new(part.span, "this is asked for already"));
        }
        all.push(each);
    }
    Ok(On { all, span: on.span })
}

fn conjuncts<'e>(at: &'e At<Expr>, parts: &mut Vec<&'e At<Expr>>) {
    match &at.node {
        Expr::Binary(one, BinaryOp::And, other) => {
            conjuncts(one, parts);
            conjuncts(other, parts);
        }
        _ => parts.push(at),
    }
}

/// `left expression = right expression`, either way round.
fn equality(left: &Rows, right: &Rows, on: &At<Expr>) -> Result<Equality, Diagnostic> {
    let Expr::Binary(one, BinaryOp::Eq, other) = &on.node else {
        return Err(Diagnostic::new(on.span, "sources are joined on equalities")
            .help("write ON left.column = right.column, and further ones with AND"));
    };
    let mut both = left.scope.clone();
    both.extend(right.scope.clone());
    let width = left.scope.width();
    let ((one_bound, one_type), (other_bound, other_type)) = (bind(&both, one)?, bind(&both, other)?);
    let side = |bound: &Bound| {
        let columns = bound.columns();
        let is_left = columns.iter().all(|column| *column < width);
        let is_right = columns.iter().all(|column| *column >= width);
        (!columns.is_empty() && (is_left || is_right)).then_some(is_left)
    };
    let (left_side, right_side) = match (side(&one_bound), side(&other_bound)) {
        (Some(true), Some(false)) => (one, other),
        (Some(false), Some(true)) => (other, one),
        _ => {
            let said = "each side of the equality is of one source, one of the left and one of the right";
            return Err(Diagnostic::new(on.span, said));
        }
    };
    if one_type != other_type {
        return Err(Diagnostic::new(on.span, format!("{one_type} and {other_type} can't be joined on"))
            .help("convert one with CAST"));
    }
    let (left, _) = bind(&left.scope, left_side)?;
    let (right, _) = bind(&right.scope, right_side)?;
    let (right_beside, _) = bind(&both, right_side)?;
    Ok(Equality { left, right, right_beside, ty: one_type })
}

/// The column that an expression is, if it is one.
pub(super) fn column(of: &Bound) -> Option<usize> {
    match of {
        Bound::Column(place) => Some(*place),
        _ => None,
    }
}

/// Whether expressions are the whole key, in its order.
fn is_key(rows: &Rows, of: &[Bound]) -> bool {
    rows.key.len() == of.len() && rows.key.iter().zip(of).all(|(same, of)| same.contains(of))
}

/// Rows whose keys belong to windows meet by these keys, and can't be given others.
fn windowed(left: &Rows, right: &Rows, on: &On) -> Result<(), Diagnostic> {
    for (rows, of) in [(left, on.left()), (right, on.right())] {
        if rows.window.is_some() && !is_key(rows, &of) {
            let said = "a source whose keys belong to windows is joined on its key alone";
            return Err(Diagnostic::new(on.span, said));
        }
    }
    let shape = |rows: &Rows| rows.window.map(|window| window.size_ms().is_some());
    if shape(left) != shape(right) {
        let said = "the keys of both sources must belong to windows of one kind";
        return Err(
            Diagnostic::new(on.span, said).help("join sources with sessions, or with windows, or with none")
        );
    }
    Ok(())
}

/// Rows meet in the partition of their number, so that there are as many of either.
fn as_many(left: &Rows, right: &Rows, join: &Join) -> Result<(), Diagnostic> {
    match (left.partitions, right.partitions) {
        (Some(left), Some(right)) if left != right => {
            let said =
                format!("{} has {right} partitions, and what it is joined with has {left}", join.right.alias);
            Err(Diagnostic::new(join.right.name.span, said)
                .help(format!("copy it into a stream or table WITH (PARTITIONS={left}), and join that")))
        }
        _ => Ok(()),
    }
}

fn streams(left: Rows, right: Rows, join: &Join, on: &On, builder: &mut Builder) -> Result<Rows, Diagnostic> {
    windowed(&left, &right, on)?;
    as_many(&left, &right, join)?;
    let Some(within) = &join.within else {
        return Err(Diagnostic::new(on.span, "streams are joined within a time"));
    };
    let ends = [
        builder.then(left.end, exchange(Some(on.left()), left.window)),
        builder.then(right.end, exchange(Some(on.right()), right.window)),
    ];
    let end = builder.join(
        &ends,
        Act::Meet {
            kind: join.kind,
            before_ms: within.node.before_ms,
            after_ms: within.node.after_ms,
            grace_ms: within.node.grace_ms,
            left_width: left.scope.width(),
            right_width: right.scope.width(),
        },
    );
    let window = left.window;
    Ok(Rows { end, kind: SourceKind::Stream, window, ..beside(left, right, join.kind, on) })
}

fn lookup(left: Rows, right: Rows, join: &Join, on: &On, builder: &mut Builder) -> Result<Rows, Diagnostic> {
    if !is_key(&right, &on.right()) {
        return Err(not_the_key(&right, on, join));
    }
    as_many(&left, &right, join)?;
    if left.window.is_some() || right.window.is_some() {
        windowed(&left, &right, on)?;
    }
    let ends = [
        builder.then(left.end, exchange(Some(on.left()), left.window)),
        builder.then(right.end, exchange(None, right.window)),
    ];
    let end = builder.join(
        &ends,
        Act::Lookup {
            is_outer: join.kind == JoinKind::Left,
            left_width: left.scope.width(),
            right_width: right.scope.width(),
        },
    );
    let window = left.window;
    Ok(Rows { end, kind: SourceKind::Stream, window, ..beside(left, right, join.kind, on) })
}

fn not_the_key(right: &Rows, on: &On, join: &Join) -> Diagnostic {
    let first = right.key.iter().filter_map(|same| column(same.first()?));
    let names: Vec<_> = first.filter_map(|at| right.scope.at(at)).collect();
    let names: Vec<_> = names.iter().map(|column| column.name.as_str()).collect();
    let said = format!(
        "a table is joined on its primary key, which is ({}) in {}",
        names.join(", "),
        join.right.alias
    );
    Diagnostic::new(on.span, said)
}

fn tables(
    left: Rows,
    right: Rows,
    join: &Join,
    on: &On,
    is_first: bool,
    builder: &mut Builder,
) -> Result<Rows, Diagnostic> {
    if !is_key(&right, &on.right()) {
        return Err(not_the_key(&right, on, join));
    }
    if !is_key(&left, &on.left()) {
        return foreign(left, right, join, on, is_first, builder);
    }
    windowed(&left, &right, on)?;
    as_many(&left, &right, join)?;
    let ends = [
        builder.then(left.end, exchange(None, left.window)),
        builder.then(right.end, exchange(None, right.window)),
    ];
    let (left_width, right_width) = (left.scope.width(), right.scope.width());
    let end = builder.join(&ends, Act::Merge { kind: join.kind, left_width, right_width });
    let window = left.window;
    Ok(Rows { end, kind: SourceKind::Table, window, ..beside(left, right, join.kind, on) })
}

/// A table joined on something else than its own key.
fn foreign(
    left: Rows,
    right: Rows,
    join: &Join,
    on: &On,
    is_first: bool,
    builder: &mut Builder,
) -> Result<Rows, Diagnostic> {
    if left.window.is_some() || right.window.is_some() {
        return Err(Diagnostic::new(
            on.span,
            "tables whose keys belong to windows are joined on these keys alone",
        ));
    }
    if !is_first {
        let said = "only the first two tables are joined on something else than the left one's key";
        return Err(
            Diagnostic::new(on.span, said).help("create a table from the joins before, and join that")
        );
    }
    if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
        let said = "a table that is joined on something else than its key is joined by INNER or LEFT";
        return Err(Diagnostic::new(on.span, said));
    }
    let (left_width, right_width) = (left.scope.width(), right.scope.width());
    let is_outer = join.kind == JoinKind::Left;
    let key = on.left();
    let left_end = builder.then(left.end, Act::Subscribe { foreign: key.clone(), is_outer, right_width });
    let right_end = builder.then(right.end, exchange(None, right.window));
    let refer = Act::Refer { is_outer, foreign: key, left_width, right_width };
    let end = builder.join(&[left_end, right_end], refer);
    let mut scope = left.scope;
    scope.extend(right.scope);
    let width = scope.width();
    let halves = left.halves;
    let partitions = left.partitions;
    let kind = SourceKind::Table;
    Ok(Rows { end, scope, kind, key: left.key, window: None, sources: 2, partitions, width, halves })
}

/// Both rows side by side, and their key behind them.
fn beside(left: Rows, right: Rows, kind: JoinKind, on: &On) -> Rows {
    let mut scope = left.scope;
    scope.extend(right.scope);
    let made = on.all.iter().map(|each| same_as(&left.key, kind, each)).collect::<Vec<_>>();
    if made.iter().any(|same| same.iter().all(|same| column(same).is_none())) {
        scope.forget_made();
    }
    let mut key = Vec::new();
    for (each, mut same) in on.all.iter().zip(made) {
        if same.iter().all(|same| column(same).is_none()) {
            let mut names = (0..).map(|n| if n == 0 { "ROWKEY".to_owned() } else { format!("ROWKEY_{n}") });
            let name = names.find(|name| !scope.is_known(name)).unwrap_or_default();
            same.insert(0, Bound::Column(scope.push_shown_at(key.len(), &name, each.ty.clone())));
        } else {
            scope.push("", "", each.ty.clone());
        }
        key.push(same);
    }
    Rows {
        width: scope.width(),
        end: left.end,
        scope,
        kind: left.kind,
        key,
        window: None,
        sources: left.sources + right.sources,
        partitions: left.partitions.or(right.partitions),
        halves: left.halves,
    }
}

/// What is the same value as a key of the joined row, the preferred one first.
fn same_as(before: &[Vec<Bound>], kind: JoinKind, on: &Equality) -> Vec<Bound> {
    let mut same = match kind {
        JoinKind::Full => return Vec::new(),
        JoinKind::Right => vec![on.right_beside.clone(), on.left.clone()],
        JoinKind::Inner | JoinKind::Left => vec![on.left.clone(), on.right_beside.clone()],
    };
    // What the key was already called in joins before is the same value.
    for known in before.iter().filter(|known| known.contains(&on.left)) {
        let others: Vec<_> = known.iter().filter(|known| !same.contains(known)).cloned().collect();
        same.extend(others);
    }
    // A column is the better key.
    same.sort_by_key(|same| column(same).is_none());
    same
}
