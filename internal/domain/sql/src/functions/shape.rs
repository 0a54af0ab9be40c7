//! What a parameter takes: types with holes, and how the holes are filled by the arguments.

mod read;

use std::collections::BTreeMap;
use std::fmt;

use millstream_model::{Column, Type, Value};

pub(crate) use read::signature;

/// A type that may have holes, as a signature writes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Any type, each time another.
    Any,
    /// Exactly this type.
    Exact(Type),
    /// A decimal of any precision and scale.
    Decimal,
    /// One type, the same wherever the letter stands.
    Generic(char),
    /// An array of elements.
    Array(Box<Shape>),
    /// A map from keys to values.
    Map(Box<Shape>, Box<Shape>),
    /// A struct of named fields.
    Struct(Vec<(String, Shape)>),
    /// A lambda from values to a value.
    Lambda(Vec<Shape>, Box<Shape>),
    /// A unit of time, such as DAYS.
    Unit,
}

/// A parameter: its name, what it takes, and whether any number of arguments may stand for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) is_variadic: bool,
}

/// What a function takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Shape,
}

/// What stands in an argument's place, before it is known which signature is meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// A bare NULL, which is of every type.
    Null,
    /// A value.
    Value(Type),
    /// A lambda of so many variables.
    Lambda(usize),
    /// A unit of time, or perhaps a column of its name.
    Unit,
}

/// The types found for the letters of a signature.
pub(crate) type Filled = BTreeMap<char, Type>;

/// Whether a value is of a type.
fn is_of(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::Null, _)
        | (Value::Boolean(_), Type::Boolean)
        | (Value::Int(_), Type::Int)
        | (Value::Bigint(_), Type::Bigint)
        | (Value::Double(_), Type::Double)
        | (Value::Decimal(_), Type::Decimal { .. })
        | (Value::String(_), Type::String)
        | (Value::Bytes(_), Type::Bytes)
        | (Value::Timestamp(_), Type::Timestamp)
        | (Value::Date(_), Type::Date)
        | (Value::Time(_), Type::Time) => true,
        (Value::Array(all), Type::Array(element)) => all.iter().all(|value| is_of(value, element)),
        (Value::Map(all), Type::Map(of, to)) => {
            all.iter().all(|(key, value)| is_of(key, of) && is_of(value, to))
        }
        (Value::Struct(all), Type::Struct(fields)) => {
            fields.len() == all.len() && fields.iter().zip(all).all(|(field, value)| is_of(value, &field.ty))
        }
        _ => false,
    }
}

impl Signature {
    /// The parameter of each of `count` arguments; none where the number does not fit.
    pub(crate) fn spread(&self, count: usize) -> Option<Vec<&Parameter>> {
        let Some(place) = self.parameters.iter().position(|parameter| parameter.is_variadic) else {
            return (count == self.parameters.len()).then(|| self.parameters.iter().collect());
        };
        let repeated = (count + 1).checked_sub(self.parameters.len())?;
        let (before, rest) = self.parameters.split_at_checked(place)?;
        let (variadic, behind) = rest.split_first()?;
        Some(before.iter().chain(std::iter::repeat_n(variadic, repeated)).chain(behind).collect())
    }

    /// How many parameters have holes.
    pub(crate) fn holes(&self) -> usize {
        self.parameters.iter().filter(|parameter| parameter.shape.has_holes()).count()
    }

    pub(crate) fn is_variadic(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.is_variadic)
    }
}

/// The types of a signature's parameters and of its result, such as that of `price DOUBLE, label STRING -> STRING`; `None`
/// where it can't be read, or leaves a type open.
pub fn plain_signature(text: &str) -> Option<(Vec<Type>, Type)> {
    let signature = signature(text).filter(|signature| !signature.is_variadic())?;
    let parameters =
        signature.parameters.iter().map(|parameter| parameter.shape.plain()).collect::<Option<_>>()?;
    Some((parameters, signature.returns.plain()?))
}

