//! One process of the app: what it does to the identity, step by step, each of which may be the last.

use super::hub::time;
use super::world::{Phase, World};
use crate::model::{Object, TwinDocument, TwinWrites, diff};
use crate::pending::note::PendingNote;
use crate::pending::settle::twin_patch;
use crate::pending::slot::{Heard, Position};
use crate::pending::terms::{Said, Terms};
use crate::reconcile::{Former, Merge, OwnWrites, Reason, Wrote};
use crate::routing::HubRole;
use serde_json::Value;

/// What it is about to do.
#[derive(Debug, Default)]
enum Next {
    #[default]
    Nothing,
    ReadActive,
    ReadNote(TwinDocument),
    ReadFormer(TwinDocument),
    Merge(TwinDocument, Option<TwinDocument>),
    Intend(TwinDocument, Merge),
    Patch(TwinDocument, Merge),
    Remember(TwinDocument, Merge, Wrote),
    IntendToReport(TwinDocument, Object),
    Report(TwinDocument, Object),
    RememberReported(Wrote, Object),
    Done,
    ReadBack,
    IntendBack(TwinDocument),
    ReadTarget,
    ReadSource(TwinDocument),
    WriteBack(TwinDocument, TwinDocument),
    ReportBack(TwinDocument, TwinDocument),
    RememberBack,
}

/// A process, with what it has in memory.
#[derive(Debug, Default)]
pub(super) struct Process {
    next: Next,
    terms: Option<Terms>,
    source: Option<HubRole>,
    note: Option<PendingNote>,
    wrote: Wrote,
    begun: TwinWrites,
    /// What is written next is written in parts, as what a hub refuses as a whole.
    is_apart: bool,
    is_closing: bool,
    later: Option<Reason>,
    active: Option<TwinDocument>,
    former: Option<TwinDocument>,
    acknowledges: Option<(HubRole, usize)>,
}

impl Process {
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    fn may_begin(&self, world: &World) -> bool {
        self.is_idle() && world.phase != Phase::Promoting
    }

    /// Events of a hub: they are heard first, and what they mean is settled then.
    pub(super) fn batch(&mut self, world: &mut World, hub: HubRole, back: usize, count: usize) {
        if !self.may_begin(world) {
            return;
        }
        let from = world.acknowledged[hub as usize].saturating_sub(back);
        let to = from.saturating_add(count).min(world.hub(hub).log.len());
        self.begin(world);
        self.acknowledges = Some((hub, to));
        let Some(terms) = self.terms else {
            self.next = Next::ReadTarget;
            return;
        };
        let heard = (from..to).map(|n| heard(world, hub, n));
        let heard = heard.filter_map(|heard| terms.keeps(hub, heard)).collect();
        let said = match hub == terms.former {
            true => Said { former: heard, ..Said::default() },
            false => Said { active: heard, ..Said::default() },
        };
        if said.former.is_empty() && said.active.is_empty() {
            return self.end(world);
        }
        let (at, id) = (world.at(), "pump".parse().unwrap());
        let note = terms.noted(&id, world.note.take(), &said, at);
        world.note = Some(note.clone());
        let waits = note.reason == Reason::Moving && terms.is_about_to_move(&said, at.now);
        if waits || said.former.is_empty() && !terms.may_be_undecided(&note) {
            return self.end(world);
        }
        self.next = Next::ReadActive;
    }

    /// The identity is looked at: because it is pending, for the comparison, or because it may differ.
    pub(super) fn look(&mut self, world: &mut World) {
        if !self.may_begin(world) {
            return;
        }
        self.begin(world);
        self.is_closing = world.phase == Phase::Closing;
        self.next = match self.terms {
            Some(_) if self.is_closing || world.note.is_some() => Next::ReadActive,
            Some(_) => Next::Nothing,
            None => Next::ReadTarget,
        };
    }

    fn begin(&mut self, world: &World) {
        let is_apart = world.now % 2 == 0;
        *self = Self { terms: world.terms, source: Some(world.active), is_apart, ..Self::default() };
    }

    fn end(&mut self, world: &mut World) {
        if let Some((hub, to)) = self.acknowledges {
            let acknowledged = &mut world.acknowledged[hub as usize];
            *acknowledged = to.max(*acknowledged);
        }
        *self = Self::default();
    }

    /// Goes one step on.
    pub(super) fn step(&mut self, world: &mut World) {
        match (std::mem::take(&mut self.next), self.terms) {
            (Next::Nothing, _) => {}
            (
                next @ (Next::ReadTarget | Next::ReadSource(_) | Next::WriteBack(..) | Next::ReportBack(..)),
                _,
            ) => {
                self.copy(world, next);
            }
            (next, Some(terms)) => self.settle(world, &terms, next),
            (next, None) => unreachable!("{next:?}"),
        }
    }

