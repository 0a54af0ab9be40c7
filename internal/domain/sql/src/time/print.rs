use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use super::Zone;
use super::pattern::{Piece, TimePattern};
use crate::eval::Failure;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// What there is to write: a day, a time of day, or both in a zone.
struct Shown {
    date: Option<Date>,
    time: Option<Time>,
    zone: Option<(Offset, String, String)>,
}

impl TimePattern {
    /// Writes a day, in days since 1970.
    pub(crate) fn of_day(&self, days: i64) -> Result<String, Failure> {
        let date = super::day(days).ok_or_else(|| Failure::overflow("DATE"))?;
        self.write(&Shown { date: Some(date), time: None, zone: None })
    }

    /// Writes a time of day, in milliseconds since midnight.
    pub(crate) fn of_time(&self, millis: i32) -> Result<String, Failure> {
        self.write(&Shown { date: None, time: time(i64::from(millis)), zone: None })
    }

    /// Writes a moment, in milliseconds since 1970, as it is in a zone.
    pub(crate) fn of_moment(&self, millis: i64, zone: &Zone) -> Result<String, Failure> {
        let beyond = || Failure::overflow("TIMESTAMP");
        let moment = jiff::Timestamp::from_millisecond(millis).map_err(|_| beyond())?;
        let local = moment.to_zoned(zone.zone.clone());
        let short = zone.zone.to_offset_info(moment).abbreviation().to_owned();
        let short = if zone.zone == jiff::tz::TimeZone::UTC { zone.name.clone() } else { short };
        let zone = Some((local.offset(), zone.name.clone(), short));
        self.write(&Shown { date: Some(local.date()), time: Some(local.time()), zone })
    }

    fn write(&self, shown: &Shown) -> Result<String, Failure> {
        let mut out = String::new();
        pieces(&self.0, shown, &mut out)?;
        Ok(out)
    }
}

fn time(millis: i64) -> Option<Time> {
    Time::midnight().checked_add(jiff::Span::new().try_milliseconds(millis).ok()?).ok()
}

fn pieces(all: &[Piece], shown: &Shown, out: &mut String) -> Result<(), Failure> {
    for piece in all {
        match piece {
            Piece::Literal(literal) => out.push_str(literal),
            Piece::Letter(letter, count) => {
                let lacks = || Failure::new(format!("there is nothing to write for '{letter}'"));
                out.push_str(&written(*letter, *count, shown).ok_or_else(lacks)?);
            }
            // What can't be said is left out.
            Piece::Optional(inner) => {
                let mut part = String::new();
                if pieces(inner, shown, &mut part).is_ok() {
                    out.push_str(&part);
                }
            }
        }
    }
    Ok(())
}

fn written(letter: char, count: usize, shown: &Shown) -> Option<String> {
    match letter {
        'V' | 'z' | 'O' | 'X' | 'x' | 'Z' => of_zone(letter, count, shown),
        'a' | 'h' | 'K' | 'k' | 'H' | 'm' | 's' | 'S' | 'A' | 'n' | 'N' => {
            Some(of_time(letter, count, shown.time?))
        }
        _ => of_date(letter, count, shown.date?),
    }
}

fn padded(number: impl Into<i64>, width: usize) -> String {
    let number: i64 = number.into();
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", number.unsigned_abs())
}

fn named(name: &str, count: usize) -> String {
    let length = match count {
        4 => name.len(),
        5 => 1,
        _ => 3,
    };
    name.chars().take(length).collect()
}

