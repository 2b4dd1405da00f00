//! Two hubs that both have been written since their roles changed: which of them said last what a member is. Pure.
//!
//! The *origin* is the hub that was active until the two diverged; what is on it, its clients wrote. The other one held
//! copies: a member there is a client's own only when it was written after the roles changed, and not by this program.
//! A value that a client wrote stands against a copy; of two that clients wrote the later one wins, by the hubs' own
//! `$lastUpdated`, and by the events' time where a twin shows none (tags, and what is gone).

mod loss;
mod own;
mod section;

use jiff::Timestamp;
use serde_json::Value;

pub use loss::Loss;
pub use own::OwnWrites;
pub(crate) use own::Wrote;
use section::{Own, View};

use crate::model::{Object, Path, Section, SectionWrites, TwinDocument, TwinWrites, diff, member};

/// What one hub says of an identity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    /// What its events said since the two diverged.
    pub(crate) writes: &'a TwinWrites,
    /// The app's own writes there.
    pub(crate) own: &'a OwnWrites,
    /// From when on a member is a client's own; `None`: always, it was active until the two diverged.
    pub(crate) since: Option<Timestamp>,
}

/// The former active hub's twin, if it can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Former<'a> {
    /// As it is now.
    Twin(&'a TwinDocument),
    /// Only what its events said is known.
    Silent,
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
    /// What of this is the former hub's, and when it was written there.
    pub(crate) brought: TwinWrites,
    /// Both values, wherever two met that clients wrote.
    pub(crate) losses: Vec<Loss>,
}

/// What is decided of one section.
#[derive(Debug, Default)]
struct Decided {
    /// What the active hub shall have.
    wanted: Object,
    patch: Object,
    brought: SectionWrites,
    losses: Vec<Loss>,
}

impl Merge {
    /// What is lost where nothing of it is written.
    pub(crate) fn given_up(self, active: &TwinDocument) -> Vec<Loss> {
        let values = [&active.tags, &active.desired.values, &active.reported.values];
        let patches = [("tags", self.tags), ("desired", self.desired), ("reported", self.reported)];
        let losses = patches.into_iter().zip(values).flat_map(|((section, patch), values)| {
            patch.into_iter().map(move |(name, value)| Loss {
                section: section.to_owned(),
                active: values.get(&name).cloned().unwrap_or_default(),
                path: vec![name],
                former_active: value,
                kept: "active".to_owned(),
            })
        });
        losses.collect()
    }

    /// What it writes.
    pub(crate) fn writes(&self) -> TwinWrites {
        let section = |patch| SectionWrites::from_patch(patch, None);
        TwinWrites {
            tags: section(&self.tags),
            desired: section(&self.desired),
            reported: section(&self.reported),
        }
    }
}

/// Brings what the former active hub's clients wrote to the active one. `cut` is when the roles began to change: what
/// was written there later, nobody on the active hub has seen.
pub(crate) fn merge(
    former_twin: Former<'_>,
    former: Side<'_>,
    active_twin: &TwinDocument,
    active: Side<'_>,
    cut: Option<Timestamp>,
) -> Merge {
    let mut merged = Merge::default();
    let of = |twin: &TwinDocument| twin.clone();
    let former_twin = match former_twin {
        Former::Twin(twin) => Some(of(twin)),
        Former::Silent => None,
    };
    let former_twin = former_twin.as_ref();
    let tags = tags(former_twin, former, active_twin, active, cut);
    let desired = properties("desired", former_twin, former, active_twin, active, cut);
    let reported = properties("reported", former_twin, former, active_twin, active, cut);
    merged.brought = TwinWrites { tags: tags.brought, desired: desired.brought, reported: reported.brought };
    (merged.tags, merged.desired, merged.reported) = (tags.patch, desired.patch, reported.patch);
    merged.losses = [tags.losses, desired.losses, reported.losses].concat();
    merged
}

fn tags(
    former_twin: Option<&TwinDocument>,
    former: Side<'_>,
    active_twin: &TwinDocument,
    active: Side<'_>,
    cut: Option<Timestamp>,
) -> Decided {
    let now = &active_twin.tags;
    let theirs = View {
        values: former_twin.map_or_else(|| written(now, &former.writes.tags), |twin| twin.tags.clone()),
        times: None,
        writes: &former.writes.tags,
        own: Own::Tags(former.own),
        since: former.since,
    };
    let ours = View {
        values: before_ours(now, &former.writes.tags, &active.writes.tags),
        times: None,
        writes: &active.writes.tags,
        own: Own::Tags(active.own),
        since: active.since,
    };
    Meeting { name: "tags", theirs, ours, now, is_readable: former_twin.is_some(), cut }.settle()
}

