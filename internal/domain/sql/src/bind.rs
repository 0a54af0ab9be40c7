//! Names and types: an expression as written becomes one over a row's columns.

mod scope;
mod typing;

use millstream_model::{Column, Type, Value};

pub use scope::Scope;

use crate::aggregate::is_aggregate;
use crate::ast::{At, BinaryOp, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, function};
use typing::{fitted, literal_type, result_type, unified};

pub(crate) type Typed = Result<(Bound, Type), Diagnostic>;

/// What an expression stands for where it is not bound part by part: a column, or what a query computes beforehand.
pub(crate) type Resolve<'r> = dyn FnMut(&At<Expr>) -> Option<Typed> + 'r;

/// Binds an expression over a scope's columns, and finds its type.
///
/// # Errors
/// The first name or type that does not fit.
pub(crate) fn bind(scope: &Scope, at: &At<Expr>) -> Typed {
    bind_by(at, &mut |at| match &at.node {
        Expr::Column(source, name) => Some(scope.column(source.as_deref(), name, at)),
        Expr::Call(name, _) if is_aggregate(name) => {
            let said = format!("{name} puts many rows together, which is done only in a query with GROUP BY");
            Some(Err(Diagnostic::new(at.span, said)))
        }
        _ => None,
    })
}

/// Binds an expression whose parts `resolve` may know.
pub(crate) fn bind_by(at: &At<Expr>, resolve: &mut Resolve<'_>) -> Typed {
    if let Some(known) = resolve(at) {
        return known;
    }
    // Chains of operators are what gets deep, so that they need little of the stack.
    match &at.node {
        Expr::Binary(left, op, right) => {
            let left = bind_by(left, resolve)?;
            binary(left, *op, bind_by(right, resolve)?, at)
        }
        _ => single(at, resolve),
    }
}

fn single(at: &At<Expr>, resolve: &mut Resolve<'_>) -> Typed {
    match &at.node {
        Expr::Column(_, name) => Err(Diagnostic::new(at.span, format!("there is no column {name}"))),
        Expr::Literal(value) => Ok((Bound::Literal(value.clone()), literal_type(value))),
        Expr::Field(of, field) => take_field(bind_by(of, resolve)?, field, at),
        Expr::Binary(..) => bind_by(at, resolve),
        Expr::Not(of) => Ok((Bound::Not(Box::new(truth(of, resolve)?)), Type::Boolean)),
        Expr::Negate(of) => match bind_by(of, resolve)? {
            (of, ty) if ty.is_number() => Ok((Bound::Negate(Box::new(of)), ty)),
            (_, ty) => Err(Diagnostic::new(at.span, format!("{ty} has no sign"))),
        },
        Expr::In(of, list) => {
            let all = std::iter::once(&**of).chain(list);
            let (mut all, _) = unified(bind_all(all, resolve)?, at)?;
            let of = all.remove(0);
            Ok((Bound::In(Box::new(of), all), Type::Boolean))
        }
        Expr::IsNull(of, negated) => {
            Ok((Bound::IsNull(Box::new(bind_by(of, resolve)?.0), *negated), Type::Boolean))
        }
        Expr::Case(cases, otherwise) => case(cases, otherwise.as_deref(), at, resolve),
        Expr::Cast(of, ty) => cast(bind_by(of, resolve)?, ty, at),
        Expr::Call(name, arguments) => call(name, arguments, at, resolve),
        Expr::Struct(fields) => structure(fields, at, resolve),
        Expr::Array(elements) => {
            if elements.is_empty() {
                return Err(Diagnostic::new(at.span, "an empty array is of no type")
                    .help("write CAST(NULL AS ARRAY<…>), or put an element in"));
            }
            let (elements, ty) = unified(bind_all(elements, resolve)?, at)?;
            Ok((Bound::Array(elements), Type::Array(Box::new(ty))))
        }
        Expr::Map(entries) => map(entries, at, resolve),
        Expr::Index(of, index) => take_element(bind_by(of, resolve)?, bind_by(index, resolve)?, at),
    }
}

fn bind_all<'e>(
    all: impl IntoIterator<Item = &'e At<Expr>>,
    resolve: &mut Resolve<'_>,
) -> Result<Vec<(Bound, Type)>, Diagnostic> {
    all.into_iter().map(|expr| bind_by(expr, resolve)).collect()
}

/// An expression that must be BOOLEAN; a bare NULL is.
fn truth(at: &At<Expr>, resolve: &mut Resolve<'_>) -> Result<Bound, Diagnostic> {
    match bind_by(at, resolve)? {
        (bound, Type::Boolean) | (bound @ Bound::Literal(Value::Null), _) => Ok(bound),
        (_, ty) => Err(Diagnostic::new(at.span, format!("expected BOOLEAN, this is {ty}"))),
    }
}

