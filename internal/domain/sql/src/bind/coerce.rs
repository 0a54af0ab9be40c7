//! Lists whose members become one type: the elements of ARRAY and MAP, the results of CASE, and what IN looks for.
//!
//! The first member that is not null leads. Numbers become the widest of them, literals become what leads where they can be
//! read so, and structs have the fields of all.

use millstream_model::{Column, Decimal, Type, Value};

use super::typing::{literal_type, widened};
use crate::ast::{At, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, Conversion};
use crate::functions::converts_to;

/// Makes values of one type of all; a null is of any.
///
/// # Errors
/// The member that does not fit, or that all of them are null.
pub(super) fn unified(all: Vec<(Bound, Type)>, at: &At<Expr>) -> Result<(Vec<Bound>, Type), Diagnostic> {
    let mut leading: Option<Type> = None;
    for (bound, ty) in all.iter().filter(|(bound, _)| !is_null(bound)) {
        leading = Some(match leading {
            None => ty.clone(),
            Some(leading) => common(&leading, bound, ty).ok_or_else(|| {
                Diagnostic::new(at.span, format!("{leading} and {} are not of one type", shown(bound, ty)))
                    .help("convert one with CAST")
            })?,
        });
    }
    let Some(ty) = leading else {
        return Err(Diagnostic::new(at.span, "all of these are NULL, which is of no type")
            .help("write CAST(NULL AS …) for one of them"));
    };
    let refused = |bound: &Bound| Diagnostic::new(at.span, format!("{} is no {ty}", shown(bound, &ty)));
    let members = all.into_iter().map(|(bound, from)| {
        let shown = bound.clone();
        coerced(bound, &from, &ty).ok_or_else(|| refused(&shown))
    });
    members.collect::<Result<_, _>>().map(|members| (members, ty.clone()))
}

pub(super) fn is_null(bound: &Bound) -> bool {
    *bound == Bound::Literal(Value::Null)
}

fn shown(bound: &Bound, ty: &Type) -> String {
    match bound {
        Bound::Literal(value) => crate::ast::literal(value),
        _ => ty.to_string(),
    }
}

/// The type that a leading one and a further member have in common.
fn common(leading: &Type, bound: &Bound, ty: &Type) -> Option<Type> {
    match (bound, leading, ty) {
        (Bound::Literal(Value::Null), ..) => Some(leading.clone()),
        (Bound::Array(elements), Type::Array(leading), Type::Array(own)) => {
            let element = each(leading, elements.iter().map(|element| (element, own.as_ref())))?;
            Some(Type::Array(Box::new(element)))
        }
        (Bound::Map(entries), Type::Map(key, value), Type::Map(own_key, own_value)) => {
            let key = each(key, entries.iter().map(|(key, _)| (key, own_key.as_ref())))?;
            let value = each(value, entries.iter().map(|(_, value)| (value, own_value.as_ref())))?;
            Some(Type::Map(Box::new(key), Box::new(value)))
        }
        (Bound::Struct(values), Type::Struct(leading), Type::Struct(own)) => {
            joined(leading, own, |place, leading, own| common(leading, values.get(place)?, own))
        }
        (Bound::Literal(Value::String(text)), leading, _) if leading.is_number() => {
            widened(leading, &literal_type(&number(text)?))
        }
        (Bound::Literal(Value::String(text)), Type::Boolean, _) => truth(text).map(|_| Type::Boolean),
        (
            Bound::Literal(_),
            Type::String,
            Type::Int | Type::Bigint | Type::Double | Type::Boolean | Type::Decimal { .. },
        ) => Some(Type::String),
        _ => plain(leading, ty).or_else(|| plain(ty, leading)),
    }
}

fn each<'b>(leading: &Type, mut members: impl Iterator<Item = (&'b Bound, &'b Type)>) -> Option<Type> {
    members.try_fold(leading.clone(), |leading, (bound, ty)| {
        // A member has the type of its list, unless it says another itself.
        let own = if let Bound::Literal(value) = bound { literal_type(value) } else { ty.clone() };
        common(&leading, bound, &own)
    })
}

