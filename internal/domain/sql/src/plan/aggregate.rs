use millstream_model::Type;

use super::selection::Selection;
use super::{Body, Planned, QueryPlan, condition, items, truth};
use crate::aggregate::{AggregateCall, aggregate as aggregate_of, is_aggregate};
use crate::ast::{At, Expr, Query, SourceKind};
use crate::bind::{Scope, Typed, bind, bind_by};
use crate::catalog::Source;
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// Splits expressions into what is computed for each record and what is computed for each group.
struct Grouping<'a> {
    scope: &'a Scope,
    group: Vec<(Bound, Type)>,
    calls: Vec<AggregateCall>,
}

/// Plans a query with GROUP BY.
pub(super) fn aggregate(query: &Query, kind: SourceKind, from: &Source) -> Planned<Body> {
    let mut scope = Scope::default();
    scope.add(from, &query.from.alias);
    let mut mistakes = refused(query, kind);
    let mut note = |mistake| mistakes.push(mistake);
    let filter = query.filter.as_ref().and_then(|filter| condition(&scope, filter).map_err(&mut note).ok());
    let group: Vec<_> =
        query.group_by.iter().filter_map(|by| bind(&scope, by).map_err(&mut note).ok()).collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let keyed_by = (0..group.len()).map(Bound::Column).collect();
    let mut grouping = Grouping { scope: &scope, group, calls: Vec::new() };
    let mut selection = Selection::new(keyed_by, mistakes);
    for (expr, name) in items(query, &scope) {
        selection.add(grouping.split(&expr), name, expr.span);
    }
    let having = query.having.as_ref().map(|having| truth(grouping.split(having), having));
    let having = having.and_then(|having| selection.take(having));
    let missing = |place: usize| {
        let span = query.group_by.get(place).map(|by| by.span).unwrap_or_default();
        Diagnostic::new(span, "what is grouped by is the table's key, and is not selected")
            .help("select it too")
    };
    let Grouping { group, calls, .. } = grouping;
    selection.finish(&from.value_format, missing, |_, value| {
        Some(QueryPlan::Aggregate {
            from: from.clone(),
            filter,
            group: group.into_iter().map(|(bound, _)| bound).collect(),
            calls,
            having,
            value,
        })
    })
}

fn refused(query: &Query, kind: SourceKind) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    if kind == SourceKind::Stream {
        let said = Diagnostic::new(query.from.name.span, "a query with GROUP BY gives a table");
        mistakes.push(said.help("write CREATE TABLE"));
    }
    if let Some(by) = query.partition_by.first() {
        let said = Diagnostic::new(by.span, "groups are partitioned by what they are grouped by");
        mistakes.push(said.help("leave PARTITION BY out"));
    }
    mistakes
}

impl Grouping<'_> {
    /// An expression over the grouped row.
    fn split(&mut self, at: &At<Expr>) -> Typed {
        bind_by(at, &mut |at| self.known(at))
    }

    /// What a part stands for in the grouped row: an aggregate's result, or what is grouped by.
    fn known(&mut self, at: &At<Expr>) -> Option<Typed> {
        if let Expr::Call(name, arguments) = &at.node
            && is_aggregate(name)
        {
            return Some(self.call(name, arguments, at));
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
        let arguments = arguments.iter().map(|argument| bind(self.scope, argument));
        let call = aggregate_of(name, arguments.collect::<Result<_, _>>()?)
            .map_err(|said| Diagnostic::new(at.span, said))?;
        let result = call.aggregate.result_type().clone();
        let known = self.calls.iter().position(|known| *known == call);
        let index = known.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        Ok((Bound::Column(self.group.len() + index), result))
    }
}
