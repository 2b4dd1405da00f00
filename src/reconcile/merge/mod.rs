//! Two hubs that both have been written since their roles changed: which of them said last what a member is. Pure.
//!
//! The *origin* is the hub that was active until the two diverged; what is on it, its clients wrote. The other one held
//! copies: a member there is a client's own only when it was written after the roles changed, and not by this program.
//! A value that a client wrote stands against a copy; of two that clients wrote the later one wins, by the hubs' own
//! `$lastUpdated`, and by the events' time where a twin shows none (tags, and what is gone).

mod decided;
mod loss;
mod own;
mod section;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use decided::Decided;
pub use loss::Loss;
pub use own::OwnWrites;
pub(crate) use own::Wrote;
use section::{Own, Said, View, take};

use super::parts::{Scope, without};
use crate::model::{
    Object, Path, Section, SectionWrites, TwinDocument, TwinWrites, diff, in_section, member,
};

/// What one hub says of an identity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    /// What its events said since the two diverged.
    pub(crate) writes: &'a TwinWrites,
    /// The app's own writes there.
    pub(crate) own: &'a OwnWrites,
    /// From when on a member is a client's own; `None`: always, it was active until the two diverged.
    pub(crate) since: Option<Timestamp>,
    /// Up to when what it said has been settled.
    pub(crate) decided: Decided,
}

/// The former active hub's twin, if it can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Former<'a> {
    /// As it is now.
    Twin(&'a TwinDocument),
    /// Only what its events said is known.
    Silent,
}

impl<'a> Former<'a> {
    /// Its twin, where that can be read.
    pub(crate) fn twin(self) -> Option<&'a TwinDocument> {
        match self {
            Self::Twin(twin) => Some(twin),
            Self::Silent => None,
        }
    }
}

/// What to write to the active hub, and what was lost on either side.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Merge {
    /// Merge patch of tags.
    pub(crate) tags: Object,
    /// Merge patch of desired.
    pub(crate) desired: Object,
    /// Merge patch of reported.
    pub(crate) reported: Object,
    /// Both values, wherever two met that clients wrote.
    pub(crate) losses: Vec<Loss>,
}

/// What is decided of one section.
#[derive(Debug, Default)]
struct Outcome {
    /// What the active hub shall have.
    wanted: Object,
    patch: Object,
    losses: Vec<Loss>,
}

impl Merge {
    /// What is lost where nothing of it is written.
    pub(crate) fn given_up(&self, active: &TwinDocument) -> Vec<Loss> {
        [
            Loss::of_patch("tags", &self.tags, &active.tags),
            Loss::of_patch("desired", &self.desired, &active.desired.values),
            Loss::of_patch("reported", &self.reported, &active.reported.values),
        ]
        .concat()
    }

    /// Without what it says of the members at `paths`, from the twin's root, and of their parts.
    pub(crate) fn without(mut self, paths: &[Path]) -> Self {
        let sections =
            [("tags", &mut self.tags), ("desired", &mut self.desired), ("reported", &mut self.reported)];
        for (name, patch) in sections {
            let below = paths.iter().filter_map(|path| in_section(path)).filter(|(of, _)| *of == name);
            let below: Vec<Path> = below.map(|(_, rest)| rest.to_vec()).collect();
            *patch = without(Scope::Twin, std::mem::take(patch), &below);
        }
        self
    }

    /// Those of `paths`, from the twin's root, of which it says something.
    pub(crate) fn at(&self, paths: &[Path]) -> Vec<Path> {
        let says = |path: &&Path| {
            let Some((section, rest)) = in_section(path) else { return false };
            let patch = match section {
                "tags" => &self.tags,
                "desired" => &self.desired,
                _ => &self.reported,
            };
            member(patch, rest).is_some()
        };
        paths.iter().filter(says).cloned().collect()
    }

    /// Whether it writes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.desired.is_empty() && self.reported.is_empty()
    }

    /// What it writes to the active hub's twin.
    pub(crate) fn writes(&self, active: &TwinDocument) -> TwinWrites {
        TwinWrites {
            tags: SectionWrites::from_patch_of(&active.tags, &self.tags),
            desired: SectionWrites::from_patch_of(&active.desired.values, &self.desired),
            reported: SectionWrites::from_patch_of(&active.reported.values, &self.reported),
        }
    }
}

/// Brings what the former active hub's clients wrote to the active one.
pub(crate) fn merge(
    former_twin: Former<'_>,
    former: Side<'_>,
    active_twin: &TwinDocument,
    active: Side<'_>,
) -> Merge {
    let former_twin = former_twin.twin();
    let tags = tags(former_twin, former, active_twin, active);
    let desired = properties("desired", former_twin, former, active_twin, active);
    let reported = properties("reported", former_twin, former, active_twin, active);
    Merge {
        tags: tags.patch,
        desired: desired.patch,
        reported: reported.patch,
        losses: [tags.losses, desired.losses, reported.losses].concat(),
    }
}

