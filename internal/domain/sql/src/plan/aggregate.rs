use millstream_model::{Column, Type};

use super::{Body, Planned, QueryPlan, condition, items, refuse_twins};
use crate::aggregate::{Aggregate, aggregate as aggregate_of};
use crate::ast::{At, Expr, Query, SourceKind};
use crate::bind::{Scope, bind};
use crate::catalog::Source;
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// Splits expressions into what is computed for each record and what is computed for each group.
struct Grouping<'a> {
    scope: &'a Scope,
    group: Vec<(Bound, Type)>,
    calls: Vec<(Aggregate, Option<Bound>, Type)>,
}

/// Plans a query with GROUP BY.
pub(super) fn aggregate(query: &Query, kind: SourceKind, from: &Source) -> Planned<Body> {
    let mut mistakes = Vec::new();
    if kind == SourceKind::Stream {
        let said = Diagnostic::new(query.from.name.span, "a query with GROUP BY gives a table")
            .help("write CREATE TABLE");
        mistakes.push(said);
    }
    let mut scope = Scope::default();
    scope.add(from, &query.from.alias);
    let mut early = Vec::new();
    let mut take = |expr: &At<Expr>| bind(&scope, expr).map_err(|mistake| mistakes.push(mistake)).ok();
    let filter = query
        .filter
        .as_ref()
        .and_then(|filter| condition(&scope, filter).map_err(|mistake| early.push(mistake)).ok());
    let group: Vec<_> = query.group_by.iter().filter_map(&mut take).collect();
    mistakes.append(&mut early);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut grouping = Grouping { scope: &scope, group, calls: Vec::new() };
    let (mut key, mut value) = (vec![None; grouping.group.len()], Vec::new());
    for (expr, name) in items(query, &scope) {
        match grouping.split(&expr) {
            Ok((Bound::Column(index), ty)) if key.get(index).is_some_and(Option::is_none) => {
                if let Some(slot) = key.get_mut(index) {
                    *slot = Some(Column::new(name, ty));
                }
            }
            Ok((bound, ty)) => value.push((bound, (Column::new(name, ty), expr.span))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let having = query
        .having
        .as_ref()
        .and_then(|having| grouping.split(having).map_err(|mistake| mistakes.push(mistake)).ok());
    for (slot, group) in key.iter().zip(&query.group_by).filter(|(slot, _)| slot.is_none()) {
        let _ = slot;
        if mistakes.is_empty() {
            mistakes.push(
                Diagnostic::new(group.span, "what is grouped by is the table's key, and is not selected")
                    .help("select it too"),
            );
        }
    }
    let (value, columns): (Vec<_>, Vec<_>) = value.into_iter().unzip();
    mistakes.extend(refuse_twins(&columns));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let Grouping { group, calls, .. } = grouping;
    let plan = QueryPlan::Aggregate {
        from: from.clone(),
        filter,
        group: group.into_iter().map(|(bound, _)| bound).collect(),
        calls: calls.into_iter().map(|(aggregate, argument, _)| (aggregate, argument)).collect(),
        having: having.map(|(bound, _)| bound),
        value,
    };
    let value = columns.into_iter().map(|(column, _)| column).collect();
    Ok(Body { plan, key: key.into_iter().flatten().collect(), value, format: from.value_format.clone() })
}

impl Grouping<'_> {
    /// An expression over the grouped row.
    fn split(&mut self, at: &At<Expr>) -> Result<(Bound, Type), Diagnostic> {
        if let Expr::Call(name, arguments) = &at.node
            && let Some(aggregate) = aggregate_of(name)
        {
            return self.call(aggregate, name, arguments, at);
        }
        if let Ok((bound, ty)) = bind(self.scope, at)
            && let Some(index) = self.group.iter().position(|(group, _)| *group == bound)
        {
            return Ok((Bound::Column(index), ty));
        }
        match &at.node {
            Expr::Column(_, name) => {
                // A name that does not exist is the better thing to say.
                bind(self.scope, at)?;
                let said = format!("{name} differs within a group");
                Err(Diagnostic::new(at.span, said)
                    .help("group by it, or put it into an aggregate such as LATEST_BY_OFFSET"))
            }
            Expr::Literal(_) => bind(self.scope, at),
            _ => self.rebuild(at),
        }
    }

    fn call(
        &mut self,
        aggregate: Aggregate,
        name: &str,
        arguments: &[At<Expr>],
        at: &At<Expr>,
    ) -> Result<(Bound, Type), Diagnostic> {
        let (argument, ty) = match arguments {
            [] => (None, None),
            [only] => bind(self.scope, only).map(|(bound, ty)| (Some(bound), Some(ty)))?,
            _ => return Err(Diagnostic::new(at.span, format!("{name} takes one argument"))),
        };
        let result = aggregate.type_of(ty.as_ref()).ok_or_else(|| {
            let given = ty.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            Diagnostic::new(at.span, format!("{name} does not take {given}"))
        })?;
        let known = self.calls.iter().position(|(other, of, _)| *other == aggregate && *of == argument);
        let index = known.unwrap_or_else(|| {
            self.calls.push((aggregate, argument, result.clone()));
            self.calls.len() - 1
        });
        Ok((Bound::Column(self.group.len() + index), result))
    }

    /// Binds an operator over parts that are split first: each part stands in for a column of the grouped row.
    fn rebuild(&mut self, at: &At<Expr>) -> Result<(Bound, Type), Diagnostic> {
        let mut parts = Vec::new();
        let stand_in = self.replace(at, &mut parts)?;
        let names: Vec<String> = (0..parts.len()).map(|index| format!(" {index}")).collect();
        let columns: Vec<_> =
            names.iter().zip(&parts).map(|(name, (_, ty))| (name.as_str(), ty.clone())).collect();
        let (bound, ty) = bind(&Scope::of(&columns), &stand_in)?;
        let parts: Vec<_> = parts.into_iter().map(|(part, _)| part).collect();
        Ok((filled(bound, &parts), ty))
    }

    fn replace(&mut self, at: &At<Expr>, parts: &mut Vec<(Bound, Type)>) -> Result<At<Expr>, Diagnostic> {
        let mut part = |grouping: &mut Self, of: &At<Expr>| -> Result<At<Expr>, Diagnostic> {
            let split = grouping.split(of)?;
            parts.push(split);
            Ok(At { node: Expr::Column(None, format!(" {}", parts.len() - 1)), span: of.span })
        };
        let mut boxed = |grouping: &mut Self, of: &At<Expr>| part(grouping, of).map(Box::new);
        let node = match &at.node {
            Expr::Field(of, field) => Expr::Field(boxed(self, of)?, field.clone()),
            Expr::Binary(left, op, right) => Expr::Binary(boxed(self, left)?, *op, boxed(self, right)?),
            Expr::Not(of) => Expr::Not(boxed(self, of)?),
            Expr::Negate(of) => Expr::Negate(boxed(self, of)?),
            Expr::IsNull(of, negated) => Expr::IsNull(boxed(self, of)?, *negated),
            Expr::Cast(of, ty) => Expr::Cast(boxed(self, of)?, ty.clone()),
            Expr::Call(name, arguments) => Expr::Call(
                name.clone(),
                arguments
                    .iter()
                    .map(|argument| boxed(self, argument).map(|part| *part))
                    .collect::<Result<_, _>>()?,
            ),
            Expr::Struct(fields) => {
                let field = |(name, of): &(String, At<Expr>)| Ok((name.clone(), *boxed(self, of)?));
                Expr::Struct(fields.iter().map(field).collect::<Result<_, Diagnostic>>()?)
            }
            Expr::Case(cases, otherwise) => {
                let case =
                    |(when, then): &(At<Expr>, At<Expr>)| Ok((*boxed(self, when)?, *boxed(self, then)?));
                let cases = cases.iter().map(case).collect::<Result<_, Diagnostic>>()?;
                Expr::Case(cases, otherwise.as_deref().map(|of| boxed(self, of)).transpose()?)
            }
            Expr::Column(..) | Expr::Literal(_) => at.node.clone(),
        };
        Ok(At { node, span: at.span })
    }
}

/// Puts the parts in place of the columns that stand in for them.
fn filled(bound: Bound, parts: &[Bound]) -> Bound {
    let fill = |of: Box<Bound>| Box::new(filled(*of, parts));
    match bound {
        Bound::Column(index) => parts.get(index).cloned().unwrap_or(Bound::Column(index)),
        Bound::Literal(value) => Bound::Literal(value),
        Bound::Field(of, index) => Bound::Field(fill(of), index),
        Bound::Binary(left, op, right) => Bound::Binary(fill(left), op, fill(right)),
        Bound::Not(of) => Bound::Not(fill(of)),
        Bound::Negate(of) => Bound::Negate(fill(of)),
        Bound::IsNull(of, negated) => Bound::IsNull(fill(of), negated),
        Bound::Cast(of, ty) => Bound::Cast(fill(of), ty),
        Bound::Call(function, arguments) => {
            Bound::Call(function, arguments.into_iter().map(|of| filled(of, parts)).collect())
        }
        Bound::Struct(fields) => Bound::Struct(fields.into_iter().map(|of| filled(of, parts)).collect()),
        Bound::Case(cases, otherwise) => {
            let cases =
                cases.into_iter().map(|(when, then)| (filled(when, parts), filled(then, parts))).collect();
            Bound::Case(cases, otherwise.map(fill))
        }
    }
}
