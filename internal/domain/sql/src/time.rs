//! Days, times of day and moments as text: the forms that SQL writes itself, and patterns as Java's `DateTimeFormatter`
//! reads them.

mod fields;
mod pattern;
mod print;
mod read;
mod zone;

pub(crate) use fields::Fields;
pub use pattern::TimePattern;
pub(crate) use pattern::ready;
pub(crate) use zone::Zone;

use jiff::civil::Date;

const DAY_MS: i64 = 86_400_000;
/// `ROWTIME` and its kind, in words.
const TIME_FORM: &str = "HH:mm:ss.SSS";

/// The day `days` after 1970-01-01; none beyond the year 9999.
pub(crate) fn day(days: i64) -> Option<Date> {
    let span = jiff::Span::new().try_days(days).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(span).ok()
}

/// Days from 1970-01-01 on.
pub(crate) fn days(date: Date) -> i64 {
    let first = jiff::civil::date(1970, 1, 1);
    date.since(first).map_or(0, |span| i64::from(span.get_days()))
}

/// `2020-05-26`.
pub fn date_text(days: i32) -> String {
    day(i64::from(days)).map_or_else(|| days.to_string(), |date| date.to_string())
}

/// `12:30` or `12:30:15`, without milliseconds.
pub fn time_text(millis: i32) -> String {
    let seconds = millis.div_euclid(1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}

/// `2020-05-26T12:30:15.000`, in UTC.
pub fn moment_text(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    let Some(date) = day(days) else { return millis.to_string() };
    let (seconds, fraction) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{fraction:03}")
}

/// A day of the form `2020-05-26`; of its end parts may be missing, which are then the first.
pub(crate) fn date_of(text: &str) -> Option<i32> {
    let whole = whole_date(text);
    let parts: Vec<&str> = whole.splitn(3, '-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let is_digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(year, 4) || !is_digits(month, 2) || !is_digits(day, 2) {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    i32::try_from(days(date)).ok()
}

fn whole_date(text: &str) -> String {
    match text.split('-').count() {
        1 => format!("{text}-01-01"),
        2 => format!("{text}-01"),
        _ => text.to_owned(),
    }
}

/// A time of day of the form `12:30`, `12:30:15` or `12:30:15.123`, in milliseconds.
pub(crate) fn time_of(text: &str) -> Option<i32> {
    let (clock, fraction) =
        text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|part| part.len() != 2) {
        return None;
    }
    let number = |place: usize, limit: i32| {
        let part = parts.get(place).copied().unwrap_or("00");
        let is_digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|number| is_digits && *number < limit)
    };
    let (hour, minute, second) = (number(0, 24)?, number(1, 60)?, number(2, 60)?);
    let millis = match fraction {
        None => 0,
        Some(digits)
            if parts.len() == 3 && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{digits:0<3}").get(..3)?.parse().ok()?
        }
        Some(_) => return None,
    };
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// A moment of the form `2020-05-26T12:30:15.123+0200`; whatever is missing from the end of the date or the time is its
/// first, and the zone is UTC.
pub(crate) fn moment_of(text: &str) -> Option<i64> {
    let (date, rest) = match text.split_once('T') {
        Some((date, rest)) => (date.to_owned(), rest),
        None => (whole_date(text), ""),
    };
    let zone_at = rest.find(['+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let time = time.strip_suffix('Z').unwrap_or(time);
    let zone = if zone.trim().is_empty() { Zone::utc() } else { Zone::named(zone)? };
    let missing: String = TIME_FORM
        .chars()
        .skip(time.chars().count())
        .map(|c| if c.is_alphabetic() { '0' } else { c })
        .collect();
    let pattern = ready("yyyy-MM-dd'T'HH:mm:ss.SSS").ok()?;
    pattern.moment(&format!("{date}T{time}{missing}"), &zone).ok()
}

#[cfg(test)]
mod tests;
