use super::selection::Selection;
use super::{Body, Planned, QueryPlan, condition, items};
use crate::ast::{Query, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::Source;
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// Plans a query over each record by itself.
pub(super) fn project(query: &Query, kind: SourceKind, from: &Source) -> Planned<Body> {
    let mut scope = Scope::default();
    scope.add(from, &query.from.alias);
    let mut mistakes = refused(query, kind, from);
    let mut note = |mistake| mistakes.push(mistake);
    let filter = query.filter.as_ref().and_then(|filter| condition(&scope, filter).map_err(&mut note).ok());
    let mut keyed_by: Vec<_> = (0..from.key.len()).map(Bound::Column).collect();
    if !query.partition_by.is_empty() {
        let by = query.partition_by.iter().filter_map(|by| bind(&scope, by).map_err(&mut note).ok());
        keyed_by = by.map(|(bound, _)| bound).collect();
    }
    let mut selection = Selection::new(keyed_by, mistakes);
    for (expr, name) in items(query, &scope) {
        selection.add(bind(&scope, &expr), name, expr.span);
    }
    let missing = |place: usize| {
        if let Some(by) = query.partition_by.get(place) {
            let said = "what is partitioned by is the key, and is not selected";
            return Diagnostic::new(by.span, said).help("select it too");
        }
        let names: Vec<_> = from.key.iter().map(|column| column.name.as_str()).collect();
        Diagnostic::new(query.from.name.span, format!("the key of {} is not selected", from.name))
            .help(format!("select {}", names.join(", ")))
    };
    selection.finish(&from.value_format, missing, |key, value| {
        Some(QueryPlan::Project { from: from.clone(), filter, key, value })
    })
}

fn refused(query: &Query, kind: SourceKind, from: &Source) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    if kind != from.kind {
        let said = format!(
            "{} is not what the statement creates; without GROUP BY a stream gives a stream and a table a table",
            from.name
        );
        mistakes.push(Diagnostic::new(query.from.name.span, said));
    }
    if let Some(by) = query.partition_by.first().filter(|_| from.kind == SourceKind::Table) {
        let said = Diagnostic::new(by.span, "a table's rows stay with their key");
        mistakes.push(said.help("use GROUP BY to key them by something else"));
    }
    if let Some(having) = &query.having {
        mistakes.push(Diagnostic::new(having.span, "HAVING needs a GROUP BY").help("use WHERE"));
    }
    mistakes
}