fn of_date(letter: char, count: usize, date: Date) -> Option<String> {
    let year = i64::from(date.year());
    let year_of_era = if year < 1 { 1 - year } else { year };
    let quarter = (i64::from(date.month()) + 2) / 3;
    let sunday_first = i64::from(date.weekday().to_sunday_one_offset());
    Some(match (letter, count) {
        ('y' | 'u', 2) => padded(year_of_era % 100, 2),
        ('y', _) => padded(year_of_era, count),
        ('u', _) => padded(year, count),
        ('G', 4) => (if year < 1 { "Before Christ" } else { "Anno Domini" }).to_owned(),
        ('G', 5) => (if year < 1 { "B" } else { "A" }).to_owned(),
        ('G', _) => (if year < 1 { "BC" } else { "AD" }).to_owned(),
        ('M' | 'L', 1 | 2) => padded(date.month(), count),
        ('M' | 'L', _) => named(MONTHS.get(usize::try_from(date.month() - 1).ok()?)?, count),
        ('d', _) => padded(date.day(), count),
        ('D', _) => padded(date.day_of_year(), count),
        ('Q' | 'q', 1 | 2) => padded(quarter, count),
        ('Q' | 'q', 3) => format!("Q{quarter}"),
        ('Q' | 'q', _) => {
            format!("{} quarter", ["1st", "2nd", "3rd", "4th"].get(usize::try_from(quarter - 1).ok()?)?)
        }
        ('e' | 'c', 1 | 2) => padded(sunday_first, count),
        ('E' | 'e' | 'c', _) => {
            named(WEEKDAYS.get(usize::try_from(date.weekday().to_monday_zero_offset()).ok()?)?, count)
        }
        ('F', _) => padded((date.day() - 1) / 7 + 1, count),
        ('w' | 'Y', _) => week(letter, count, date)?,
        ('W', _) => {
            let first = date.first_of_month().weekday().to_sunday_zero_offset();
            padded((date.day() - 1 + first) / 7 + 1, count)
        }
        _ => return None,
    })
}

/// Weeks begin on Sunday, and the first of a year is the one with its first day.
fn week(letter: char, count: usize, date: Date) -> Option<String> {
    let first_of = |year: i16| {
        let first = Date::new(year, 1, 1).ok()?;
        Some(super::days(first) - i64::from(first.weekday().to_sunday_zero_offset()))
    };
    let day = super::days(date);
    let next = first_of(date.year() + 1)?;
    let (year, start) =
        if day >= next { (date.year() + 1, next) } else { (date.year(), first_of(date.year())?) };
    Some(match (letter, count) {
        ('Y', 2) => padded(year % 100, 2),
        ('Y', _) => padded(year, count),
        _ => padded((day - start) / 7 + 1, count),
    })
}

fn of_time(letter: char, count: usize, time: Time) -> String {
    let (hour, nanos) = (i64::from(time.hour()), i64::from(time.subsec_nanosecond()));
    let seconds = (hour * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
    match letter {
        'a' => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        'h' => padded((hour + 11) % 12 + 1, count),
        'K' => padded(hour % 12, count),
        'k' => padded((hour + 23) % 24 + 1, count),
        'H' => padded(hour, count),
        'm' => padded(time.minute(), count),
        's' => padded(time.second(), count),
        'S' => format!("{nanos:09}").chars().chain(std::iter::repeat('0')).take(count).collect(),
        'A' => padded(seconds * 1000 + nanos / 1_000_000, count),
        'n' => padded(nanos, count),
        _ => padded(seconds * 1_000_000_000 + nanos, count),
    }
}

fn of_zone(letter: char, count: usize, shown: &Shown) -> Option<String> {
    let (offset, name, short) = shown.zone.as_ref()?;
    let seconds = offset.seconds();
    Some(match (letter, count) {
        ('V', _) | ('z', 4) => name.clone(),
        ('z', _) => short.clone(),
        ('O' | 'Z', 4) if seconds == 0 => "GMT".to_owned(),
        ('O' | 'Z', 4) => format!("GMT{}", offset_text(seconds, ":", true)),
        ('O', _) if seconds == 0 => "GMT".to_owned(),
        ('O', _) => {
            let rest =
                if seconds % 3600 == 0 { String::new() } else { format!(":{:02}", seconds.abs() / 60 % 60) };
            format!("GMT{}{}{rest}", sign(seconds), seconds.abs() / 3600)
        }
        ('X', _) | ('Z', 5) if seconds == 0 => "Z".to_owned(),
        ('X' | 'x', 1) => offset_text(seconds, "", seconds % 3600 != 0),
        ('X' | 'x', 3 | 5) | ('Z', 5) => offset_text(seconds, ":", true),
        _ => offset_text(seconds, "", true),
    })
}

fn sign(seconds: i32) -> char {
    if seconds < 0 { '-' } else { '+' }
}

fn offset_text(seconds: i32, between: &str, has_minutes: bool) -> String {
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let minutes = if has_minutes { format!("{between}{minutes:02}") } else { String::new() };
    format!("{}{hours:02}{minutes}", sign(seconds))
}
