use millstream_model::Decimal;

/// A whole number out of a number's text; what stands behind the point is cut off.
pub(super) fn whole(digits: &str) -> Option<i64> {
    digits.parse().ok().or_else(|| decimal(digits)?.to_i64())
}

/// A number's text, maybe with an exponent, exactly.
pub(super) fn decimal(digits: &str) -> Option<Decimal> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_point_is_cut_off() {
        for (digits, number) in
            [("12", Some(12)), ("-1.9", Some(-1)), ("2e3", Some(2000)), ("1e30", None), ("0.5e1", Some(5))]
        {
            assert_eq!(whole(digits), number, "{digits}");
        }
    }
}
