use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn texts_are_read_and_written_with_their_scale() {
    for (text, written) in [
        ("0", "0"),
        ("-0.05", "-0.05"),
        ("1.20", "1.20"),
        (".5", "0.5"),
        ("12.", "12"),
        ("+3", "3"),
        ("1.5e3", "1500"),
        ("15e-4", "0.0015"),
        ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
    ] {
        assert_eq!(decimal(text).to_string(), written);
    }
    for wrong in ["", ".", "-", "1.-2", "--1", "a", "1e99", "1.2.3", "1e-39"] {
        assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
    }
}

#[test]
fn rounding_is_half_away_from_zero() {
    for (text, scale, rounded) in
        [("1.25", 1, "1.3"), ("-1.25", 1, "-1.3"), ("1.24", 1, "1.2"), ("0.5", 0, "1"), ("2", 2, "2.00")]
    {
        assert_eq!(decimal(text).rescale(scale).unwrap().to_string(), rounded);
    }
    assert_eq!(decimal("123.456").fit(4, 1), Some(decimal("123.5")));
    assert_eq!(decimal("1234.56").fit(4, 1), None);
}

#[test]
fn floor_and_ceiling_are_whole_and_on_their_side() {
    for (text, floor, ceil) in
        [("1.25", "1", "2"), ("-1.25", "-2", "-1"), ("3.00", "3", "3"), ("-0.5", "-1", "0")]
    {
        assert_eq!(decimal(text).floor().unwrap().to_string(), floor);
        assert_eq!(decimal(text).ceil().unwrap().to_string(), ceil);
    }
    assert_eq!(decimal("-1.5").checked_abs(), Some(decimal("1.5")));
}

#[test]
fn arithmetic_keeps_scales() {
    assert_eq!(decimal("1.10").checked_add(decimal("0.9")), Some(decimal("2.00")));
    assert_eq!(decimal("1.10").checked_mul(decimal("0.9")), Some(decimal("0.990")));
    assert_eq!(decimal("1").checked_div(decimal("3"), 4), Some(decimal("0.3333")));
    assert_eq!(decimal("-2").checked_div(decimal("3"), 1), Some(decimal("-0.7")));
    assert_eq!(decimal("1").checked_div(decimal("0.0"), 1), None);
    assert_eq!(
        decimal("1234567890.12").checked_div(decimal("3"), 25),
        Some(decimal("411522630.0400000000000000000000000"))
    );
    assert_eq!(decimal("1.25").checked_mul_at(decimal("1.1"), 1), Some(decimal("1.4")));
    assert_eq!(decimal("-7.5").checked_rem(decimal("2")), Some(decimal("-1.5")));
    assert_eq!(Decimal::new(i128::MAX, 0).checked_add(decimal("1")), None);
}

#[test]
fn comparing_looks_at_the_number_and_ordering_at_the_scale_too() {
    assert!(decimal("1.20").compare(decimal("1.2")).is_eq());
    assert!(decimal("1.20") > decimal("1.2"));
    let huge = Decimal::new(i128::MAX, 0);
    assert!(huge.compare(Decimal::new(1, 38)).is_gt());
    assert!(Decimal::new(1, 38).compare(huge).is_lt());
}

proptest! {
    #[test]
    fn text_round_trips(unscaled in any::<i128>(), scale in 0_u8..=38) {
        let number = Decimal::new(unscaled, scale);
        prop_assert_eq!(number.to_string().parse::<Decimal>().ok(), Some(number));
    }

    #[test]
    fn arithmetic_agrees_with_integers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, scale in 0_u8..6) {
        let (x, y) = (Decimal::new(a.into(), scale), Decimal::new(b.into(), scale));
        prop_assert_eq!(x.checked_add(y), Some(Decimal::new((a + b).into(), scale)));
        prop_assert_eq!(x.checked_sub(y), Some(Decimal::new((a - b).into(), scale)));
        prop_assert_eq!(x.compare(y), a.cmp(&b));
    }
}

/// Numbers without bounds.
fn big(number: Decimal) -> BigInt {
    BigInt::from(number.unscaled())
}

fn ten(exponent: u8) -> BigInt {
    BigInt::from(10).pow(exponent.into())
}

/// `a / b`, rounded half away from zero.
fn rounded(a: &BigInt, b: &BigInt) -> BigInt {
    let zero = BigInt::from(0);
    let is_negative = (*a < zero) != (*b < zero);
    let (a, b) = (BigInt::from(a.magnitude().clone()), BigInt::from(b.magnitude().clone()));
    let (double, divisor): (BigInt, BigInt) = (a * 2 + &b, b * 2);
    let magnitude: BigInt = double / divisor;
    if is_negative { -magnitude } else { magnitude }
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    let unscaled = prop_oneof![
        any::<i128>(),
        any::<i64>().prop_map(i128::from),
        (-1000..1000_i128),
        Just(10_i128.pow(38) - 1),
        Just(1 - 10_i128.pow(38)),
    ];
    (unscaled, 0_u8..=38).prop_map(|(unscaled, scale)| Decimal::new(unscaled, scale))
}

/// The result is the exact one, and there is none only where 127 bits do not hold it, or what it is made of.
fn agrees(
    found: Option<Decimal>,
    exact: &BigInt,
    scale: u8,
    operands: &[BigInt],
) -> Result<(), TestCaseError> {
    if let Some(found) = found {
        prop_assert_eq!(big(found), exact.clone());
        prop_assert_eq!(found.scale(), scale);
        return Ok(());
    }
    let fits = |number: &BigInt| i128::try_from(number.clone()).is_ok();
    prop_assert!(!fits(exact) || !operands.iter().all(fits), "{} would fit", exact);
    Ok(())
}

proptest! {
    #[test]
    fn sums_are_those_of_unbounded_numbers(a in any_decimal(), b in any_decimal()) {
        let scale = a.scale().max(b.scale());
        let (x, y) = (big(a) * ten(scale - a.scale()), big(b) * ten(scale - b.scale()));
        agrees(a.checked_add(b), &(&x + &y), scale, &[x.clone(), y.clone()])?;
        agrees(a.checked_sub(b), &(&x - &y), scale, &[x.clone(), y.clone()])?;
        prop_assert_eq!(a.compare(b), x.cmp(&y));
        if y != BigInt::from(0) {
            agrees(a.checked_rem(b), &(&x % &y), scale, &[x, y])?;
        }
    }

    #[test]
    fn products_and_quotients_are_rounded_once(a in any_decimal(), b in any_decimal(), scale in 0_u8..=38) {
        let both = a.scale() + b.scale();
        if scale <= both && both - scale <= 38 {
            let exact = rounded(&(big(a) * big(b)), &ten(both - scale));
            agrees(a.checked_mul_at(b, scale), &exact, scale, &[])?;
        }
        let shift = i16::from(scale) + i16::from(b.scale()) - i16::from(a.scale());
        if b.unscaled() != 0 && (0..=38).contains(&shift) {
            let exact = rounded(&(big(a) * ten(u8::try_from(shift).unwrap())), &big(b));
            agrees(a.checked_div(b, scale), &exact, scale, &[])?;
        }
    }

    #[test]
    fn another_scale_rounds_once(a in any_decimal(), scale in 0_u8..=38) {
        let exact = if scale >= a.scale() {
            big(a) * ten(scale - a.scale())
        } else {
            rounded(&big(a), &ten(a.scale() - scale))
        };
        agrees(a.rescale(scale), &exact, scale, &[])?;
    }
}
