//! Where a receiver begins: the selector that its source carries.

use super::performative::Failure;
use super::value::Value;
use crate::events::{Bounds, Partition, Position};
use crate::stamp::Stamp;

/// What the service says to a selector it does not take.
const ARGUMENT: &str = "com.microsoft:argument-error";

/// The sequence number at which a receiver with this source begins; without a selector, the oldest event.
///
/// # Errors
/// When the selector is none that an event hub knows, or names a place behind the end (the service's words, known from
/// reports of its users).
pub(crate) fn start(source: &Value, partition: &Partition) -> Result<u64, Failure> {
    let selector = match source.field(7) {
        Value::Map(filters) => filters.iter().find_map(|(_, filter)| filter.bare().as_str()),
        _ => None,
    };
    let Some(selector) = selector else { return Ok(partition.seek(Position::Earliest)) };
    let refused = || Failure::new(ARGUMENT, format!("The selector {selector} is not supported"));
    let parsed = Selector::parse(selector).ok_or_else(refused)?;
    let position = parsed.position(partition.bounds())?.ok_or_else(refused)?;
    Ok(partition.seek(position))
}

/// `amqp.annotation.x-opt-offset > '17'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Selector<'a> {
    annotation: &'a str,
    inclusive: bool,
    value: &'a str,
}

impl<'a> Selector<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let rest = text.trim().strip_prefix("amqp.annotation.")?;
        let (annotation, rest) = rest.split_once('>')?;
        let (inclusive, value) = rest.strip_prefix('=').map_or((false, rest), |rest| (true, rest));
        let value = value.trim();
        let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        Some(Self { annotation: annotation.trim(), inclusive, value: quoted.unwrap_or(value) })
    }

    fn position(self, bounds: Bounds) -> Result<Option<Position>, Failure> {
        let number = self.value.parse::<i64>().ok();
        let after = |number: u64| number.saturating_add(u64::from(!self.inclusive));
        let beyond = |what: &str, last: String| {
            let value = self.value;
            let text = format!(
                "The supplied {what} '{value}' is invalid. The last {what} in the system is '{last}'"
            );
            Failure::new(ARGUMENT, text)
        };
        let last_offset = bounds.last.map(|(offset, _)| offset);
        Ok(match (self.annotation, self.value, number) {
            (_, "@latest", _) => Some(Position::Latest),
            ("x-opt-offset" | "x-opt-sequence-number", _, Some(..0)) => Some(Position::Earliest),
            ("x-opt-offset", _, Some(offset)) => match u64::try_from(offset).unwrap_or_default() {
                offset if last_offset.is_none_or(|last| offset > last) => {
                    let last = last_offset.map_or_else(|| "-1".to_owned(), |last| last.to_string());
                    return Err(beyond("offset", last));
                }
                offset => Some(Position::Offset(after(offset))),
            },
            // The number that the next event will get is where a reader that has read all goes on.
            ("x-opt-sequence-number", _, Some(sequence)) => match u64::try_from(sequence).unwrap_or_default()
            {
                sequence if sequence > bounds.next => {
                    return Err(beyond("sequence number", super::message::last_sequence(bounds).to_string()));
                }
                sequence => Some(Position::Sequence(after(sequence))),
            },
            ("x-opt-enqueued-time", _, Some(milliseconds)) => {
                let at = milliseconds.saturating_add(i64::from(!self.inclusive));
                Some(Position::Time(Stamp::from_milliseconds(at)))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn position(text: &str) -> Result<Option<Position>, Failure> {
        let bounds = Bounds { beginning: 5, next: 10, last: Some((700, Stamp::NEVER)) };
        Selector::parse(text).unwrap().position(bounds)
    }

    #[test]
    fn the_selectors_of_the_official_clients_are_understood() {
        let cases = [
            ("amqp.annotation.x-opt-offset > '-1'", Position::Earliest),
            ("amqp.annotation.x-opt-offset > '@latest'", Position::Latest),
            ("amqp.annotation.x-opt-offset > '700'", Position::Offset(701)),
            ("amqp.annotation.x-opt-offset >= '64'", Position::Offset(64)),
            ("amqp.annotation.x-opt-sequence-number > '9'", Position::Sequence(10)),
            ("amqp.annotation.x-opt-sequence-number >= '10'", Position::Sequence(10)),
            ("amqp.annotation.x-opt-enqueued-time > '1000'", Position::Time(Stamp::from_milliseconds(1001))),
        ];
        for (text, expected) in cases {
            assert_eq!(position(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn a_place_behind_the_end_is_refused_in_the_services_words() {
        let words = position("amqp.annotation.x-opt-sequence-number > '11'").unwrap_err().description;
        assert_eq!(
            words,
            "The supplied sequence number '11' is invalid. The last sequence number in the system is '9'"
        );
        assert!(position("amqp.annotation.x-opt-offset > '701'").is_err());
    }

    #[test]
    fn an_unknown_selector_is_none() {
        assert_eq!(position("amqp.annotation.x-opt-publisher > '1'"), Ok(None));
        assert_eq!(Selector::parse("color = 'red'"), None);
    }
}
