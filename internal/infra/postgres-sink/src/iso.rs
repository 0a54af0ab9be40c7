//! Moments as ISO 8601 writes them.

const DAY_MS: i64 = 86_400_000;

/// The first moment of year 1, and the last of year 9999: those whose years have four digits.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_799_999;

/// Whether a moment is in the years 1 to 9999.
pub(crate) fn has_four_digits(millis: i64) -> bool {
    (FIRST_MS..=LAST_MS).contains(&millis)
}

/// A moment, as in `2026-01-31T12:00:00Z`, with milliseconds where there are any.
pub(crate) fn written(millis: i64) -> String {
    let (year, month, day) = civil(millis.div_euclid(DAY_MS));
    let of_day = millis.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let fraction = match of_day % 1000 {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// A day counted from 1970-01-01, as in `2026-01-31`.
pub(crate) fn date(days: i32) -> String {
    let (year, month, day) = civil(days.into());
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time of day in milliseconds, as in `12:00:00.000`.
pub(crate) fn time(millis: i32) -> String {
    let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", millis % 1000)
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_iso_has_them() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_164_800_007, "2024-02-29T00:00:00.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (FIRST_MS, "0001-01-01T00:00:00Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(millis), text);
        }
        assert!(has_four_digits(FIRST_MS) && !has_four_digits(FIRST_MS - 1) && !has_four_digits(LAST_MS + 1));
    }
}
