use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use millstream_model::{Type, Value};

use super::Function;
use crate::eval::{Failure, Lambda, Outcome};

/// What a function that is written outside of the tables does.
pub(crate) type Closure = dyn Fn(&[Value]) -> Outcome + Send + Sync;

/// What a variant does. All but the lenient ones give null for a null argument without being called.
#[derive(Clone)]
pub(crate) enum Body {
    /// With one argument.
    One(fn(&Value) -> Outcome),
    /// With two.
    Two(fn(&Value, &Value) -> Outcome),
    /// With any number, none of them null.
    Strict(fn(&[&Value]) -> Outcome),
    /// With any number, nulls among them.
    Lenient(fn(&[&Value]) -> Outcome),
    /// With any number, nulls among them, and their types.
    Typed(fn(&[&Value], &[Type]) -> Outcome),
    /// With values, nulls among them, and lambdas.
    Lambdas(fn(&[&Value], &[Lambda<'_>]) -> Outcome),
    /// Whatever the program that registered it does; nulls are among the arguments.
    Shared(Arc<Closure>),
}

/// A function that is called, and which of its variants.
#[derive(Clone)]
pub struct Called {
    function: Arc<Function>,
    variant: usize,
    body: Body,
    types: Arc<[Type]>,
}

impl PartialEq for Called {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
            && self.variant == other.variant
            && self.types == other.types
    }
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function.name)
    }
}

impl Called {
    pub(super) fn new(function: &Arc<Function>, variant: usize, body: Body, types: Vec<Type>) -> Self {
        Self { function: Arc::clone(function), variant, body, types: types.into() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.function.name
    }

    /// Whether two calls with the same arguments may differ.
    pub(crate) fn is_volatile(&self) -> bool {
        self.function.is_volatile
    }

    pub(crate) fn one(&self, value: Cow<'_, Value>) -> Outcome {
        match &self.body {
            Body::One(body) if !value.is_null() => body(&value),
            Body::One(_) => Ok(Value::Null),
            _ => self.many(&[value], &[]),
        }
    }

    pub(crate) fn two(&self, left: Cow<'_, Value>, right: Cow<'_, Value>) -> Outcome {
        match &self.body {
            Body::Two(body) if !left.is_null() && !right.is_null() => body(&left, &right),
            Body::Two(_) => Ok(Value::Null),
            _ => self.many(&[left, right], &[]),
        }
    }

    pub(crate) fn many(&self, values: &[Cow<'_, Value>], lambdas: &[Lambda<'_>]) -> Outcome {
        let all: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
        match (&self.body, all.as_slice()) {
            (Body::Lenient(body), all) => body(all),
            (Body::Typed(body), all) => body(all, &self.types),
            (Body::Lambdas(body), all) => body(all, lambdas),
            (Body::Shared(body), _) => {
                body(&values.iter().map(|value| value.as_ref().clone()).collect::<Vec<_>>())
            }
            (_, all) if all.iter().any(|value| value.is_null()) => Ok(Value::Null),
            (Body::Strict(body), all) => body(all),
            (Body::One(body), [one]) => body(one),
            (Body::Two(body), [one, two]) => body(one, two),
            (Body::One(_) | Body::Two(_), all) => {
                Err(Failure::new(format!("{} was called with {} arguments", self.function.name, all.len())))
            }
        }
    }
}