/// Tags show no times: of the former hub's only what was heard counts, as long as they say so there, and of ours the
/// app's own are known by their values.
fn tags(
    former_twin: Option<&TwinDocument>,
    former: Side<'_>,
    active_twin: &TwinDocument,
    active: Side<'_>,
) -> Outcome {
    let now = &active_twin.tags;
    let stands = |path: &[String]| {
        former_twin.is_none_or(|twin| {
            former.writes.tags.says(path, member(&twin.tags, path))
                || former.own.left_tag(reached(&twin.tags, path), &twin.tags)
        })
    };
    let said = former.writes.tags.only(|path| prefixes(path).any(stands));
    let mut there = written(now, &said);
    there.retain(|name, _| !was_left_out(name, &said, former.writes, former_twin));
    let theirs = view("tags", there, None, former);
    let ours = view("tags", before_ours(now, active), None, active);
    Meeting { name: "tags", theirs, ours, now }.settle()
}

fn properties(
    name: &'static str,
    former_twin: Option<&TwinDocument>,
    former: Side<'_>,
    active_twin: &TwinDocument,
    active: Side<'_>,
) -> Outcome {
    let here = section(active_twin, name);
    let there = former_twin.map(|twin| section(twin, name));
    let writes = former.writes.section(name);
    let theirs = there.map_or_else(|| written(&here.values, writes), |there| there.values.clone());
    let theirs = view(name, theirs, there, former);
    let ours = view(name, here.values.clone(), Some(here), active);
    let (theirs, ours) = (theirs.without_what_was_removed(), ours.without_what_was_removed());
    Meeting { name, theirs, ours, now: &here.values }.settle()
}

fn view<'a>(name: &str, values: Object, shown: Option<&'a Section>, side: Side<'a>) -> View<'a> {
    let (own, decided) = match name {
        "tags" => (Own::Tags, side.decided.tags),
        "desired" => (Own::Desired(side.own), side.decided.desired),
        _ => (Own::Reported(side.own), side.decided.reported),
    };
    View { values, shown, writes: side.writes.section(name), own, since: side.since, decided }
}

fn section<'a>(twin: &'a TwinDocument, name: &str) -> &'a Section {
    if name == "desired" { &twin.desired } else { &twin.reported }
}

fn written(document: &Object, writes: &SectionWrites) -> Object {
    let mut document = document.clone();
    writes.apply_to(&mut document);
    document
}

/// Tags as the active hub's clients left them: what this program overwrote before it was heard is there again.
fn before_ours(now: &Object, active: Side<'_>) -> Object {
    let writes = &active.writes.tags;
    let overwritten = |path: &[String]| {
        !writes.says(path, member(now, path)) && active.own.left_tag(reached(now, path), now)
    };
    let is_of_one = |path: &Path| prefixes(path).any(overwritten);
    let mut before = written(now, &writes.only(is_of_one));
    // Who writes an object anew says what is in it, and by that of all else that it is gone.
    let is_gone = |path: &&Path| writes.says(path, None) && overwritten(path);
    active.own.written_tags().filter(is_gone).for_each(|path| take(&mut before, path));
    before
}

/// Whether a tag is gone on the former hub because all of them were written anew without it.
fn was_left_out(
    name: &String,
    said: &SectionWrites,
    writes: &TwinWrites,
    former_twin: Option<&TwinDocument>,
) -> bool {
    let path = std::slice::from_ref(name);
    let is_there = former_twin.is_some_and(|twin| twin.tags.contains_key(name));
    !is_there && !said.decides(path) && writes.tags.says(path, None)
}

/// As far along `path` as there are objects on the way.
fn reached<'p>(document: &Object, path: &'p [String]) -> &'p [String] {
    let is_object = |path: &[String]| member(document, path).is_some_and(Value::is_object);
    prefixes(path).find(|prefix| !is_object(prefix)).unwrap_or(path)
}

/// What `path` is part of, from the top, and itself.
fn prefixes(path: &[String]) -> impl Iterator<Item = &[String]> {
    (1..=path.len()).filter_map(|length| path.get(..length))
}

/// One section of both hubs.
struct Meeting<'a> {
    name: &'static str,
    theirs: View<'a>,
    ours: View<'a>,
    now: &'a Object,
}