    fn settle(&mut self, world: &mut World, terms: &Terms, next: Next) {
        let at = world.at();
        self.next = match next {
            Next::ReadActive => Next::ReadNote(world.hub(terms.active).twin()),
            Next::ReadNote(active) => {
                let blank = || PendingNote::blank(&"pump".parse().unwrap(), at);
                self.note = Some(world.note.clone().unwrap_or_else(blank));
                Next::ReadFormer(active)
            }
            Next::ReadFormer(active) => {
                let former = (!world.is_silent).then(|| world.hub(terms.former).twin());
                Next::Merge(active, former)
            }
            Next::Merge(active, former) => self.merge(world, terms, active, former),
            Next::Intend(active, merged) => self.intend(world, terms, active, merged),
            Next::Patch(active, merged) => self.patch(world, terms, &active, merged),
            Next::Remember(active, merged, wrote) => {
                world.change(|note| note.slot_mut(terms.active).own.wrote(&wrote, &self.begun));
                Next::Intend(active, merged)
            }
            Next::IntendToReport(active, patch) => {
                let (now, _) = self.part_of(&patch);
                self.begun = Merge { reported: now, ..Merge::default() }.writes(&active);
                world.change(|note| note.slot_mut(terms.active).own.begin(&active, self.begun.clone()));
                Next::Report(active, patch)
            }
            Next::Report(active, patch) => self.report(world, terms, &active, &patch),
            Next::RememberReported(wrote, rest) => {
                world.change(|note| note.slot_mut(terms.active).own.wrote(&wrote, &self.begun));
                let active = world.hub(terms.active).twin();
                match rest.is_empty() || !wrote.reported.contains(&active.reported.version) {
                    true => Next::ReadActive,
                    false => Next::IntendToReport(active, rest),
                }
            }
            Next::Done => return self.done(world, terms),
            Next::ReadBack => Next::IntendBack(world.hub(terms.active).twin()),
            Next::IntendBack(active) => {
                let former = world.hub(terms.former).twin();
                if !says_the_same(&active, &former) {
                    let blank = || PendingNote::blank(&"pump".parse().unwrap(), at);
                    if terms.has_more(&world.note.clone().unwrap_or_else(blank), &former, &active) {
                        return self.end(world);
                    }
                    self.begun = OwnWrites::making(&former, &active);
                    world.change(|note| note.slot_mut(terms.former).own.begin(&former, self.begun.clone()));
                }
                Next::ReadTarget
            }
            Next::RememberBack => {
                if self.wrote != Wrote::default() {
                    let wrote = self.wrote.clone();
                    world.change(|note| note.slot_mut(terms.former).own.wrote(&wrote, &self.begun));
                }
                world.is_closed = true;
                return self.end(world);
            }
            next => unreachable!("{next:?}"),
        };
    }

    fn merge(
        &mut self,
        world: &mut World,
        terms: &Terms,
        active: TwinDocument,
        former: Option<TwinDocument>,
    ) -> Next {
        let note = self.note.clone().unwrap();
        (self.active, self.former) = (Some(active.clone()), former);
        let former = self.former.as_ref().map_or(Former::Silent, Former::Twin);
        let mut merged = terms.merged(&note, former, &active);
        self.later =
            terms.reported_later(&active, &mut merged, time(world.now)).map(|tried| tried.cause.reason);
        let new: Vec<_> = merged.losses.iter().filter(|loss| !world.losses.contains(loss)).cloned().collect();
        world.losses.extend(new);
        Next::Intend(active, merged)
    }

    /// What of tags and desired is written next is noted; then what is reported, on what was read at first.
    fn intend(&mut self, world: &mut World, terms: &Terms, active: TwinDocument, merged: Merge) -> Next {
        let (now, _) = self.first_of(Merge {
            tags: merged.tags.clone(),
            desired: merged.desired.clone(),
            ..Merge::default()
        });
        if now.is_empty() {
            return match merged.reported.is_empty() {
                true => Next::Done,
                false => Next::IntendToReport(self.active.clone().unwrap(), merged.reported),
            };
        }
        self.begun = now.writes(&active);
        world.change(|note| note.slot_mut(terms.active).own.begin(&active, self.begun.clone()));
        Next::Patch(active, merged)
    }

    /// Tags and desired that are written next, and what is left then.
    fn first_of(&self, mut merged: Merge) -> (Merge, Merge) {
        let tags = std::mem::take(&mut merged.tags);
        let is_apart = self.is_apart && !tags.is_empty();
        let desired = if is_apart { Object::new() } else { std::mem::take(&mut merged.desired) };
        (Merge { tags, desired, ..Merge::default() }, merged)
    }

