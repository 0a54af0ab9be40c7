use millstream_model::Column;

use super::{Body, Planned, QueryPlan, condition, items, refuse_twins};
use crate::ast::{Query, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::Source;
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// Plans a query over each record by itself.
pub(super) fn project(query: &Query, kind: SourceKind, from: &Source) -> Planned<Body> {
    let mut scope = Scope::default();
    scope.add(from, &query.from.alias);
    let mut mistakes = Vec::new();
    if kind != from.kind {
        let said = Diagnostic::new(
            query.from.name.span,
            format!(
                "{} is not what the statement creates; without GROUP BY a stream gives a stream and a table a table",
                from.name
            ),
        );
        mistakes.push(said);
    }
    if let Some(having) = &query.having {
        mistakes.push(Diagnostic::new(having.span, "HAVING needs a GROUP BY").help("use WHERE"));
    }
    let filter = query.filter.as_ref().map(|filter| condition(&scope, filter)).transpose();
    let filter = filter.map_err(|mistake| mistakes.push(mistake)).ok().flatten();
    let (mut key, mut value) = (vec![None; from.key.len()], Vec::new());
    for (expr, name) in items(query, &scope) {
        match bind(&scope, &expr) {
            Ok((Bound::Column(index), ty)) if key.get(index).is_some_and(Option::is_none) => {
                if let Some(slot) = key.get_mut(index) {
                    *slot = Some((Bound::Column(index), Column::new(name, ty)));
                }
            }
            Ok((bound, ty)) => value.push((bound, (Column::new(name, ty), expr.span))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() && key.iter().any(Option::is_none) {
        let names: Vec<_> = from.key.iter().map(|column| column.name.as_str()).collect();
        mistakes.push(
            Diagnostic::new(query.from.name.span, format!("the key of {} is not selected", from.name))
                .help(format!("select {}", names.join(", "))),
        );
    }
    let (key, key_columns): (Vec<_>, Vec<_>) = key.into_iter().flatten().unzip();
    let (value, columns): (Vec<_>, Vec<_>) = value.into_iter().unzip();
    mistakes.extend(refuse_twins(&columns));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let plan = QueryPlan::Project { from: from.clone(), filter, key, value };
    let value = columns.into_iter().map(|(column, _)| column).collect();
    Ok(Body { plan, key: key_columns, value, format: from.value_format.clone() })
}
