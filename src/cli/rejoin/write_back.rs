//! What the end of a rejoining would write to the former active hub, as both hubs are now.
//!
//! Members are named and values are not: a twin may hold what should not be on a screen.

use std::fmt;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use serde_json::Value;

use crate::cli::members::names;
use crate::iothub::{Deadline, HubClient, HubErrorKind};
use crate::model::{IdentityId, Object, SectionWrites, TwinDocument, diff};
use crate::routing::{HubRole, Hubs};

/// For one twin.
const CALL: Duration = Duration::from_secs(10);

/// Identities read at a time.
const AT_ONCE: usize = 8;

/// What a twin shows of the registry entry. Keys it does not show.
const OF_THE_REGISTRY: [&str; 4] = ["status", "statusReason", "authenticationType", "capabilities"];

/// What would happen to one identity on the former active hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing: both hubs say the same.
    Nothing,
    /// It is made.
    Create,
    /// It is removed, as the active hub announced.
    Delete,
    /// It stays, though the active hub lacks it: nobody announced that it was deleted.
    Stays,
    /// Members are written, by section.
    Write(Vec<String>),
    /// A hub gave no answer.
    NotRead(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("equal"),
            Self::Create => f.write_str("create"),
            Self::Delete => f.write_str("delete"),
            Self::Stays => {
                f.write_str("stays: only the former active hub has it, and no deletion was announced")
            }
            Self::Write(sections) => f.write_str(&sections.join("; ")),
            Self::NotRead(why) => write!(f, "not read: {why}"),
        }
    }
}

/// Reads these from both hubs and says of each what would be written, in their order.
pub(super) fn changes<'a>(
    hubs: &'a Hubs,
    active: HubRole,
    listed: impl IntoIterator<Item = (&'a IdentityId, &'a bool)> + 'a,
) -> impl Stream<Item = (&'a IdentityId, Change)> {
    let one = move |(id, deleted): (&'a IdentityId, &'a bool)| async move {
        let (of_active, of_former) = tokio::join!(
            twin(hubs.get(active), active, id),
            twin(hubs.get(active.other()), active.other(), id)
        );
        let change = match (of_active, of_former) {
            (Ok(of_active), Ok(of_former)) => change(of_active.as_ref(), of_former.as_ref(), *deleted),
            (Err(why), _) | (_, Err(why)) => Change::NotRead(why),
        };
        (id, change)
    };
    futures::stream::iter(listed).map(one).buffered(AT_ONCE)
}

async fn twin(hub: &HubClient, role: HubRole, id: &IdentityId) -> Result<Option<TwinDocument>, String> {
    match hub.twin(id, Deadline::after(CALL)).await {
        Ok(twin) => Ok(Some(twin)),
        Err(error) if error.kind == HubErrorKind::Absent => Ok(None),
        Err(error) => Err(format!("the {role} hub: {error}")),
    }
}

fn change(active: Option<&TwinDocument>, former: Option<&TwinDocument>, deleted: bool) -> Change {
    match (active, former) {
        (None, None) => Change::Nothing,
        (Some(_), None) => Change::Create,
        (None, Some(_)) if deleted => Change::Delete,
        (None, Some(_)) => Change::Stays,
        (Some(active), Some(former)) => match sections(active, former) {
            sections if sections.is_empty() => Change::Nothing,
            sections => Change::Write(sections),
        },
    }
}

fn sections(active: &TwinDocument, former: &TwinDocument) -> Vec<String> {
    let pairs = [
        ("registry", registry(former), registry(active)),
        ("tags", former.tags.clone(), active.tags.clone()),
        ("desired", former.desired.values.clone(), active.desired.values.clone()),
        ("reported", former.reported.values.clone(), active.reported.values.clone()),
    ];
    let named = pairs.iter().map(|(name, from, to)| (name, differing(from, to)));
    named.filter(|(_, names)| !names.is_empty()).map(|(name, names)| format!("{name} {names}")).collect()
}

/// Without nulls and empty texts, which hubs write or leave out at will.
fn registry(twin: &TwinDocument) -> Object {
    let says = |value: &Value| !value.is_null() && value.as_str() != Some("");
    let shown =
        twin.other.iter().filter(|(name, value)| OF_THE_REGISTRY.contains(&name.as_str()) && says(value));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn differing(from: &Object, to: &Object) -> String {
    names(&SectionWrites::from_patch(&diff(from, to), None))
}

/// How many of what, in one line.
#[derive(Debug, Default)]
pub(super) struct Sum {
    counts: [usize; 6],
}

impl Sum {
    const WORDS: [&str; 6] =
        ["equal already", "to create", "to delete", "that stay", "to write", "that could not be read"];

    /// Counts one.
    pub(super) fn add(&mut self, change: &Change) {
        let at = match change {
            Change::Nothing => 0,
            Change::Create => 1,
            Change::Delete => 2,
            Change::Stays => 3,
            Change::Write(_) => 4,
            Change::NotRead(_) => 5,
        };
        self.counts.iter_mut().skip(at).take(1).for_each(|count| *count += 1);
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.counts.iter().zip(Self::WORDS).filter(|(count, _)| **count > 0);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        write!(f, "{} looked at: {}", self.counts.iter().sum::<usize>(), parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn twin(status: &str, tags: Value, desired: Value, reported: Value) -> TwinDocument {
        let document = json!({"etag": "AAAA", "status": status, "version": 3, "tags": tags,
            "properties": {"desired": desired, "reported": reported}});
        TwinDocument::from_json(document.as_object().cloned().unwrap()).unwrap()
    }

    #[test]
    fn members_are_named_and_their_values_are_not() {
        let former = twin("enabled", json!({"a": {"b": "hush", "c": 1}}), json!({"key": "hush"}), json!({}));
        let active =
            twin("disabled", json!({"a": {"b": "secret", "c": 1}}), json!({}), json!({"fw": "secret"}));
        let change = change(Some(&active), Some(&former), false);
        assert_eq!(change.to_string(), "registry status; tags a.b; desired -key; reported fw");
    }

    #[test]
    fn versions_and_times_of_the_hub_are_no_difference() {
        let one = twin("enabled", json!({}), json!({"n": 1, "$version": 3}), json!({"$version": 9}));
        let other = twin("enabled", json!({}), json!({"n": 1, "$version": 8}), json!({"$version": 1}));
        assert_eq!(change(Some(&one), Some(&other), true), Change::Nothing);
    }

    #[test]
    fn what_only_the_former_hub_has_goes_only_when_that_was_announced() {
        let one = twin("enabled", json!({}), json!({}), json!({}));
        assert_eq!(change(None, Some(&one), true), Change::Delete);
        assert_eq!(change(None, Some(&one), false), Change::Stays);
        assert_eq!(change(Some(&one), None, true), Change::Create);
        assert_eq!(change(None, None, true), Change::Nothing);
    }

    #[test]
    fn the_sum_says_how_many_of_each_kind() {
        let mut sum = Sum::default();
        for change in [Change::Create, Change::Nothing, Change::Create, Change::NotRead("down".to_owned())] {
            sum.add(&change);
        }
        assert_eq!(sum.to_string(), "4 looked at: 1 equal already, 2 to create, 1 that could not be read");
    }
}
