//! Functions over days, times of day and moments.

use millstream_model::Value;

use super::arguments::{at, int, long, text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};
use crate::time::{Zone, ready};

const CATEGORY: &str = "DATE / TIME";
const DAY_NANOS: i128 = 86_400_000_000_000;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "CONVERT_TZ",
        category: CATEGORY,
        about: "A moment whose clock in one zone shows what it showed in another.",
        entries: &[Entry::new(
            "moment TIMESTAMP, from STRING, to STRING -> TIMESTAMP",
            Body::Strict(convert_zone),
        )],
    },
    Definition {
        name: "DATEADD",
        category: CATEGORY,
        about: "The day so many units of time later.",
        entries: &[Entry::new("unit UNIT, count INT, day DATE -> DATE", Body::Strict(|a| date_moved(a, 1)))],
    },
    Definition {
        name: "DATESUB",
        category: CATEGORY,
        about: "The day so many units of time before.",
        entries: &[Entry::new("unit UNIT, count INT, day DATE -> DATE", Body::Strict(|a| date_moved(a, -1)))],
    },
    Definition {
        name: "TIMEADD",
        category: CATEGORY,
        about: "The time of day so many units of time later; midnight is passed over.",
        entries: &[Entry::new("unit UNIT, count INT, time TIME -> TIME", Body::Strict(|a| time_moved(a, 1)))],
    },
    Definition {
        name: "TIMESUB",
        category: CATEGORY,
        about: "The time of day so many units of time before; midnight is passed over.",
        entries: &[Entry::new(
            "unit UNIT, count INT, time TIME -> TIME",
            Body::Strict(|a| time_moved(a, -1)),
        )],
    },
    Definition {
        name: "TIMESTAMPADD",
        category: CATEGORY,
        about: "The moment so many units of time later.",
        entries: &[Entry::new(
            "unit UNIT, count INT, moment TIMESTAMP -> TIMESTAMP",
            Body::Strict(|a| moment_moved(a, 1)),
        )],
    },
    Definition {
        name: "TIMESTAMPSUB",
        category: CATEGORY,
        about: "The moment so many units of time before.",
        entries: &[Entry::new(
            "unit UNIT, count INT, moment TIMESTAMP -> TIMESTAMP",
            Body::Strict(|a| moment_moved(a, -1)),
        )],
    },
    Definition {
        name: "FORMAT_DATE",
        category: CATEGORY,
        about: "A day as a pattern such as 'yyyy-MM-dd' writes it.",
        entries: &[Entry::new("day DATE, pattern STRING -> STRING", Body::Two(format_date))],
    },
    Definition {
        name: "FORMAT_TIME",
        category: CATEGORY,
        about: "A time of day as a pattern such as 'HH:mm' writes it.",
        entries: &[Entry::new("time TIME, pattern STRING -> STRING", Body::Two(format_time))],
    },
    Definition {
        name: "FORMAT_TIMESTAMP",
        category: CATEGORY,
        about: "A moment as a pattern writes it, in UTC or in a zone.",
        entries: &[
            Entry::new("moment TIMESTAMP, pattern STRING -> STRING", Body::Strict(format_moment)),
            Entry::new(
                "moment TIMESTAMP, pattern STRING, zone STRING -> STRING",
                Body::Strict(format_moment),
            ),
        ],
    },
    Definition {
        name: "DATETOSTRING",
        category: CATEGORY,
        about: "A day, given in days since 1970, as a pattern writes it.",
        entries: &[Entry::new("days INT, pattern STRING -> STRING", Body::Two(format_date))],
    },
    Definition {
        name: "TIMESTAMPTOSTRING",
        category: CATEGORY,
        about: "A moment, given in milliseconds since 1970, as a pattern writes it, in UTC or in a zone.",
        entries: &[
            Entry::new("millis BIGINT, pattern STRING -> STRING", Body::Strict(format_moment)),
            Entry::new("millis BIGINT, pattern STRING, zone STRING -> STRING", Body::Strict(format_moment)),
        ],
    },
    Definition {
        name: "PARSE_DATE",
        category: CATEGORY,
        about: "The day that a text says by a pattern.",
        entries: &[Entry::new("text STRING, pattern STRING -> DATE", Body::Two(parse_date))],
    },
    Definition {
        name: "PARSE_TIME",
        category: CATEGORY,
        about: "The time of day that a text says by a pattern.",
        entries: &[Entry::new("text STRING, pattern STRING -> TIME", Body::Two(parse_time))],
    },
    Definition {
        name: "PARSE_TIMESTAMP",
        category: CATEGORY,
        about: "The moment that a text says by a pattern, in UTC or in a zone unless it names one.",
        entries: &[
            Entry::new(
                "text STRING, pattern STRING -> TIMESTAMP",
                Body::Strict(|a| parse_moment(a).map(Value::Timestamp)),
            ),
            Entry::new(
                "text STRING, pattern STRING, zone STRING -> TIMESTAMP",
                Body::Strict(|a| parse_moment(a).map(Value::Timestamp)),
            ),
        ],
    },
    Definition {
        name: "STRINGTODATE",
        category: CATEGORY,
        about: "The day that a text says by a pattern, in days since 1970.",
        entries: &[Entry::new("text STRING, pattern STRING -> INT", Body::Two(string_to_date))],
    },
    Definition {
        name: "STRINGTOTIMESTAMP",
        category: CATEGORY,
        about: "The moment that a text says by a pattern, in milliseconds since 1970, in UTC or in a zone unless it names one.",
        entries: &[
            Entry::new(
                "text STRING, pattern STRING -> BIGINT",
                Body::Strict(|a| parse_moment(a).map(Value::Bigint)),
            ),
            Entry::new(
                "text STRING, pattern STRING, zone STRING -> BIGINT",
                Body::Strict(|a| parse_moment(a).map(Value::Bigint)),
            ),
        ],
    },
    Definition {
        name: "FROM_DAYS",
        category: CATEGORY,
        about: "The day so many days after 1970-01-01.",
        entries: &[Entry::new("days INT -> DATE", Body::One(|a| int(a).map(Value::Date)))],
    },
    Definition {
        name: "FROM_UNIXTIME",
        category: CATEGORY,
        about: "The moment so many milliseconds after 1970 began in UTC.",
        entries: &[Entry::new("millis BIGINT -> TIMESTAMP", Body::One(|a| long(a).map(Value::Timestamp)))],
    },
    Definition {
        name: "UNIX_DATE",
        category: CATEGORY,
        about: "The days since 1970 of a DATE, or of today.",
        entries: &[Entry::new(
            "day DATE -> INT",
            Body::One(|a| match a {
                Value::Date(days) => Ok(Value::Int(*days)),
                other => Err(Failure::unexpected(other)),
            }),
        )],
    },
    Definition {
        name: "UNIX_TIMESTAMP",
        category: CATEGORY,
        about: "The milliseconds since 1970 of a TIMESTAMP, or of now.",
        entries: &[Entry::new("moment TIMESTAMP -> BIGINT", Body::One(|a| millis(a).map(Value::Bigint)))],
    },
];

