//! When a timer is due: NCRONTAB expressions with six fields (or five, without seconds), or a time span.
//! Times are UTC, as on a host without `WEBSITE_TIME_ZONE`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use crate::dotnet;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Days looked ahead for the next occurrence: the 29th of February on a given day of the week is at most 40 years off.
const HORIZON_DAYS: usize = 41 * 366;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Schedule {
    Cron(Cron),
    Every(Duration),
}

/// The values each field allows. Day of month and day of week must both fit, as in NCrontab.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cron {
    seconds: BTreeSet<i8>,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
}

impl Schedule {
    /// # Errors
    /// In words, when the text is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(span) = dotnet::time_span(text).filter(|span| !span.is_zero()) {
            return Ok(Self::Every(span));
        }
        Cron::parse(text)
            .map(Self::Cron)
            .ok_or_else(|| format!("The schedule expression '{text}' is not valid"))
    }

    pub(crate) fn is_cron(&self) -> bool {
        matches!(self, Self::Cron(_))
    }

    /// The first time after `now`; the end of time when there is none.
    pub(crate) fn next_after(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Cron(cron) => cron.next_after(now).unwrap_or(Timestamp::MAX),
            Self::Every(span) => now.checked_add(*span).unwrap_or(Timestamp::MAX),
        }
    }

    /// Whether two occurrences are less than a minute apart: such schedules are not monitored.
    pub(crate) fn runs_within_a_minute(&self, now: Timestamp) -> bool {
        let first = self.next_after(now);
        self.next_after(first).duration_since(first).as_secs() < 60
    }
}

impl Cron {
    fn parse(text: &str) -> Option<Self> {
        let mut fields: Vec<_> = text.split_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        let [seconds, minutes, hours, days, months, weekdays] = fields.as_slice() else { return None };
        Some(Self {
            seconds: field(seconds, 0, 59, &[])?,
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: field(weekdays, 0, 6, &DAYS)?,
        })
    }

    fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let from = Offset::UTC.to_datetime(now.checked_add(Duration::from_secs(1)).ok()?);
        let earliest = Time::constant(from.hour(), from.minute(), from.second(), 0);
        let today = self
            .fits(from.date())
            .then(|| self.first_time(earliest))
            .flatten()
            .map(|time| (from.date(), time));
        let found = today.or_else(|| {
            let mut later = from.date().series(jiff::Span::new().days(1)).skip(1).take(HORIZON_DAYS);
            Some((later.find(|date| self.fits(*date))?, self.first_time(Time::midnight())?))
        });
        let (date, time) = found?;
        Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
    }

    fn fits(&self, date: Date) -> bool {
        self.months.contains(&date.month())
            && self.days.contains(&date.day())
            && self.weekdays.contains(&date.weekday().to_sunday_zero_offset())
    }

    /// The first allowed time of a day, not before `earliest`.
    fn first_time(&self, earliest: Time) -> Option<Time> {
        let (hour, minute, second) = (earliest.hour(), earliest.minute(), earliest.second());
        let first = |values: &BTreeSet<i8>| values.first().copied();
        let not_before = |values: &BTreeSet<i8>, least: i8| values.range(least..).next().copied();
        if self.hours.contains(&hour) {
            if self.minutes.contains(&minute)
                && let Some(second) = not_before(&self.seconds, second)
            {
                return Time::new(hour, minute, second, 0).ok();
            }
            if let Some(minute) = not_before(&self.minutes, minute + 1) {
                return Time::new(hour, minute, first(&self.seconds)?, 0).ok();
            }
        }
        let hour = not_before(&self.hours, hour + 1)?;
        Time::new(hour, first(&self.minutes)?, first(&self.seconds)?, 0).ok()
    }
}

/// One field: a list of `*`, values and ranges, each with an optional step.
fn field(text: &str, least: i8, most: i8, names: &[&str]) -> Option<BTreeSet<i8>> {
    let value = |text: &str| -> Option<i8> {
        let named = names.iter().position(|name| text.to_ascii_lowercase() == *name);
        let number = match named {
            Some(index) => i8::try_from(index).ok()?.checked_add(least)?,
            None => text.parse().ok()?,
        };
        (least..=most).contains(&number).then_some(number)
    };
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step = step.map_or(Some(1), |step| step.parse::<usize>().ok().filter(|step| *step > 0))?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            // A single value with a step runs to the end of the field.
            None if part.contains('/') => (value(range)?, most),
            None => (value(range)?, value(range)?),
        };
        if from > to {
            return None;
        }
        values.extend((from..=to).step_by(step));
    }
    Some(values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_next_occurrence_is_found() {
        let cases = [
            ("0 */5 * * * *", "2022-06-01T22:27:52Z", "2022-06-01T22:30:00Z"),
            ("0 */5 * * * *", "2022-06-01T22:30:00Z", "2022-06-01T22:35:00Z"),
            ("*/10 * * * * *", "2022-06-01T22:59:55Z", "2022-06-01T23:00:00Z"),
            ("0 0 0 1 1 *", "2022-06-01T00:00:00Z", "2023-01-01T00:00:00Z"),
            ("0 30 9 * * MON-FRI", "2022-06-03T10:00:00Z", "2022-06-06T09:30:00Z"),
            ("0 0 9-17/4 * * *", "2022-06-01T13:00:00Z", "2022-06-01T17:00:00Z"),
            ("0 15,45 * * * *", "2022-06-01T22:20:00Z", "2022-06-01T22:45:00Z"),
            ("*/15 * * * *", "2022-06-01T22:20:00Z", "2022-06-01T22:30:00Z"),
            ("0 0 0 29 FEB *", "2022-06-01T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("30 0 0 * * *", "2022-06-01T00:00:29.500Z", "2022-06-01T00:00:30Z"),
            ("00:00:30", "2022-06-01T22:27:52Z", "2022-06-01T22:28:22Z"),
            ("1.00:00:00", "2022-06-01T22:27:52Z", "2022-06-02T22:27:52Z"),
        ];
        for (expression, now, next) in cases {
            let schedule = Schedule::parse(expression).unwrap();
            assert_eq!(
                schedule.next_after(now.parse().unwrap()),
                next.parse::<Timestamp>().unwrap(),
                "{expression}"
            );
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in
            ["", "* * *", "60 * * * * *", "*/0 * * * * *", "0 0 0 0 * *", "9-1 * * * * *", "x * * * * *"]
        {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_that_never_comes_has_no_occurrence() {
        let never = Schedule::parse("0 0 0 31 FEB *").unwrap();
        assert_eq!(never.next_after("2022-06-01T00:00:00Z".parse().unwrap()), Timestamp::MAX);
    }
}
