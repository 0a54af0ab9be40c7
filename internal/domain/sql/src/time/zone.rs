use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use std::sync::LazyLock;

/// The zones' own database, the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone, and what it was called.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(super) name: String,
    pub(super) zone: TimeZone,
}

impl Zone {
    /// UTC.
    pub(crate) fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// A zone such as `Europe/London`, `UTC`, `Z`, `+02:00`, `+0200` or `GMT+2`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if matches!(name, "Z" | "UTC" | "GMT" | "UT") {
            return Some(Self { name: name.to_owned(), zone: TimeZone::UTC });
        }
        let numbers =
            ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        if numbers.starts_with(['+', '-']) {
            let zone = TimeZone::fixed(offset(numbers)?);
            return Some(Self { name: name.to_owned(), zone });
        }
        let zone = ZONES.get(long_name(name)).ok()?;
        Some(Self { name: name.to_owned(), zone })
    }

    /// Seconds east of UTC at a moment in milliseconds.
    pub(crate) fn offset_seconds(&self, millis: i64) -> Option<i32> {
        let moment = Timestamp::from_millisecond(millis).ok()?;
        Some(self.zone.to_offset(moment).seconds())
    }
}

/// The zone whose clocks are commonly called so.
fn long_name(name: &str) -> &str {
    match name {
        "PST" | "PDT" => "America/Los_Angeles",
        "MST" | "MDT" => "America/Denver",
        "CST" | "CDT" => "America/Chicago",
        "EST" | "EDT" => "America/New_York",
        "AKST" | "AKDT" => "America/Anchorage",
        "HST" => "Pacific/Honolulu",
        "BST" => "Europe/London",
        "WET" | "WEST" => "Europe/Lisbon",
        "CET" | "CEST" => "Europe/Paris",
        "EET" | "EEST" => "Europe/Bucharest",
        "MSK" => "Europe/Moscow",
        "IST" => "Asia/Kolkata",
        "JST" => "Asia/Tokyo",
        "KST" => "Asia/Seoul",
        "HKT" => "Asia/Hong_Kong",
        "AEST" | "AEDT" => "Australia/Sydney",
        "NZST" | "NZDT" => "Pacific/Auckland",
        other => other,
    }
}

/// `+2`, `+02`, `+0200`, `+02:00`, `+020030` or `+02:00:30`.
pub(super) fn offset(text: &str) -> Option<Offset> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = text.chars().skip(1).filter(|c| *c != ':').collect();
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = if digits.len() == 1 { format!("0{digits}") } else { digits };
    let part = |place: usize| digits.get(place..place + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    if digits.len() % 2 != 0 || hours > 18 || minutes > 59 || seconds > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60 + seconds)).ok()
}
