//! Variance, standard deviation and correlation, in doubles.

use millstream_model::Value;

use crate::eval::double_of;

pub(super) fn begin(count: usize) -> Value {
    Value::Struct(vec![Value::Double(0.0); count])
}

fn numbers<const N: usize>(state: &Value) -> [f64; N] {
    let parts = match state {
        Value::Struct(parts) => parts.as_slice(),
        _ => &[],
    };
    std::array::from_fn(|place| parts.get(place).and_then(double_of).unwrap_or(0.0))
}

fn state<const N: usize>(numbers: [f64; N]) -> Value {
    Value::Struct(numbers.into_iter().map(Value::Double).collect())
}

/// The number of values, their sum, and the sum of their squared distances from the mean, which Youngs and Cramer's
/// recurrence keeps without cancelling.
pub(super) fn add(before: Value, value: &Value) -> Value {
    let Some(value) = double_of(value) else { return before };
    let [count, sum, squares] = numbers(&before);
    let (count, sum) = (count + 1.0, sum + value);
    let more = if count > 1.0 { (count * value - sum).powi(2) / (count * (count - 1.0)) } else { 0.0 };
    state([count, sum, squares + more])
}

pub(super) fn undo(before: Value, value: &Value) -> Value {
    let Some(value) = double_of(value) else { return before };
    let [count, sum, squares] = numbers(&before);
    if count <= 1.0 {
        return begin(3);
    }
    let less = (count * value - sum).powi(2) / (count * (count - 1.0));
    state([count - 1.0, sum - value, (squares - less).max(0.0)])
}

pub(super) fn merge(first: &Value, second: &Value) -> Value {
    let ([count, sum, squares], [more, other, others]) = (numbers(first), numbers(second));
    let between = if count > 0.0 && more > 0.0 {
        (sum / count - other / more).powi(2) * count * more / (count + more)
    } else {
        0.0
    };
    state([count + more, sum + other, squares + others + between])
}

/// Of fewer than two values it is zero.
fn spread(of: &Value) -> f64 {
    let [count, _, squares] = numbers(of);
    if count < 2.0 { 0.0 } else { squares / (count - 1.0) }
}

pub(super) fn variance(of: &Value) -> Value {
    Value::Double(spread(of))
}

pub(super) fn deviation(of: &Value) -> Value {
    Value::Double(spread(of).sqrt())
}

/// The number of pairs, and the sums of x, y, their squares and their products.
pub(super) fn correlate(before: Value, arguments: &[Value], sign: f64) -> Value {
    let [Some(x), Some(y)] = [0, 1].map(|place| arguments.get(place).and_then(double_of)) else {
        return before;
    };
    let pair = [1.0, x, y, x * x, y * y, x * y];
    let sums = numbers::<6>(&before);
    state::<6>(std::array::from_fn(|place| {
        sums.get(place).copied().unwrap_or(0.0) + sign * pair.get(place).copied().unwrap_or(0.0)
    }))
}

pub(super) fn merge_correlations(first: &Value, second: &Value) -> Value {
    let (one, other) = (numbers::<6>(first), numbers::<6>(second));
    state::<6>(std::array::from_fn(|place| {
        one.get(place).copied().unwrap_or(0.0) + other.get(place).copied().unwrap_or(0.0)
    }))
}

/// Not a number where one of the two does not vary.
pub(super) fn correlation(of: &Value) -> Value {
    let [count, x, y, xx, yy, xy] = numbers(of);
    let spread = (count * xx - x * x) * (count * yy - y * y);
    Value::Double((count * xy - x * y) / spread.sqrt())
}