/// A moment, or the milliseconds that stand for one.
fn millis(value: &Value) -> Result<i64, Failure> {
    match value {
        Value::Timestamp(millis) => Ok(*millis),
        other => long(other),
    }
}

fn zone(values: &[&Value], place: usize) -> Result<Zone, Failure> {
    let Some(name) = values.get(place) else { return Ok(Zone::utc()) };
    let name = text(name)?;
    Zone::named(name).ok_or_else(|| Failure::new(format!("there is no time zone {name}")))
}

fn convert_zone(values: &[&Value]) -> Outcome {
    let moment = millis(at(values, 0))?;
    let beyond = || Failure::overflow("TIMESTAMP");
    let offset = |zone: &Zone| zone.offset_seconds(moment).ok_or_else(beyond);
    let seconds = offset(&zone(values, 2)?)? - offset(&zone(values, 1)?)?;
    moment.checked_add(i64::from(seconds) * 1000).map(Value::Timestamp).ok_or_else(beyond)
}

/// The nanoseconds that the first two arguments say.
fn span(values: &[&Value], sign: i128) -> Result<i128, Failure> {
    Ok(i128::from(long(at(values, 0))?) * i128::from(int(at(values, 1))?) * sign)
}

/// Whole days count; what is left of one does too when it lies before.
fn date_moved(values: &[&Value], sign: i128) -> Outcome {
    let Value::Date(day) = at(values, 2) else { return Err(Failure::unexpected(at(values, 2))) };
    let moved = (i128::from(*day) * DAY_NANOS + span(values, sign)?) / DAY_NANOS;
    i32::try_from(moved).map(Value::Date).map_err(|_| Failure::overflow("DATE"))
}

