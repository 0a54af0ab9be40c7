//! Numbers out of bytes.

use millstream_model::Value;

use super::arguments::{at, bytes, text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

const CATEGORY: &str = "CONVERSIONS";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "INT_FROM_BYTES",
        category: CATEGORY,
        about: "The INT that four bytes are, the first the highest or as 'LITTLE_ENDIAN' says.",
        entries: &[
            Entry::new(
                "bytes BYTES -> INT",
                Body::Strict(|a| number(a, |b| Value::Int(i32::from_be_bytes(b)))),
            ),
            Entry::new(
                "bytes BYTES, order STRING -> INT",
                Body::Strict(|a| number(a, |b| Value::Int(i32::from_be_bytes(b)))),
            ),
        ],
    },
    Definition {
        name: "BIGINT_FROM_BYTES",
        category: CATEGORY,
        about: "The BIGINT that eight bytes are, the first the highest or as 'LITTLE_ENDIAN' says.",
        entries: &[
            Entry::new(
                "bytes BYTES -> BIGINT",
                Body::Strict(|a| number(a, |b| Value::Bigint(i64::from_be_bytes(b)))),
            ),
            Entry::new(
                "bytes BYTES, order STRING -> BIGINT",
                Body::Strict(|a| number(a, |b| Value::Bigint(i64::from_be_bytes(b)))),
            ),
        ],
    },
    Definition {
        name: "DOUBLE_FROM_BYTES",
        category: CATEGORY,
        about: "The DOUBLE that eight bytes are (IEEE 754), the first the highest or as 'LITTLE_ENDIAN' says.",
        entries: &[
            Entry::new(
                "bytes BYTES -> DOUBLE",
                Body::Strict(|a| number(a, |b| Value::Double(f64::from_be_bytes(b)))),
            ),
            Entry::new(
                "bytes BYTES, order STRING -> DOUBLE",
                Body::Strict(|a| number(a, |b| Value::Double(f64::from_be_bytes(b)))),
            ),
        ],
    },
];

fn number<const N: usize>(values: &[&Value], of: fn([u8; N]) -> Value) -> Outcome {
    let given = bytes(at(values, 0))?;
    let mut exact = <[u8; N]>::try_from(given)
        .map_err(|_| Failure::new(format!("it takes {N} bytes, not {}", given.len())))?;
    let order = values.get(1).map_or(Ok("BIG_ENDIAN"), |order| text(order))?;
    match order.to_uppercase().as_str() {
        "BIG_ENDIAN" => {}
        "LITTLE_ENDIAN" => exact.reverse(),
        other => {
            return Err(Failure::new(format!(
                "there is no byte order {other}; there are BIG_ENDIAN and LITTLE_ENDIAN"
            )));
        }
    }
    Ok(of(exact))
}