    /// Members that are reported next, and what is left then.
    fn part_of(&self, patch: &Object) -> (Object, Object) {
        let first = if self.is_apart { 1 } else { patch.len() };
        let members = |(name, value): (&String, &Value)| (name.clone(), value.clone());
        (patch.iter().take(first).map(members).collect(), patch.iter().skip(first).map(members).collect())
    }

    fn patch(&mut self, world: &mut World, terms: &Terms, active: &TwinDocument, merged: Merge) -> Next {
        if world.hub(terms.active).twin().etag != active.etag {
            return refused(world, terms, &self.begun);
        }
        let ((now, rest), at) = (self.first_of(merged), world.now);
        let patch = twin_patch(&now);
        world.hub_mut(terms.active).patch_twin(&patch, at);
        let (mut wrote, twin) = (Wrote::default(), world.hub(terms.active).twin());
        wrote.twin(&patch, &twin);
        Next::Remember(twin, rest, wrote)
    }

    fn report(&mut self, world: &mut World, terms: &Terms, active: &TwinDocument, patch: &Object) -> Next {
        if world.hub(terms.active).twin().reported.version != active.reported.version {
            return refused(world, terms, &self.begun);
        }
        let ((now, rest), at) = (self.part_of(patch), world.now);
        world.hub_mut(terms.active).patch_reported(&now, at);
        let version = world.hub(terms.active).twin().reported.version;
        Next::RememberReported(Wrote::of_reported(version), rest)
    }

    fn done(&mut self, world: &mut World, terms: &Terms) {
        let at = world.at();
        if let Some(reason) = self.later {
            let cause = crate::reconcile::Cause::new(reason, "");
            world.change(|note| note.tried(&cause.into(), at));
            return self.end(world);
        }
        let seen = self.note.as_ref().unwrap();
        let note = world.note.take();
        world.note =
            note.and_then(|note| terms.settled(note, seen, self.active.as_ref(), self.former.as_ref(), at));
        if !self.is_closing {
            return self.end(world);
        }
        self.next = Next::ReadBack;
    }

    /// The standby is made what the active hub says.
    fn copy(&mut self, world: &mut World, next: Next) {
        let source = self.source.unwrap();
        let target = source.other();
        let now = world.now;
        self.next = match next {
            Next::ReadTarget => Next::ReadSource(world.hub(target).twin()),
            Next::ReadSource(there) => Next::WriteBack(there, world.hub(source).twin()),
            Next::WriteBack(there, wanted) => {
                let patch = wanted_patch(&there, &wanted);
                if !patch.is_empty() {
                    if world.hub(target).twin().etag != there.etag {
                        self.next = Next::ReadTarget;
                        return;
                    }
                    world.hub_mut(target).patch_twin(&patch, now);
                    self.wrote.twin(&patch, &world.hub(target).twin());
                }
                Next::ReportBack(there, wanted)
            }
            Next::ReportBack(there, wanted) => {
                let patch = diff(&there.reported.values, &wanted.reported.values);
                if !patch.is_empty() && !there.is_connected() {
                    if world.hub(target).twin().reported.version != there.reported.version {
                        self.next = Next::ReadTarget;
                        return;
                    }
                    world.hub_mut(target).patch_reported(&patch, now);
                    self.wrote.reported.push(world.hub(target).twin().reported.version);
                }
                match self.terms {
                    Some(_) => Next::RememberBack,
                    None => return self.end(world),
                }
            }
            next => unreachable!("{next:?}"),
        };
    }
}

fn refused(world: &mut World, terms: &Terms, begun: &TwinWrites) -> Next {
    world.change(|note| note.slot_mut(terms.active).own.was_refused(begun));
    Next::ReadActive
}

fn heard(world: &World, hub: HubRole, n: usize) -> Heard {
    let event = &world.hub(hub).log[n];
    Heard {
        at: Position { log: format!("devicetwin/{}", hub as usize), sequence: Some(n as i64) },
        occurred: Some(event.at),
        version: Some(event.version),
        reported_version: Some(event.reported_version),
        writes: event.writes.clone(),
        ordered: true,
        ..Heard::default()
    }
}

fn wanted_patch(there: &TwinDocument, wanted: &TwinDocument) -> Object {
    let tags = diff(&there.tags, &wanted.tags);
    let desired = diff(&there.desired.values, &wanted.desired.values);
    let merged = Merge { tags, desired, ..Merge::default() };
    twin_patch(&merged)
}

fn says_the_same(one: &TwinDocument, other: &TwinDocument) -> bool {
    one.tags == other.tags
        && one.desired.values == other.desired.values
        && one.reported.values == other.reported.values
}
