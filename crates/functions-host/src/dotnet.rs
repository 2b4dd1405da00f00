//! How .NET writes times and time spans, where that is visible on the wire.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::Offset;

/// Nanoseconds in one .NET tick.
const TICK: i32 = 100;

/// `2022-06-01T22:27:50.329`: UTC without a zone, trailing zeros of the fraction dropped.
pub(crate) fn date_time(at: Timestamp) -> String {
    let whole = seconds(at);
    let ticks = Offset::UTC.to_datetime(at).subsec_nanosecond() / TICK;
    if ticks == 0 {
        return whole;
    }
    format!("{whole}.{}", format!("{ticks:07}").trim_end_matches('0'))
}

/// `2022-06-01T22:27:50`: what is left of a date that went through `Parse(ToString())`.
pub(crate) fn seconds(at: Timestamp) -> String {
    Offset::UTC.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A date in a JSON text as Json.NET writes it back after having recognised it: the fraction loses its trailing
/// zeros and everything beyond seven digits. `None` when the text is not such a date.
pub(crate) fn reparsed_date(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 19 || bytes.get(4) != Some(&b'-') || bytes.get(10) != Some(&b'T') {
        return None;
    }
    let utc = text.strip_suffix('Z');
    let civil: jiff::civil::DateTime = utc.unwrap_or(text).parse().ok()?;
    let at = Offset::UTC.to_timestamp(civil).ok()?;
    Some(format!("{}{}", date_time(at), if utc.is_some() { "Z" } else { "" }))
}

/// Parses a .NET `TimeSpan`: `hh:mm:ss`, `d.hh:mm:ss`, with an optional fraction of a second.
pub(crate) fn time_span(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once(':')?.0.split_once('.') {
        Some((days, _)) => (days.parse::<u64>().ok()?, text.split_once('.')?.1),
        None => (0, text),
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds: f64 = seconds.parse().ok()?;
    let in_range = hours < 24 && minutes < 60 && (0.0..60.0).contains(&seconds) && parts.next().is_none();
    let whole = Duration::from_secs(days * 86_400 + hours * 3_600 + minutes * 60);
    in_range.then(|| whole + Duration::from_secs_f64(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fractions_lose_their_trailing_zeros() {
        let cases = [
            ("2022-06-01T22:27:50.329Z", "2022-06-01T22:27:50.329"),
            ("2022-06-01T22:27:50.100Z", "2022-06-01T22:27:50.1"),
            ("2022-06-01T22:27:50Z", "2022-06-01T22:27:50"),
            ("2022-06-01T22:27:50.1234567Z", "2022-06-01T22:27:50.1234567"),
        ];
        for (given, written) in cases {
            assert_eq!(date_time(given.parse().unwrap()), written);
        }
    }

    #[test]
    fn dates_in_bodies_are_written_back_shorter() {
        let cases = [
            ("2022-06-01T22:27:51.1000000Z", Some("2022-06-01T22:27:51.1Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("2022-06-01T22:27:50.2612586Z", Some("2022-06-01T22:27:50.2612586Z")),
            ("2022-06-01", None),
            ("a text of more than nineteen bytes", None),
        ];
        for (given, written) in cases {
            assert_eq!(reparsed_date(given).as_deref(), written);
        }
    }

    #[test]
    fn time_spans_are_read_as_dotnet_reads_them() {
        assert_eq!(time_span("00:10:00"), Some(Duration::from_secs(600)));
        assert_eq!(time_span("1.02:03:04"), Some(Duration::from_secs(93_784)));
        assert_eq!(time_span("00:00:00.5"), Some(Duration::from_millis(500)));
        assert_eq!(time_span("25:00:00"), None);
        assert_eq!(time_span("ten minutes"), None);
    }
}