fn time_moved(values: &[&Value], sign: i128) -> Outcome {
    let Value::Time(time) = at(values, 2) else { return Err(Failure::unexpected(at(values, 2))) };
    let moved = (i128::from(*time) * 1_000_000 + span(values, sign)?).rem_euclid(DAY_NANOS);
    i32::try_from(moved / 1_000_000).map(Value::Time).map_err(|_| Failure::overflow("TIME"))
}

fn moment_moved(values: &[&Value], sign: i128) -> Outcome {
    let moved = i128::from(millis(at(values, 2))?) + span(values, sign)? / 1_000_000;
    i64::try_from(moved).map(Value::Timestamp).map_err(|_| Failure::overflow("TIMESTAMP"))
}

fn format_date(day: &Value, pattern: &Value) -> Outcome {
    let days = match day {
        Value::Date(days) => i64::from(*days),
        other => long(other)?,
    };
    ready(text(pattern)?)?.of_day(days).map(Value::text)
}

fn format_time(time: &Value, pattern: &Value) -> Outcome {
    let Value::Time(millis) = time else { return Err(Failure::unexpected(time)) };
    ready(text(pattern)?)?.of_time(*millis).map(Value::text)
}

fn format_moment(values: &[&Value]) -> Outcome {
    let (millis, zone) = (millis(at(values, 0))?, zone(values, 2)?);
    ready(text(at(values, 1))?)?.of_moment(millis, &zone).map(Value::text)
}

/// What is not said of the day is the first of 1970; a time of day must not be said.
fn parse_date(value: &Value, pattern: &Value) -> Outcome {
    let given = text(value)?;
    let fields = ready(text(pattern)?)?.parse_loosely(given)?;
    let millis = fields.moment(&Zone::utc()).ok_or_else(|| Failure::new(format!("'{given}' says no day")))?;
    if millis % 86_400_000 != 0 {
        return Err(Failure::new(format!("'{given}' says a time of day too")));
    }
    i32::try_from(millis / 86_400_000).map(Value::Date).map_err(|_| Failure::overflow("DATE"))
}

fn parse_time(value: &Value, pattern: &Value) -> Outcome {
    let given = text(value)?;
    let fields = ready(text(pattern)?)?.parse(given)?;
    if fields.says_of_date() || !fields.says_of_hour() {
        return Err(Failure::new(format!("'{given}' does not say a time of day alone")));
    }
    let nanos =
        fields.nanos_of_day().ok_or_else(|| Failure::new(format!("'{given}' says no time of day")))?;
    i32::try_from(nanos / 1_000_000).map(Value::Time).map_err(|_| Failure::overflow("TIME"))
}

fn parse_moment(values: &[&Value]) -> Result<i64, Failure> {
    let zone = zone(values, 2)?;
    ready(text(at(values, 1))?)?.moment(text(at(values, 0))?, &zone)
}

fn string_to_date(value: &Value, pattern: &Value) -> Outcome {
    let given = text(value)?;
    let days = ready(text(pattern)?)?.parse(given)?.days();
    let days = days.ok_or_else(|| Failure::new(format!("'{given}' does not say a whole day")))?;
    i32::try_from(days).map(Value::Int).map_err(|_| Failure::overflow("INT"))
}
