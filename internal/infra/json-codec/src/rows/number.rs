use millstream_model::Decimal;

/// A whole number out of a number's text; what stands behind the point is cut off.
pub(super) fn whole(digits: &str) -> Option<i64> {
    digits.parse().ok().or_else(|| decimal(digits)?.to_i64())
}

/// A number's text, maybe with an exponent, exactly.
pub(super) fn decimal(digits: &str) -> Option<Decimal> {
    digits.parse().ok()
}

/// A double as its shortest digits, with a point always, and with an exponent where it is below 10^-3 or from 10^7 on: the
/// text that Java's `Double.toString` gives.
pub(super) fn shortest(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { format!("{value}").replace("inf", "Infinity") };
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_with_their_shortest_digits() {
        for (value, text) in [
            (0.0, "0.0"),
            (-1.5, "-1.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e-4, "1.25E-4"),
            (0.001, "0.001"),
            (1e300, "1.0E300"),
        ] {
            assert_eq!(shortest(value), text);
        }
    }

    #[test]
    fn what_stands_behind_the_point_is_cut_off() {
        for (digits, number) in
            [("12", Some(12)), ("-1.9", Some(-1)), ("2e3", Some(2000)), ("1e30", None), ("0.5e1", Some(5))]
        {
            assert_eq!(whole(digits), number, "{digits}");
        }
    }
}
