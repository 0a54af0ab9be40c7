use jiff::civil::{Date, DateTime, Time, Weekday};

use super::zone::Zone;

/// What a text says of a moment. What it does not say is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(super) is_before_christ: bool,
    pub(super) year: Option<i64>,
    pub(super) year_of_era: Option<i64>,
    pub(super) month: Option<i64>,
    pub(super) day: Option<i64>,
    pub(super) day_of_year: Option<i64>,
    pub(super) weekday: Option<Weekday>,
    pub(super) hour: Option<i64>,
    /// 0 to 11.
    pub(super) hour_of_half: Option<i64>,
    pub(super) is_afternoon: Option<bool>,
    pub(super) minute: Option<i64>,
    pub(super) second: Option<i64>,
    pub(super) nanos: Option<i64>,
    pub(super) nanos_of_day: Option<i64>,
    pub(super) zone: Option<Zone>,
}

const DAY_NANOS: i64 = 86_400_000_000_000;

impl Fields {
    pub(crate) fn says_of_date(&self) -> bool {
        self.year.or(self.year_of_era).or(self.month).or(self.day).or(self.day_of_year).is_some()
            || self.weekday.is_some()
    }

    fn full_year(&self) -> Option<i64> {
        let of_era = self.year_of_era.map(|year| if self.is_before_christ { 1 - year } else { year });
        self.year.or(of_era)
    }

    /// The day, if all of it is said, in days since 1970.
    pub(crate) fn days(&self) -> Option<i64> {
        let is_whole = self.day_of_year.is_some() || (self.month.is_some() && self.day.is_some());
        let date = self.date().filter(|_| is_whole && self.full_year().is_some())?;
        Some(super::days(date))
    }

    /// The day, with the first of 1970 for what is not said. A day that the month has not is its last.
    fn date(&self) -> Option<Date> {
        let year = i16::try_from(self.full_year().unwrap_or(1970)).ok()?;
        if let Some(place) = self.day_of_year {
            let first = Date::new(year, 1, 1).ok()?;
            let is_in_year = (1..=i64::from(first.days_in_year())).contains(&place);
            return is_in_year.then(|| super::day(super::days(first) + place - 1)).flatten();
        }
        let first = Date::new(year, i8::try_from(self.month.unwrap_or(1)).ok()?, 1).ok()?;
        let day = self.day.unwrap_or(1);
        let day =
            if (1..=31).contains(&day) { day.min(i64::from(first.days_in_month())) } else { return None };
        let date = Date::new(year, first.month(), i8::try_from(day).ok()?).ok()?;
        // A day of the week has to be the one that the date has.
        self.weekday.is_none_or(|weekday| self.day.is_none() || date.weekday() == weekday).then_some(date)
    }

    /// The time of day, with zero for what is not said; none where one is out of its range.
    pub(crate) fn nanos_of_day(&self) -> Option<i64> {
        if let Some(nanos) = self.nanos_of_day {
            return (0..DAY_NANOS).contains(&nanos).then_some(nanos);
        }
        let half = if self.is_afternoon == Some(true) { 12 } else { 0 };
        let hour = self.hour.unwrap_or_else(|| self.hour_of_half.unwrap_or(0) + half);
        let within = |value: Option<i64>, limit: i64| {
            let value = value.unwrap_or(0);
            (0..limit).contains(&value).then_some(value)
        };
        let seconds =
            (within(Some(hour), 24)? * 60 + within(self.minute, 60)?) * 60 + within(self.second, 60)?;
        Some(seconds * 1_000_000_000 + self.nanos.unwrap_or(0))
    }

    /// Whether an hour is said, without which there is no time of day.
    pub(crate) fn says_of_hour(&self) -> bool {
        self.hour.or(self.hour_of_half).or(self.nanos_of_day).is_some()
    }

    /// Milliseconds since 1970, in a zone unless the text named one.
    pub(crate) fn moment(&self, zone: &Zone) -> Option<i64> {
        let nanos = self.nanos_of_day()?;
        let time = Time::midnight().checked_add(jiff::Span::new().try_nanoseconds(nanos).ok()?).ok()?;
        let local = DateTime::from_parts(self.date()?, time);
        let zone = self.zone.as_ref().unwrap_or(zone);
        let zoned = zone.zone.to_ambiguous_zoned(local).compatible().ok()?;
        Some(zoned.timestamp().as_millisecond())
    }
}