fn binary(
    (left, left_type): (Bound, Type),
    op: BinaryOp,
    (right, right_type): (Bound, Type),
    at: &At<Expr>,
) -> Typed {
    // A null takes the other side's type.
    let is_null = |bound: &Bound| *bound == Bound::Literal(Value::Null);
    let left_type = if is_null(&left) { right_type.clone() } else { left_type };
    let right_type = if is_null(&right) { left_type.clone() } else { right_type };
    let ty = result_type(op, &left_type, &right_type).ok_or_else(|| {
        Diagnostic::new(at.span, format!("{} does not take {left_type} and {right_type}", op.symbol()))
            .help("convert one with CAST")
    })?;
    let bound = Bound::Binary(Box::new(left), op, Box::new(right));
    // What decimals give has the scale that their arithmetic happens to give.
    Ok(if matches!(ty, Type::Decimal { .. }) { fitted(bound, &ty) } else { (bound, ty) })
}

fn take_field((of, ty): (Bound, Type), field: &str, at: &At<Expr>) -> Typed {
    let Type::Struct(fields) = &ty else {
        return Err(Diagnostic::new(at.span, format!("{ty} has no fields")));
    };
    let found = fields.iter().position(|candidate| candidate.name == field);
    let found =
        found.or_else(|| fields.iter().position(|candidate| candidate.name.eq_ignore_ascii_case(field)));
    match found.and_then(|index| Some((index, fields.get(index)?.ty.clone()))) {
        Some((index, ty)) => Ok((Bound::Field(Box::new(of), index), ty)),
        None => Err(Diagnostic::new(at.span, format!("there is no field {field} in {ty}"))),
    }
}

fn take_element((of, ty): (Bound, Type), (index, index_type): (Bound, Type), at: &At<Expr>) -> Typed {
    let element = match (ty, &index_type) {
        (Type::Array(element), Type::Int | Type::Bigint) => *element,
        (Type::Map(key, value), given) if *key == *given => *value,
        (Type::Array(_), _) => {
            return Err(Diagnostic::new(at.span, format!("an array's index is INT, this is {index_type}")));
        }
        (Type::Map(key, _), _) => {
            return Err(Diagnostic::new(at.span, format!("the map's key is {key}, this is {index_type}")));
        }
        (ty, _) => return Err(Diagnostic::new(at.span, format!("{ty} has no elements"))),
    };
    Ok((Bound::Index(Box::new(of), Box::new(index)), element))
}

fn structure(fields: &[(String, At<Expr>)], at: &At<Expr>, resolve: &mut Resolve<'_>) -> Typed {
    let twin = fields
        .iter()
        .enumerate()
        .find(|(index, (name, _))| fields.iter().take(*index).any(|(other, _)| other == name));
    if let Some((_, (name, value))) = twin {
        return Err(Diagnostic::new(value.span, format!("a second field is called {name}")));
    }
    if fields.is_empty() {
        return Err(Diagnostic::new(at.span, "a struct has a field or more"));
    }
    let (values, types): (Vec<_>, Vec<_>) =
        bind_all(fields.iter().map(|(_, value)| value), resolve)?.into_iter().unzip();
    let columns = fields.iter().zip(types).map(|((name, _), ty)| Column::new(name.as_str(), ty));
    Ok((Bound::Struct(values), Type::Struct(columns.collect())))
}

fn map(entries: &[(At<Expr>, At<Expr>)], at: &At<Expr>, resolve: &mut Resolve<'_>) -> Typed {
    if entries.is_empty() {
        return Err(Diagnostic::new(at.span, "an empty map is of no type"));
    }
    let (keys, key_type) = unified(bind_all(entries.iter().map(|(key, _)| key), resolve)?, at)?;
    let (values, ty) = unified(bind_all(entries.iter().map(|(_, value)| value), resolve)?, at)?;
    let entries = keys.into_iter().zip(values).collect();
    Ok((Bound::Map(entries), Type::Map(Box::new(key_type), Box::new(ty))))
}

fn case(
    cases: &[(At<Expr>, At<Expr>)],
    otherwise: Option<&At<Expr>>,
    at: &At<Expr>,
    resolve: &mut Resolve<'_>,
) -> Typed {
    let checks = cases.iter().map(|(when, _)| truth(when, resolve)).collect::<Result<Vec<_>, _>>()?;
    let results = bind_all(cases.iter().map(|(_, then)| then).chain(otherwise), resolve)?;
    let (mut results, ty) = unified(results, at)?;
    let otherwise = if otherwise.is_some() { results.pop().map(Box::new) } else { None };
    Ok((Bound::Case(checks.into_iter().zip(results).collect(), otherwise), ty))
}

fn cast((of, from): (Bound, Type), to: &Type, at: &At<Expr>) -> Typed {
    if of == Bound::Literal(Value::Null) || typing::casts(&from, to) {
        return Ok((Bound::Cast(Box::new(of), to.clone()), to.clone()));
    }
    Err(Diagnostic::new(at.span, format!("{from} can't be cast to {to}")))
}

fn call(name: &str, arguments: &[At<Expr>], at: &At<Expr>, resolve: &mut Resolve<'_>) -> Typed {
    let function =
        function(name).ok_or_else(|| Diagnostic::new(at.span, format!("there is no function {name}")))?;
    let mut bound = bind_all(arguments, resolve)?;
    if function.is_unifying() && bound.len() > 1 {
        let (values, ty) = unified(bound, at)?;
        bound = values.into_iter().map(|value| (value, ty.clone())).collect();
    }
    let (values, types): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
    let ty = function.type_of(&types).map_err(|reason| Diagnostic::new(at.span, reason))?;
    Ok((Bound::Call(function, values), ty))
}
