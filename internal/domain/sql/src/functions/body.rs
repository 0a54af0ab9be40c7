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

    pub(crate) fn call(&self, values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
        match (&self.body, values) {
            (Body::Lenient(body), all) => body(all),
            (Body::Typed(body), all) => body(all, &self.types),
            (Body::Lambdas(body), all) => body(all, lambdas),
            (Body::Shared(body), all) => body(&all.iter().map(|value| (*value).clone()).collect::<Vec<_>>()),
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