impl Meeting<'_> {
    fn settle(&self) -> Outcome {
        let mut outcome = Outcome { wanted: self.ours.values.clone(), ..Outcome::default() };
        self.decide(&mut Path::new(), Some(&self.theirs.values), Some(&self.ours.values), &mut outcome);
        outcome.patch = diff(self.now, &outcome.wanted);
        outcome
    }

    /// Decides what differs, as deep as there are objects. Of an object that is on one hub alone, some members may be newer
    /// than what took it away, and others not.
    fn decide(&self, path: &mut Path, theirs: Option<&Object>, ours: Option<&Object>, outcome: &mut Outcome) {
        let names: BTreeSet<&String> = theirs.into_iter().chain(ours).flat_map(Object::keys).collect();
        for name in names {
            let of = |members: Option<&'_ Object>| members.and_then(|members| members.get(name)).cloned();
            let (theirs, ours) = (of(theirs), of(ours));
            path.push(name.clone());
            match (parts(theirs.as_ref()), parts(ours.as_ref())) {
                _ if theirs == ours => {}
                (Some(their_parts), Some(our_parts)) if !their_parts.is_empty() || !our_parts.is_empty() => {
                    self.decide(path, Some(&their_parts), Some(&our_parts), outcome);
                    let is_empty = member(&outcome.wanted, path).is_some_and(|left| *left == json!({}));
                    if theirs.is_none() && is_empty {
                        put(&mut outcome.wanted, path, None);
                    }
                }
                _ => self.decide_whole(path, outcome),
            }
            path.pop();
        }
    }

    fn decide_whole(&self, path: &[String], outcome: &mut Outcome) {
        let (theirs, ours) = (self.theirs.said(path), self.ours.said(path));
        // What differs since, clients did here; unless it is seen only now that they had done something before.
        let is_as_left = member(&self.ours.values, path) == member(self.now, path);
        if theirs.is_some_and(|theirs| theirs.is_decided) && is_as_left {
            return;
        }
        let is_theirs = self.is_theirs(path, theirs, ours);
        outcome.losses.extend(self.loss(path, is_theirs, theirs, ours));
        if is_theirs {
            put(&mut outcome.wanted, path, member(&self.theirs.values, path));
        }
    }

    /// Whether the former hub's value is kept.
    fn is_theirs(&self, path: &[String], theirs: Option<Said>, ours: Option<Said>) -> bool {
        let is_there = member(&self.theirs.values, path).is_some();
        match (theirs, ours) {
            (Some(theirs), Some(ours)) => theirs.at.zip(ours.at).is_some_and(|(theirs, ours)| theirs > ours),
            (None, Some(_)) => false,
            (Some(theirs), None) => !self.was_removed_here(path, theirs.at),
            // The copy is there, and what it was copied from is gone.
            (None, None) => !is_there && self.theirs.shown.is_some() && self.theirs.since.is_none(),
        }
    }

    /// A member that was there before the two diverged had been copied: if it is gone, a client took it away, also where
    /// events do not say so.
    fn was_removed_here(&self, path: &[String], at: Option<Timestamp>) -> bool {
        let is_old = at.zip(self.ours.since).is_some_and(|(at, since)| at < since);
        let is_gone = member(&self.ours.values, path).is_none();
        is_gone
            && is_old
            && self.theirs.writes.written_at(path).is_none()
            && self.ours.client_touched_parent(path)
    }

    /// What is lost with this decision, when both values were clients' and neither had seen the other.
    fn loss(
        &self,
        path: &[String],
        is_theirs: bool,
        theirs: Option<Said>,
        ours: Option<Said>,
    ) -> Option<Loss> {
        let (theirs, ours) = (theirs?, ours?);
        // A device is one writer: what it wrote later took the place of what it wrote before, wherever that was.
        let is_superseded =
            self.name == "reported" && theirs.at.zip(ours.at).is_some_and(|(theirs, ours)| theirs != ours);
        if is_superseded {
            return None;
        }
        let diverged = self.theirs.since.or(self.ours.since);
        let unseen = self.theirs.writes.written_at(path).is_some()
            || theirs.at.zip(diverged).is_none_or(|(at, diverged)| at >= diverged);
        if !is_theirs && !unseen {
            return None;
        }
        Some(Loss {
            section: self.name.to_owned(),
            path: path.to_vec(),
            active: member(&self.ours.values, path).cloned().unwrap_or_default(),
            former_active: member(&self.theirs.values, path).cloned().unwrap_or_default(),
            kept: if is_theirs { "former-active" } else { "active" }.to_owned(),
        })
    }
}

/// The members of an object, or of nothing; `None` of any other value.
fn parts(value: Option<&Value>) -> Option<Object> {
    value.map_or_else(|| Some(Object::new()), |value| value.as_object().cloned())
}

/// Makes the member at `path` this value, or takes it away.
fn put(document: &mut Object, path: &[String], value: Option<&Value>) {
    let Some(value) = value else { return take(document, path) };
    match path {
        [] => {}
        [name] => drop(document.insert(name.clone(), value.clone())),
        [name, rest @ ..] => {
            let inner = document.entry(name.clone()).or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, Some(value));
            }
        }
    }
}

#[cfg(test)]
mod tests;
