use std::borrow::Cow;

use millstream_model::Value;

use super::{Bound, Failure, Frame, Lambda, Outcome, exact};

type Looked<'a> = Result<Cow<'a, Value>, Failure>;

const NULL: Value = Value::Null;

fn null<'a>() -> Cow<'a, Value> {
    Cow::Owned(NULL)
}

impl Bound {
    /// The expression's value, borrowed where it stands in the row as it is. Columns and constants need no call.
    #[inline]
    pub(super) fn look<'a>(&'a self, frame: Frame<'a>) -> Looked<'a> {
        match self {
            Self::Column(index) => Ok(frame.row.get(*index).map_or(Cow::Owned(NULL), Cow::Borrowed)),
            Self::Literal(value) => Ok(Cow::Borrowed(value)),
            other => other.look_made(frame),
        }
    }

    fn look_made<'a>(&'a self, frame: Frame<'a>) -> Looked<'a> {
        match self {
            Self::Variable(index) => {
                let variable = frame.variables.get(*index).copied();
                Ok(variable.map_or(Cow::Owned(NULL), Cow::Borrowed))
            }
            Self::Field(of, index) => Ok(field(of.look(frame)?, *index)),
            Self::Case(cases, otherwise) => {
                for (condition, result) in cases {
                    if condition.truth(frame)? == Some(true) {
                        return result.look(frame);
                    }
                }
                otherwise.as_ref().map_or_else(|| Ok(null()), |otherwise| otherwise.look(frame))
            }
            Self::Cast(of, conversion, _) => {
                let value = of.look(frame)?;
                if value.is_null() { Ok(null()) } else { conversion.convert(&value).map(Cow::Owned) }
            }
            made => made.make(frame).map(Cow::Owned),
        }
    }

    /// The value of an expression that makes a new one.
    fn make(&self, frame: Frame<'_>) -> Outcome {
        match self {
            Self::Arithmetic(operation, kind, sides) => kind.apply(*operation, sides, frame),
            Self::Concat(sides) => Ok(concat(&*sides.0.look(frame)?, &*sides.1.look(frame)?)),
            Self::Negate(of) => super::arithmetic::negate(&*of.look(frame)?),
            Self::Call(called, values, lambdas) => call(called, values, lambdas, frame),
            Self::Struct(fields) => Ok(Value::Struct(parts(fields, frame))),
            Self::Array(elements) => Ok(Value::Array(parts(elements, frame))),
            Self::Map(entries) => {
                let entry = |(key, value): &(Self, Self)| (key.part(frame), value.part(frame));
                Ok(Value::Map(entries.iter().map(entry).collect()))
            }
            Self::Index(sides) => Ok(element(&*sides.0.look(frame)?, &*sides.1.look(frame)?)),
            Self::Column(_)
            | Self::Variable(_)
            | Self::Literal(_)
            | Self::Field(..)
            | Self::Case(..)
            | Self::Cast(..) => self.look(frame).map(Cow::into_owned),
            truth => Ok(truth.truth(frame)?.map_or(NULL, Value::Boolean)),
        }
    }

    /// The value as a part of an array, a struct or a map: one that fails is null there, and the rest stays.
    fn part(&self, frame: Frame<'_>) -> Value {
        self.look(frame).map_or(NULL, Cow::into_owned)
    }

    /// The value as an argument: what fails in a nested call, conversion or field is null there.
    fn argument<'a>(&'a self, frame: Frame<'a>) -> Looked<'a> {
        let looked = self.look(frame);
        match self {
            Self::Call(..) | Self::Cast(..) | Self::Field(..) => Ok(looked.unwrap_or_else(|_| null())),
            _ => looked,
        }
    }
}

fn parts(of: &[Bound], frame: Frame<'_>) -> Vec<Value> {
    of.iter().map(|part| part.part(frame)).collect()
}

fn field(of: Cow<'_, Value>, index: usize) -> Cow<'_, Value> {
    match of {
        Cow::Borrowed(Value::Struct(fields)) => fields.get(index).map_or(Cow::Owned(NULL), Cow::Borrowed),
        Cow::Owned(Value::Struct(mut fields)) if index < fields.len() => {
            Cow::Owned(fields.swap_remove(index))
        }
        _ => Cow::Owned(NULL),
    }
}

fn call(called: &crate::functions::Called, values: &[Bound], lambdas: &[Bound], frame: Frame<'_>) -> Outcome {
    let lambda = |body| Lambda { body, frame };
    match values {
        [one] if lambdas.is_empty() => called.call(&[&*one.argument(frame)?], &[]),
        [one, two] if lambdas.is_empty() => {
            called.call(&[&*one.argument(frame)?, &*two.argument(frame)?], &[])
        }
        values => {
            let values = values.iter().map(|value| value.argument(frame)).collect::<Result<Vec<_>, _>>()?;
            let lambdas: Vec<_> = lambdas.iter().map(lambda).collect();
            let values: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
            called.call(&values, &lambdas)
        }
    }
}

fn concat(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            let mut text = String::with_capacity(left.len() + right.len());
            text.push_str(left);
            text.push_str(right);
            Value::String(text.into())
        }
        _ => NULL,
    }
}

/// Places that no element has, as keys that no entry has, give null.
fn element(of: &Value, index: &Value) -> Value {
    let found = match (of, index) {
        (Value::Array(elements), index) => {
            exact(index).and_then(millstream_model::Decimal::to_i64).and_then(|place| {
                let size = i64::try_from(elements.len()).ok()?;
                let from_start = if place > 0 { place - 1 } else { size.checked_add(place)? };
                if place == 0 { None } else { elements.get(usize::try_from(from_start).ok()?) }
            })
        }
        (Value::Map(map), key) => map.get(key),
        _ => None,
    };
    found.cloned().unwrap_or(NULL)
}
