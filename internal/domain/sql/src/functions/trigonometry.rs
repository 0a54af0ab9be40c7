//! Functions from doubles to doubles.

use std::f64::consts::PI;

use millstream_model::Value;

use super::arguments::double;
use super::{Body, Definition, Entry};
use crate::eval::Outcome;

const CATEGORY: &str = "MATHEMATICAL";

const fn one(body: fn(&Value) -> Outcome) -> [Entry; 3] {
    [
        Entry::new("value INT -> DOUBLE", Body::One(body)),
        Entry::new("value BIGINT -> DOUBLE", Body::One(body)),
        Entry::new("value DOUBLE -> DOUBLE", Body::One(body)),
    ]
}

const fn two(body: fn(&Value, &Value) -> Outcome) -> [Entry; 3] {
    [
        Entry::new("one INT, other INT -> DOUBLE", Body::Two(body)),
        Entry::new("one BIGINT, other BIGINT -> DOUBLE", Body::Two(body)),
        Entry::new("one DOUBLE, other DOUBLE -> DOUBLE", Body::Two(body)),
    ]
}

macro_rules! of_one {
    ($name:literal, $about:literal, $function:expr) => {
        Definition {
            name: $name,
            category: CATEGORY,
            about: $about,
            entries: &one(|a| {
                let function: fn(f64) -> f64 = $function;
                double(a).map(|value| Value::Double(function(value)))
            }),
        }
    };
}

macro_rules! of_two {
    ($name:literal, $about:literal, $function:expr) => {
        Definition {
            name: $name,
            category: CATEGORY,
            about: $about,
            entries: &two(|a, b| {
                let function: fn(f64, f64) -> f64 = $function;
                Ok(Value::Double(function(double(a)?, double(b)?)))
            }),
        }
    };
}

pub(super) const FUNCTIONS: &[Definition] = &[
    of_one!("ACOS", "The angle of a cosine, in radians.", f64::acos),
    of_one!("ASIN", "The angle of a sine, in radians.", f64::asin),
    of_one!("ATAN", "The angle of a tangent, in radians.", f64::atan),
    of_two!("ATAN2", "The angle of the point at (other, one), in radians.", f64::atan2),
    of_one!("CBRT", "The cube root.", f64::cbrt),
    of_one!("COS", "The cosine of an angle in radians.", f64::cos),
    of_one!("COSH", "The hyperbolic cosine.", f64::cosh),
    of_one!("COT", "The cotangent of an angle in radians.", |value| 1.0 / value.tan()),
    of_one!("DEGREES", "An angle in radians, in degrees.", |value| value * 180.0 / PI),
    of_one!("EXP", "Euler's number to the power of the value.", f64::exp),
    of_one!("LN", "The natural logarithm.", f64::ln),
    Definition {
        name: "LOG",
        category: CATEGORY,
        about: "The natural logarithm of a value, or with two arguments that of the second to the base of the first.",
        entries: &[
            Entry::new("value INT -> DOUBLE", Body::One(|a| Ok(Value::Double(double(a)?.ln())))),
            Entry::new("value BIGINT -> DOUBLE", Body::One(|a| Ok(Value::Double(double(a)?.ln())))),
            Entry::new("value DOUBLE -> DOUBLE", Body::One(|a| Ok(Value::Double(double(a)?.ln())))),
            Entry::new("base INT, value INT -> DOUBLE", Body::Two(log)),
            Entry::new("base BIGINT, value BIGINT -> DOUBLE", Body::Two(log)),
            Entry::new("base DOUBLE, value DOUBLE -> DOUBLE", Body::Two(log)),
        ],
    },
    Definition {
        name: "PI",
        category: CATEGORY,
        about: "Half of the circumference of the unit circle.",
        entries: &[Entry::new(" -> DOUBLE", Body::Strict(|_| Ok(Value::Double(PI))))],
    },
    of_two!("POWER", "One number to the power of the other.", f64::powf),
    of_one!("RADIANS", "An angle in degrees, in radians.", |value| value / 180.0 * PI),
    of_one!("SIN", "The sine of an angle in radians.", f64::sin),
    of_one!("SINH", "The hyperbolic sine.", f64::sinh),
    of_one!("SQRT", "The square root.", f64::sqrt),
    of_one!("TAN", "The tangent of an angle in radians.", f64::tan),
    of_one!("TANH", "The hyperbolic tangent.", f64::tanh),
];

/// There is no logarithm to the base of 1, nor to one that is not above 0.
fn log(base: &Value, value: &Value) -> Outcome {
    let (base, value) = (double(base)?, double(value)?);
    let is_base = base > 0.0 && (base - 1.0).abs() > 0.0;
    Ok(Value::Double(if is_base { value.ln() / base.ln() } else { f64::NAN }))
}