/// The fields of both structs, those of the second first.
fn joined(
    leading: &[Column],
    own: &[Column],
    of: impl Fn(usize, &Type, &Type) -> Option<Type>,
) -> Option<Type> {
    let mut fields = Vec::new();
    for (place, field) in own.iter().enumerate() {
        let known = leading.iter().find(|known| known.name == field.name);
        let ty = known.map_or_else(|| Some(field.ty.clone()), |known| of(place, &known.ty, &field.ty))?;
        fields.push(Column::new(field.name.clone(), ty));
    }
    let missing = leading.iter().filter(|field| own.iter().all(|known| known.name != field.name));
    fields.extend(missing.cloned());
    Some(Type::Struct(fields))
}

/// The type of both, as far as their values tell nothing.
fn plain(from: &Type, to: &Type) -> Option<Type> {
    match (from, to) {
        (Type::Array(from), Type::Array(to)) => Some(Type::Array(Box::new(plain(from, to)?))),
        (Type::Map(from_key, from), Type::Map(to_key, to)) => {
            Some(Type::Map(Box::new(plain(from_key, to_key)?), Box::new(plain(from, to)?)))
        }
        (Type::Struct(from), Type::Struct(to)) => joined(to, from, |_, to, from| plain(from, to)),
        (from, to) if converts_to(from, to) => Some(to.clone()),
        _ => widened(from, to),
    }
}

/// The expression as one of another type; none where it is a literal that can't be read so.
fn coerced(bound: Bound, from: &Type, to: &Type) -> Option<Bound> {
    match (bound, from, to) {
        (Bound::Array(elements), Type::Array(from), Type::Array(to)) => elements
            .into_iter()
            .map(|element| member(element, from, to))
            .collect::<Option<_>>()
            .map(Bound::Array),
        (Bound::Map(entries), Type::Map(from_key, from), Type::Map(to_key, to)) => {
            let entry = |(key, value)| Some((member(key, from_key, to_key)?, member(value, from, to)?));
            entries.into_iter().map(entry).collect::<Option<_>>().map(Bound::Map)
        }
        (Bound::Struct(values), Type::Struct(from), Type::Struct(to)) => {
            let field = |field: &Column| match from.iter().position(|known| known.name == field.name) {
                Some(place) => member(values.get(place)?.clone(), &from.get(place)?.ty, &field.ty),
                None => Some(Bound::Literal(Value::Null)),
            };
            to.iter().map(field).collect::<Option<_>>().map(Bound::Struct)
        }
        (bound, from, to) if from == to || is_null(&bound) => Some(bound),
        (Bound::Literal(value), from, to) => literal_as(&value, from, to).map(Bound::Literal),
        (bound, from, to) => {
            let conversion = Conversion::between(from, to)?;
            Some(Bound::Cast(Box::new(bound), Box::new(conversion), to.clone()))
        }
    }
}

fn member(bound: Bound, from: &Type, to: &Type) -> Option<Bound> {
    match bound {
        Bound::Literal(value) if !value.is_null() => {
            let own = literal_type(&value);
            let from = if own == *from || value.as_text().is_some() { own } else { from.clone() };
            coerced(Bound::Literal(value), &from, to)
        }
        bound => coerced(bound, from, to),
    }
}

fn literal_as(value: &Value, from: &Type, to: &Type) -> Option<Value> {
    match (value, to) {
        (Value::String(text), Type::Boolean) => truth(text).map(Value::Boolean),
        (Value::String(text), to) if to.is_number() => {
            let number = number(text)?;
            literal_as(&number, &literal_type(&number), to)
        }
        _ => Conversion::between(from, to)?.convert(value).ok(),
    }
}

/// A number written as a text.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i32>() {
        return Some(Value::Int(number));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(Value::Bigint(number));
    }
    text.parse::<Decimal>().ok().map(Value::Decimal)
}

/// A truth written as a text: any beginning of true, false, yes or no.
fn truth(text: &str) -> Option<bool> {
    let text = text.trim().to_lowercase();
    let begins = |words: [&str; 2]| !text.is_empty() && words.iter().any(|word| word.starts_with(&text));
    if begins(["true", "yes"]) {
        return Some(true);
    }
    begins(["false", "no"]).then_some(false)
}

/// A value as one of the type of the column that it is put into, where it can be one without CAST.
pub(crate) fn assigned((bound, from): (Bound, Type), to: &Type) -> Option<Bound> {
    if is_null(&bound) || from == *to {
        return Some(bound);
    }
    coerced(bound, &from, to)
}
