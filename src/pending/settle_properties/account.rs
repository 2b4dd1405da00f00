//! What clients wrote and a hub accepted, and where it is in the end.

use serde_json::Value;

use super::world::{Part, World};
use crate::model::{Object, Path, TwinDocument, member};
use crate::reconcile::Loss;
use crate::routing::HubRole;

/// Two hubs' writes as close as this may be in either order: what events say and what a twin shows differ by less.
pub(super) const CLOCKS: i64 = 3;

/// A write of one member that a hub accepted; without a value, a removal.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) by: HubRole,
    pub(super) at: i64,
    pub(super) part: Part,
    pub(super) path: Path,
    pub(super) value: Option<Value>,
    /// What it took the place of: the member itself, or, where that had to become an object, the scalar above.
    pub(super) replaced: Path,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::Desired => "desired",
            Self::Reported => "reported",
        }
    }

    pub(super) fn of(self, twin: &TwinDocument) -> &Object {
        match self {
            Self::Tags => &twin.tags,
            Self::Desired => &twin.desired.values,
            Self::Reported => &twin.reported.values,
        }
    }
}

fn meet(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

impl Accepted {
    fn meets(&self, part: &str, path: &[String]) -> bool {
        self.part.name() == part && meet(&self.path, path)
    }

    fn is_there(&self, twin: &TwinDocument) -> bool {
        member(self.part.of(twin), &self.path) == self.value.as_ref()
    }

    /// `later`: what was accepted after it, by whichever hub, on the model's clock.
    fn is_superseded(&self, later: &[Accepted], all: &[Accepted]) -> bool {
        let meets = |other: &&Accepted| other.part == self.part && meet(&other.replaced, &self.path);
        later.iter().any(|other| meets(&other))
            || all.iter().any(|other| other.by != self.by && other.at + CLOCKS >= self.at && meets(&other))
    }

    /// One of the two values of the report is this one, or has it.
    fn is_named(&self, losses: &[Loss]) -> bool {
        let says = |loss: &Loss, value: &Value| {
            let at = self.path.get(loss.path.len()..).unwrap_or_default();
            let found = at.iter().try_fold(value, |value, name| value.get(name));
            match &self.value {
                Some(value) => found == Some(value) || is_within(&loss.path, &self.path, value, found),
                None => found.is_none_or(Value::is_null),
            }
        };
        losses.iter().any(|loss| {
            self.meets(&loss.section, &loss.path)
                && (says(loss, &loss.active) || says(loss, &loss.former_active))
        })
    }
}

/// A report of a part of what was written as a whole.
fn is_within(loss: &[String], written: &[String], value: &Value, found: Option<&Value>) -> bool {
    let Some(below) = loss.get(written.len()..) else { return false };
    !below.is_empty() && below.iter().try_fold(value, |value, name| value.get(name)) == found
}

/// What is wrong in the end, if anything is.
pub(super) fn wrong(world: &World) -> Result<(), String> {
    let (primary, secondary) = (world.hub(HubRole::Primary).twin(), world.hub(HubRole::Secondary).twin());
    for part in [Part::Tags, Part::Desired, Part::Reported] {
        let (one, other) = (part.of(&primary), part.of(&secondary));
        if one != other {
            return Err(format!("the hubs differ in {}: {one:?} and {other:?}", part.name()));
        }
    }
    for (n, write) in world.accepted.iter().enumerate() {
        let later = &world.accepted[n + 1..];
        let there = write.is_there(&primary);
        if !there && !write.is_superseded(later, &world.accepted) && !write.is_named(&world.losses) {
            return Err(format!("lost without a word: {write:?}; {:?}; {primary:?}", world.losses));
        }
    }
    for loss in &world.losses {
        let writes = world.accepted.iter().filter(|write| write.meets(&loss.section, &loss.path));
        if loss.section != "reported" && writes.count() < 2 {
            return Err(format!("reported as lost, and written once: {loss:?}"));
        }
    }
    Ok(())
}