fn properties(
    name: &'static str,
    former_twin: Option<&TwinDocument>,
    former: Side<'_>,
    active_twin: &TwinDocument,
    active: Side<'_>,
    cut: Option<Timestamp>,
) -> Decided {
    let now = &section(active_twin, name).values;
    let writes = section_writes(former.writes, name);
    let theirs = View {
        values: former_twin.map_or_else(|| written(now, writes), |twin| section(twin, name).values.clone()),
        times: former_twin
            .map(|twin| section(twin, name))
            .map(|section| (&section.metadata, section.version)),
        writes,
        own: own(former.own, name),
        since: former.since,
    };
    let it = section(active_twin, name);
    let mut ours = View {
        values: now.clone(),
        times: Some((&it.metadata, it.version)),
        writes: section_writes(active.writes, name),
        own: own(active.own, name),
        since: active.since,
    };
    // What clients took away and is there by no client's doing was brought over before their event was heard.
    let brought_back = |path: &Path| member(now, path).is_some() && ours.client_wrote(path).is_none();
    let removed = ours.writes.removals().only(brought_back);
    removed.apply_to(&mut ours.values);
    Meeting { name, theirs, ours, now, is_readable: former_twin.is_some(), cut }.settle()
}

fn section<'a>(twin: &'a TwinDocument, name: &str) -> &'a Section {
    if name == "desired" { &twin.desired } else { &twin.reported }
}

fn section_writes<'a>(writes: &'a TwinWrites, name: &str) -> &'a SectionWrites {
    if name == "desired" { &writes.desired } else { &writes.reported }
}

fn own<'a>(own: &'a OwnWrites, name: &str) -> Own<'a> {
    if name == "desired" { Own::Desired(own) } else { Own::Reported(own) }
}

fn written(document: &Object, writes: &SectionWrites) -> Object {
    let mut document = document.clone();
    writes.apply_to(&mut document);
    document
}

/// Tags as the active hub's clients left them: where they say by now what the former hub said, it was this program that
/// brought it over, perhaps before the event of a client's own write was heard.
fn before_ours(now: &Object, former: &SectionWrites, active: &SectionWrites) -> Object {
    let mut document = now.clone();
    let overwritten = |path: &Path| {
        let value = member(now, path);
        former.says(path, value) && !active.says(path, value)
    };
    active.only(overwritten).apply_to(&mut document);
    document
}

/// One section of both hubs.
struct Meeting<'a> {
    name: &'static str,
    theirs: View<'a>,
    ours: View<'a>,
    now: &'a Object,
    is_readable: bool,
    cut: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Active,
    Former,
}