impl Shape {
    /// The type, where it is one.
    fn plain(&self) -> Option<Type> {
        Some(match self {
            Self::Exact(ty) => ty.clone(),
            Self::Array(of) => Type::Array(Box::new(of.plain()?)),
            Self::Map(key, of) => Type::Map(Box::new(key.plain()?), Box::new(of.plain()?)),
            Self::Struct(fields) => {
                let field = |(name, of): &(String, Self)| Some(Column::new(name.as_str(), of.plain()?));
                Type::Struct(fields.iter().map(field).collect::<Option<_>>()?)
            }
            Self::Any | Self::Decimal | Self::Generic(_) | Self::Lambda(..) | Self::Unit => return None,
        })
    }

    fn has_holes(&self) -> bool {
        match self {
            Self::Any | Self::Generic(_) => true,
            Self::Array(element) => element.has_holes(),
            Self::Map(key, value) => key.has_holes() || value.has_holes(),
            Self::Struct(fields) => fields.iter().any(|(_, field)| field.has_holes()),
            Self::Lambda(of, to) => to.has_holes() || of.iter().any(Self::has_holes),
            Self::Exact(_) | Self::Decimal | Self::Unit => false,
        }
    }

    /// Whether a value can be of this; where the shape has holes, anything fits them.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Self::Any | Self::Generic(_), _) | (Self::Decimal, Value::Decimal(_)) => true,
            (Self::Exact(ty), value) => is_of(value, ty),
            (Self::Array(element), Value::Array(all)) => all.iter().all(|value| element.holds(value)),
            (Self::Map(of, to), Value::Map(all)) => {
                all.iter().all(|(key, value)| of.holds(key) && to.holds(value))
            }
            (Self::Struct(fields), Value::Struct(all)) => {
                fields.len() == all.len()
                    && fields.iter().zip(all).all(|((_, shape), value)| shape.holds(value))
            }
            _ => false,
        }
    }

    /// Whether an argument may stand here, with or without a conversion; letters it fills are noted.
    pub(crate) fn accepts(&self, given: &Given, filled: &mut Filled, converts: bool) -> bool {
        match (self, given) {
            (Self::Lambda(of, _), Given::Lambda(count)) => of.len() == *count,
            (Self::Unit, Given::Unit) => true,
            (Self::Lambda(..) | Self::Unit, _) | (_, Given::Lambda(_) | Given::Unit) => false,
            (_, Given::Null) => true,
            (shape, Given::Value(ty)) => shape.takes(ty, filled, converts),
        }
    }

    /// Whether a value of type `ty` may stand here.
    pub(crate) fn takes(&self, ty: &Type, filled: &mut Filled, converts: bool) -> bool {
        match (self, ty) {
            (Self::Any, _) | (Self::Decimal, Type::Decimal { .. }) => true,
            (Self::Exact(wanted), ty) => wanted == ty || (converts && converts_to(ty, wanted)),
            (Self::Decimal, Type::Int | Type::Bigint) => converts,
            (Self::Generic(letter), ty) => match filled.get(letter) {
                Some(known) => known == ty,
                None => filled.insert(*letter, ty.clone()).is_none(),
            },
            (Self::Array(shape), Type::Array(element)) => shape.takes(element, filled, converts),
            (Self::Map(key_shape, shape), Type::Map(key, value)) => {
                key_shape.takes(key, filled, converts) && shape.takes(value, filled, converts)
            }
            (Self::Struct(shapes), Type::Struct(fields)) => {
                let same = |((name, shape), field): (&(String, Self), &Column)| {
                    *name == field.name && shape.takes(&field.ty, filled, false)
                };
                shapes.len() == fields.len() && shapes.iter().zip(fields).all(same)
            }
            _ => false,
        }
    }

    /// The type that the shape is once its holes are filled; none where one still is not.
    pub(crate) fn resolved(&self, filled: &Filled) -> Option<Type> {
        Some(match self {
            Self::Exact(ty) => ty.clone(),
            Self::Generic(letter) => filled.get(letter)?.clone(),
            Self::Array(element) => Type::Array(Box::new(element.resolved(filled)?)),
            Self::Map(key, value) => {
                Type::Map(Box::new(key.resolved(filled)?), Box::new(value.resolved(filled)?))
            }
            Self::Struct(fields) => {
                let field =
                    |(name, shape): &(String, Self)| Some(Column::new(name.clone(), shape.resolved(filled)?));
                Type::Struct(fields.iter().map(field).collect::<Option<_>>()?)
            }
            Self::Any | Self::Decimal | Self::Lambda(..) | Self::Unit => return None,
        })
    }
}

