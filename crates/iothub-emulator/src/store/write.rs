//! How a write takes effect: the changes it makes and the events that tell of them, together.

use serde_json::Value;

use super::devices::{Change, Devices, Found};
use super::document::twin;
use super::{Hub, Id};
use crate::events::{Lifecycle, TwinChanged};
use crate::stamp::Stamp;

/// What one call does to a hub.
#[derive(Debug)]
pub(super) struct Write {
    at: Stamp,
    changes: Vec<Change>,
    told: Vec<(Id, Told)>,
}

/// An event about an identity.
#[derive(Debug)]
enum Told {
    /// It came or went; the twin at that moment.
    Lifecycle { created: bool, twin: Value },
    /// Its twin was written; the event's body.
    TwinChanged { replaced: bool, body: Value },
}

impl Write {
    /// Nothing so far.
    pub(super) fn new(at: Stamp) -> Self {
        Self { at, changes: Vec::new(), told: Vec::new() }
    }

    /// Makes a change, after those before it.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Tells that an identity came or went.
    pub(super) fn announce(&mut self, found: &Found, id: &Id, created: bool) {
        self.told.push((id.clone(), Told::Lifecycle { created, twin: twin(found, id, true) }));
    }

    /// Tells that a twin was written.
    pub(super) fn tell(&mut self, id: &Id, replaced: bool, body: Value) {
        self.told.push((id.clone(), Told::TwinChanged { replaced, body }));
    }
}

impl Hub {
    /// Makes a write take effect. The events are in the logs before anyone can see what they tell of.
    pub(super) fn commit(&self, devices: &mut Devices, write: Write) {
        let Write { at, changes, told } = write;
        for (id, told) in &told {
            match told {
                Told::Lifecycle { created, twin } => {
                    let created = *created;
                    self.emitter.lifecycle(Lifecycle { hub: &self.name, id, created, twin, at });
                }
                Told::TwinChanged { replaced, body } => {
                    let replaced = *replaced;
                    self.emitter.twin_changed(TwinChanged { hub: &self.name, id, replaced, body, at });
                }
            }
        }
        for change in changes {
            self.before(&change, devices);
            devices.apply(change);
        }
    }
}