impl Meeting<'_> {
    fn settle(&self) -> Decided {
        let mut decided = Decided { wanted: self.ours.values.clone(), ..Decided::default() };
        for path in differences(&self.theirs.values, &self.ours.values) {
            self.decide(path, &mut decided);
        }
        decided.patch = diff(self.now, &decided.wanted);
        decided
    }

    fn decide(&self, path: Path, decided: &mut Decided) {
        let (theirs, ours) = (self.theirs.client_wrote(&path), self.ours.client_wrote(&path));
        // Of an object that is on one hub alone, some members may be newer than what took it away, and others not.
        let parts = match (member(&self.theirs.values, &path), member(&self.ours.values, &path)) {
            (Some(Value::Object(members)), None) | (None, Some(Value::Object(members)))
                if ours.is_some() && !members.is_empty() =>
            {
                members
            }
            _ => return self.decide_whole(&path, theirs, ours, decided),
        };
        for name in parts.keys() {
            let mut part = path.clone();
            part.push(name.clone());
            self.decide(part, decided);
        }
        let is_empty =
            member(&decided.wanted, &path).and_then(Value::as_object).is_some_and(Object::is_empty);
        if is_empty && member(&self.theirs.values, &path).is_none() {
            put(&mut decided.wanted, &path, None);
        }
    }

    fn decide_whole(
        &self,
        path: &[String],
        theirs: Option<Option<Timestamp>>,
        ours: Option<Option<Timestamp>>,
        decided: &mut Decided,
    ) {
        let kept = self.kept(path, theirs, ours);
        decided.losses.extend(self.loss(path, kept, theirs, ours));
        if kept == Kept::Former {
            let theirs_is = member(&self.theirs.values, path);
            put(&mut decided.wanted, path, theirs_is);
            let mut brought = Object::new();
            put(&mut brought, path, Some(&theirs_is.cloned().unwrap_or_default()));
            decided.brought.fold(SectionWrites::from_patch(&brought, theirs.flatten()));
        }
    }

    fn kept(
        &self,
        path: &[String],
        theirs: Option<Option<Timestamp>>,
        ours: Option<Option<Timestamp>>,
    ) -> Kept {
        let gone_here = member(&self.ours.values, path).is_none();
        match (theirs, ours) {
            (Some(Some(theirs)), Some(Some(ours))) if theirs > ours => Kept::Former,
            // Written again there after it had been brought here: the later of two of which one has no time.
            (Some(Some(theirs)), Some(None))
                if self.ours.brought_at(path).is_some_and(|brought| theirs > brought) =>
            {
                Kept::Former
            }
            (Some(_), Some(_)) | (None, Some(_)) => Kept::Active,
            (Some(at), None) if gone_here && self.was_removed_here(path, at) => Kept::Active,
            (Some(_), None) => Kept::Former,
            (None, None) => match member(&self.theirs.values, path) {
                // The copy is there, and what it was copied from is gone.
                None if self.is_readable && self.ours.times.is_some() && self.theirs.since.is_none() => {
                    Kept::Former
                }
                _ => Kept::Active,
            },
        }
    }

    /// A member that was there before the cut had been copied: if it is gone, a client took it away, also where events
    /// do not say so.
    fn was_removed_here(&self, path: &[String], at: Option<Timestamp>) -> bool {
        let is_old = at.zip(self.cut).is_some_and(|(at, cut)| at < cut);
        is_old && self.theirs.writes.written_at(path).is_none() && self.ours.client_touched_parent(path)
    }

    /// What is lost with this decision, when both values were clients' and neither had seen the other.
    fn loss(
        &self,
        path: &[String],
        kept: Kept,
        theirs: Option<Option<Timestamp>>,
        ours: Option<Option<Timestamp>>,
    ) -> Option<Loss> {
        let (theirs, ours) = (theirs?, ours?);
        // A device is one writer: what it wrote later took the place of what it wrote before, wherever that was.
        let is_superseded =
            self.name == "reported" && theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours);
        if is_superseded {
            return None;
        }
        // A removal that is heard only after the value was brought here had not seen it.
        let was_brought = member(&self.ours.values, path).is_none() && self.ours.brought_at(path).is_some();
        let unseen = self.theirs.writes.written_at(path).is_some()
            || was_brought
            || theirs.zip(self.cut).is_none_or(|(theirs, cut)| theirs >= cut);
        if kept == Kept::Active && !unseen {
            return None;
        }
        Some(Loss {
            section: self.name.to_owned(),
            path: path.to_vec(),
            active: member(&self.ours.values, path).cloned().unwrap_or_default(),
            former_active: member(&self.theirs.values, path).cloned().unwrap_or_default(),
            kept: if kept == Kept::Active { "active" } else { "former-active" }.to_owned(),
        })
    }
}

/// Where two documents differ, as deep as both have objects.
fn differences(one: &Object, other: &Object) -> Vec<Path> {
    let mut found = Vec::new();
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    for name in names {
        match (one.get(name), other.get(name)) {
            (one, other) if one == other => {}
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                found.extend(differences(one, other).into_iter().map(|mut path| {
                    path.insert(0, name.clone());
                    path
                }));
            }
            _ => found.push(vec![name.clone()]),
        }
    }
    found
}

/// Makes the member at `path` this value, or takes it away.
fn put(document: &mut Object, path: &[String], value: Option<&Value>) {
    match (path.split_first(), value) {
        (None, _) => {}
        (Some((name, [])), None) => {
            document.remove(name);
        }
        (Some((name, [])), Some(value)) => {
            document.insert(name.clone(), value.clone());
        }
        (Some((name, rest)), value) => {
            let inner = document.entry(name.clone()).or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