/// Whether a value becomes one of a wider type by itself: whole numbers, decimals and doubles, and texts that are written
/// as dates, times or bytes are.
pub(crate) fn converts_to(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Int, Type::Bigint | Type::Double)
        | (Type::Bigint | Type::Decimal { .. }, Type::Double)
        | (Type::String, Type::Date | Type::Time | Type::Timestamp | Type::Bytes) => true,
        (Type::Array(from), Type::Array(to)) => from == to || converts_to(from, to),
        (Type::Map(from_key, from), Type::Map(to_key, to)) => {
            (from_key == to_key || converts_to(from_key, to_key)) && (from == to || converts_to(from, to))
        }
        _ => false,
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("ANY"),
            Self::Exact(Type::String) => f.write_str("VARCHAR"),
            Self::Exact(ty) => write!(f, "{ty}"),
            Self::Decimal => f.write_str("DECIMAL"),
            Self::Generic(letter) => write!(f, "{letter}"),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, shape)| format!("{name} {shape}")).collect();
                write!(f, "STRUCT<{}>", fields.join(", "))
            }
            Self::Lambda(of, to) => match of.as_slice() {
                [only] => write!(f, "LAMBDA {only} => {to}"),
                of => {
                    let of: Vec<_> = of.iter().map(ToString::to_string).collect();
                    write!(f, "LAMBDA ({}) => {to}", of.join(", "))
                }
            },
            Self::Unit => f.write_str("INTERVALUNIT"),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dots = if self.is_variadic { "[]" } else { "" };
        write!(f, "{} {}{dots}", self.name, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, given: &[Given], converts: bool) -> Option<Type> {
        let signature = signature(text).unwrap();
        let mut filled = Filled::new();
        let parameters = signature.spread(given.len())?;
        let fits = parameters
            .iter()
            .zip(given)
            .all(|(parameter, given)| parameter.shape.accepts(given, &mut filled, converts));
        if fits { signature.returns.resolved(&filled) } else { None }
    }

    #[test]
    fn letters_stand_for_one_type_each() {
        let (int, text) = (Given::Value(Type::Int), Given::Value(Type::String));
        let list = Given::Value(Type::Array(Box::new(Type::Int)));
        let contains = "array ARRAY<T>, value T -> BOOLEAN";
        assert_eq!(fits(contains, &[list.clone(), int.clone()], false), Some(Type::Boolean));
        assert_eq!(fits(contains, &[list.clone(), text.clone()], false), None);
        assert_eq!(fits(contains, &[list.clone(), Given::Null], false), Some(Type::Boolean));
        assert_eq!(fits("array ARRAY<T> -> T", &[list], false), Some(Type::Int));
        assert_eq!(fits("a T, more T... -> T", &[int.clone(), int.clone(), int], false), Some(Type::Int));
        assert_eq!(fits("a T, more T... -> T", std::slice::from_ref(&text), false), Some(Type::String));
        assert_eq!(fits("a T, more T... -> T", &[], false), None);
    }

    #[test]
    fn what_may_repeat_can_stand_in_the_middle() {
        let given = [Given::Value(Type::Int), Given::Value(Type::String), Given::Value(Type::Int)];
        assert_eq!(fits("value T, others ANY..., k INT -> T", &given, false), Some(Type::Int));
        assert_eq!(fits("value T, others ANY..., k INT -> T", &given[1..], false), Some(Type::String));
    }

    #[test]
    fn conversions_are_made_only_where_they_are_asked_for() {
        let given = [Given::Value(Type::Int)];
        assert_eq!(fits("value DOUBLE -> DOUBLE", &given, false), None);
        assert_eq!(fits("value DOUBLE -> DOUBLE", &given, true), Some(Type::Double));
        assert_eq!(fits("value INT -> INT", &[Given::Value(Type::Bigint)], true), None);
    }

    #[test]
    fn signatures_are_written_for_people() {
        let signature =
            signature("map MAP<K, V>, start S, step (S, K, V) => S, more STRING..., at UNIT -> S").unwrap();
        let written: Vec<_> = signature.parameters.iter().map(ToString::to_string).collect();
        assert_eq!(
            written,
            ["map MAP<K, V>", "start S", "step LAMBDA (S, K, V) => S", "more VARCHAR[]", "at INTERVALUNIT"]
        );
    }
}
