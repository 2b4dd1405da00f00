//! Accounting: what became of every write that a hub accepted, from what both hubs hold in the end. Pure.
//!
//! A write is accounted for on a hub when that hub holds it, or holds what a later write of the same field left there.
//! Later is what was accepted after the other was sent: of two writes that overlap either may win. A removal is a
//! write of everything below its path, a deletion one of everything that the device had. What no answer came to may
//! have had an effect, so it explains what is there; it is owed no account itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::ledger::{Outcome, Section, Write, device_of};

/// A field below its section, by names.
pub(crate) type FieldPath = Vec<String>;

/// One device, or module, as a hub holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Held {
    /// Its primary key.
    pub(crate) key: Option<Value>,
    /// Every value that is no object, by section and path.
    pub(crate) fields: BTreeMap<(Section, FieldPath), Value>,
}

/// Every device of one hub, and every module, as `device/module`.
pub(crate) type Hub = BTreeMap<String, Held>;

/// One line of a loss report: of a field that both hubs changed, or of an identity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loss {
    /// Which device, or `device/module`.
    pub(crate) identity: String,
    /// What of it.
    pub(crate) section: Section,
    /// Which field.
    pub(crate) path: FieldPath,
    /// What was not kept; `null` for nothing.
    pub(crate) values: Vec<Value>,
}

/// What is there in the end.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The primary and the secondary.
    pub(crate) hubs: [Hub; 2],
    /// All loss reports.
    pub(crate) losses: Vec<Loss>,
    /// Devices and modules that are named as pending.
    pub(crate) pending: BTreeSet<String>,
}

impl Evidence {
    /// A module waits for its device as well.
    fn is_pending(&self, identity: &str) -> bool {
        [identity, device_of(identity)].iter().any(|id| self.pending.contains(*id))
    }
}

/// What became of a write; the better the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Both hubs hold it.
    OnBoth,
    /// A later write took its place where it is not.
    Superseded,
    /// A loss report names it.
    Reported,
    /// Its device is pending.
    Pending,
    /// Nothing says where it is.
    Lost,
}

/// What becomes of every accepted write: its index, and the verdict.
pub(crate) fn account(writes: &[Write], evidence: &Evidence) -> Vec<(usize, Verdict)> {
    let mut by_identity: BTreeMap<&str, Vec<(usize, &Write)>> = BTreeMap::new();
    for (index, write) in writes.iter().enumerate() {
        by_identity.entry(&write.change.identity).or_default().push((index, write));
    }
    let mut verdicts: Vec<(usize, Verdict)> = Vec::new();
    for (identity, of_identity) in by_identity {
        let book = Book::new(identity, of_identity.iter().map(|(_, write)| *write).collect(), evidence);
        let with_index = of_identity.iter().zip(&book.writes).map(|((index, _), entry)| (*index, entry));
        let accepted = with_index.filter(|(_, entry)| accepted_at(entry.write).is_some());
        verdicts.extend(accepted.map(|(index, entry)| (index, book.verdict(entry))));
    }
    verdicts.sort_unstable_by_key(|(index, _)| *index);
    verdicts
}

/// What one place (a field, or the identity itself) holds on one hub, and the last moments at which a write that left
/// just that there, and one that a loss report names, were accepted.
struct Place {
    value: Option<Value>,
    explained_until: Option<Duration>,
    reported_until: Option<Duration>,
}

/// A write, and whether a loss report names it.
struct Entry<'a> {
    write: &'a Write,
    reported: bool,
}

/// One device or module: its writes, and what both hubs hold of it.
struct Book<'a> {
    identity: &'a str,
    evidence: &'a Evidence,
    writes: Vec<Entry<'a>>,
    places: BTreeMap<(Section, FieldPath), [Place; 2]>,
}

impl<'a> Book<'a> {
    fn new(identity: &'a str, writes: Vec<&'a Write>, evidence: &'a Evidence) -> Self {
        // What becomes of a device becomes of its modules.
        let is_about = |loss: &&Loss| {
            loss.identity == identity
                || loss.section == Section::Registry && loss.identity == device_of(identity)
        };
        let losses: Vec<&Loss> = evidence.losses.iter().filter(is_about).collect();
        let reported = |write: &Write| losses.iter().any(|loss| names(loss, write));
        let writes = writes.into_iter().map(|write| Entry { write, reported: reported(write) }).collect();
        let mut book = Self { identity, evidence, writes, places: BTreeMap::new() };
        let written = book.writes.iter().map(|entry| &entry.write.change);
        let written = written.map(|change| (change.section, change.path.clone()));
        let held = evidence.hubs.iter().filter_map(|hub| hub.get(identity));
        let held = held.flat_map(|held| held.fields.keys().cloned());
        let names: BTreeSet<(Section, FieldPath)> = written.chain(held).collect();
        book.places = names.into_iter().map(|name| (name.clone(), book.place(&name))).collect();
        book
    }

    fn place(&self, (section, path): &(Section, FieldPath)) -> [Place; 2] {
        let affecting: Vec<&Entry<'_>> =
            self.writes.iter().filter(|entry| affects(entry.write, *section, path)).collect();
        [0, 1].map(|hub| {
            let value = self.held(hub, *section, path);
            let last = |which: &dyn Fn(&Entry<'_>) -> bool| {
                affecting.iter().filter(|entry| which(entry)).map(|entry| ended(entry.write)).max()
            };
            Place {
                explained_until: last(&|entry| value_at(entry.write, *section, path) == value),
                reported_until: last(&|entry| entry.reported),
                value,
            }
        })
    }

