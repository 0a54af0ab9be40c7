//! Products of 256 bits, for the moments between a multiplication and a division.

/// `a * b / c`, rounded half away from zero; `None` when the quotient has more than 127 bits, or `c` is zero.
pub(super) fn mul_div(a: i128, b: i128, c: i128) -> Option<i128> {
    let (high, low) = product(a.unsigned_abs(), b.unsigned_abs());
    let magnitude = quotient(high, low, c.unsigned_abs())?;
    let is_negative = ((a < 0) != (b < 0)) != (c < 0);
    let value = i128::try_from(magnitude).ok()?;
    Some(if is_negative { -value } else { value })
}

const HALF: u32 = 64;
const LOW: u128 = (1 << HALF) - 1;

/// The product's upper and lower 128 bits, by four products of halves.
fn product(a: u128, b: u128) -> (u128, u128) {
    let (a1, a0, b1, b0) = (a >> HALF, a & LOW, b >> HALF, b & LOW);
    let (low, mid, cross, high) = (a0 * b0, a1 * b0, a0 * b1, a1 * b1);
    let carried = (low >> HALF) + (mid & LOW) + (cross & LOW);
    let upper = high + (mid >> HALF) + (cross >> HALF) + (carried >> HALF);
    (upper, (carried << HALF) | (low & LOW))
}

/// The quotient rounded half up. `None` when it needs more than 128 bits, or on division by zero.
fn quotient(high: u128, low: u128, by: u128) -> Option<u128> {
    if high >= by {
        return None;
    }
    let (whole, rest) = if high == 0 { (low / by, low % by) } else { long_division(high, low, by) };
    if rest >= by - rest { whole.checked_add(1) } else { Some(whole) }
}

/// Bit by bit: `high` is the rest so far, less than `by`.
fn long_division(high: u128, low: u128, by: u128) -> (u128, u128) {
    let (mut rest, mut whole) = (high, 0_u128);
    for bit in (0..u128::BITS).rev() {
        let overflows = rest >> (u128::BITS - 1) == 1;
        rest = (rest << 1) | ((low >> bit) & 1);
        whole <<= 1;
        if overflows || rest >= by {
            rest = rest.wrapping_sub(by);
            whole |= 1;
        }
    }
    (whole, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dividing_what_was_multiplied_gives_it_back(a in any::<i128>(), b in any::<i64>().prop_filter("not zero", |b| *b != 0)) {
            if a != i128::MIN {
                prop_assert_eq!(mul_div(a, b.into(), b.into()), Some(a));
            }
        }

        #[test]
        fn small_numbers_agree_with_plain_integers(a in -1000..1000_i128, b in -1000..1000_i128, c in 1..1000_i128) {
            let exact = a * b;
            let twice = 2 * exact + if exact < 0 { -c } else { c };
            prop_assert_eq!(mul_div(a, b, c), Some(twice / (2 * c)));
        }
    }

    #[test]
    fn what_is_too_wide_is_none() {
        assert_eq!(mul_div(i128::MAX, 2, 1), None);
        assert_eq!(mul_div(1, 1, 0), None);
        assert_eq!(mul_div(i128::MAX, i128::MAX, i128::MAX), Some(i128::MAX));
    }
}
