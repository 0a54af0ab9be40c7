use millstream_model::Value;

use super::{double, exact};
use crate::ast::BinaryOp;

/// Arithmetic and concatenation. Null in, null out; what overflows or divides by zero is null.
pub(crate) fn arithmetic(left: &Value, op: BinaryOp, right: &Value) -> Value {
    let value = match (left, right) {
        (Value::String(left), Value::String(right)) if op == BinaryOp::Add => {
            Some(Value::text(format!("{left}{right}")))
        }
        (Value::Int(left), Value::Int(right)) => {
            whole(i64::from(*left), op, i64::from(*right)).and_then(|n| i32::try_from(n).ok()).map(Value::Int)
        }
        (Value::Double(_), _) | (_, Value::Double(_)) => floating(left, op, right),
        (Value::Decimal(_), _) | (_, Value::Decimal(_)) => decimal(left, op, right),
        (left, right) => {
            big(left).zip(big(right)).and_then(|(left, right)| whole(left, op, right)).map(Value::Bigint)
        }
    };
    value.unwrap_or(Value::Null)
}

fn big(value: &Value) -> Option<i64> {
    exact(value)?.to_i64()
}

fn whole(left: i64, op: BinaryOp, right: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        BinaryOp::Multiply => left.checked_mul(right),
        BinaryOp::Divide => left.checked_div(right),
        BinaryOp::Modulo => left.checked_rem(right),
        _ => None,
    }
}

fn floating(left: &Value, op: BinaryOp, right: &Value) -> Option<Value> {
    let (left, right) = (double(left)?, double(right)?);
    let value = match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        _ => return None,
    };
    Some(Value::Double(value))
}

fn decimal(left: &Value, op: BinaryOp, right: &Value) -> Option<Value> {
    let (left, right) = (exact(left)?, exact(right)?);
    let value = match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        BinaryOp::Multiply => left.checked_mul(right),
        BinaryOp::Divide => (0..=38).rev().find_map(|scale| left.checked_div(right, scale)),
        BinaryOp::Modulo => left.checked_rem(right),
        _ => None,
    };
    value.map(Value::Decimal)
}