    fn held(&self, hub: usize, section: Section, path: &[String]) -> Option<Value> {
        let held = self.evidence.hubs.get(hub)?.get(self.identity)?;
        match section {
            // A device without a key is a device all the same.
            Section::Registry => Some(held.key.clone().unwrap_or_default()),
            _ => held.fields.get(&(section, path.to_vec())).cloned(),
        }
    }

    fn verdict(&self, entry: &Entry<'_>) -> Verdict {
        let write = entry.write;
        let concerned = self.places.iter().filter(|((section, path), _)| affects(write, *section, path));
        let worst = concerned.flat_map(|((section, path), hubs)| {
            let own = value_at(write, *section, path);
            hubs.iter().map(move |place| judged(entry, own.as_ref(), place))
        });
        match worst.max().unwrap_or(Verdict::Lost) {
            Verdict::Lost if self.evidence.is_pending(self.identity) => Verdict::Pending,
            worst => worst,
        }
    }
}

/// One hub's place, seen from one write.
fn judged(entry: &Entry<'_>, own: Option<&Value>, place: &Place) -> Verdict {
    // Newer than this write, or overlapping it.
    let later = |until: Option<Duration>| until.is_some_and(|until| until > entry.write.sent);
    if place.value.as_ref() == own {
        Verdict::OnBoth
    } else if later(place.explained_until) {
        Verdict::Superseded
    } else if entry.reported {
        Verdict::Reported
    } else if later(place.reported_until) {
        // What took its place is named, so this one is accounted for with it.
        Verdict::Superseded
    } else {
        Verdict::Lost
    }
}

/// Whether a place holds the effect of a write, unless a later one took it away.
fn affects(write: &Write, section: Section, path: &[String]) -> bool {
    let change = &write.change;
    match &change.value {
        None if is_deletion(write) => true,
        None => change.section == section && path.starts_with(&change.path),
        Some(_) => change.section == section && change.path == path,
    }
}

/// What a write leaves at a place that it affects.
fn value_at(write: &Write, section: Section, path: &[String]) -> Option<Value> {
    let change = &write.change;
    let here = change.section == section && change.path == path;
    change.value.clone().filter(|_| here)
}

fn is_deletion(write: &Write) -> bool {
    write.change.section == Section::Registry && write.change.value.is_none()
}

/// When a hub said yes to it.
pub(crate) fn accepted_at(write: &Write) -> Option<Duration> {
    match write.outcome {
        Outcome::Accepted(at) => Some(at),
        Outcome::Unanswered | Outcome::Refused => None,
    }
}

/// The latest moment at which it may have had its effect.
fn ended(write: &Write) -> Duration {
    accepted_at(write).unwrap_or(Duration::MAX)
}

/// Whether this line of a loss report is about this write. A line about an object names everything in it.
fn names(loss: &Loss, write: &Write) -> bool {
    let change = &write.change;
    if loss.section != change.section {
        return false;
    }
    if change.section == Section::Registry {
        return true;
    }
    let Some(rest) = change.path.strip_prefix(loss.path.as_slice()) else {
        return change.value.is_none() && loss.path.starts_with(&change.path) && has(loss, &[], None);
    };
    has(loss, rest, change.value.as_ref())
}

fn has(loss: &Loss, rest: &[String], wanted: Option<&Value>) -> bool {
    loss.values.iter().any(|value| {
        let found = rest.iter().try_fold(value, |value, name| value.get(name));
        found.filter(|value| !value.is_null()) == wanted
    })
}

/// What is wrong whatever was written: one line for each identity that only one hub has, whose keys differ, or of which
/// a field differs. Those that are pending are left out.
pub(crate) fn differences(evidence: &Evidence) -> Vec<String> {
    let [primary, secondary] = &evidence.hubs;
    let identities: BTreeSet<&String> = primary.keys().chain(secondary.keys()).collect();
    let mut lines = Vec::new();
    for id in identities.into_iter().filter(|id| !evidence.is_pending(id)) {
        match (primary.get(id), secondary.get(id)) {
            (Some(left), Some(right)) => differ(id, left, right, &mut lines),
            (Some(_), None) => lines.push(format!("{id}: only on the primary")),
            _ => lines.push(format!("{id}: only on the secondary")),
        }
    }
    lines
}

fn differ(id: &str, left: &Held, right: &Held, lines: &mut Vec<String>) {
    if left.key != right.key {
        lines.push(format!("{id}: its keys differ"));
    }
    let names: BTreeSet<&(Section, FieldPath)> = left.fields.keys().chain(right.fields.keys()).collect();
    for name in names {
        let (a, b) = (left.fields.get(name), right.fields.get(name));
        if a != b {
            let field = format!("{id}: {} {}", name.0.name(), name.1.join("."));
            lines.push(format!("{field}: primary {}, secondary {}", shown(a), shown(b)));
        }
    }
}

/// A value, or that there is none.
pub(crate) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "account_of_a_model.rs"]
mod of_a_model;
