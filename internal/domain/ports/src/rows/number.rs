/// A double as its shortest digits, at least two of them, with an exponent where it is below 10^-3 or from 10^7 on: the text
/// that Java's `Double.toString` gives.
pub fn double_text(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { format!("{value}").replace("inf", "Infinity") };
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let shortest = format!("{value:e}");
    let text = if shortest.contains('.') { shortest } else { format!("{value:.1e}") };
    text.replace('e', "E")
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
            (5e-324, "4.9E-324"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double_text(value), text);
            assert_eq!(text.parse(), Ok(value));
        }
    }
}
