//! How a write takes effect: the changes it makes and the events that tell of them, together.

use serde_json::Value;

use super::devices::{Change, Devices, Found};
use super::document::twin;
use super::journaled::{encode, unkept};
use super::{Hub, Id};
use crate::error::HubError;
use crate::events::{Happened, Lifecycle, TwinChanged};
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
    ///
    /// # Errors
    /// `ServerError` when the journal cannot be written; then nothing took effect.
    pub(super) fn commit(&self, devices: &mut Devices, write: Write) -> Result<(), HubError> {
        let Write { at, changes, told } = write;
        let happened: Vec<Happened<'_>> =
            told.iter().map(|(id, told)| told.happened(&self.name, id, at)).collect();
        let kept = self.emitter.publish(&self.name, &|| encode(&changes), &happened);
        kept.map_err(|error| unkept(&error))?;
        for change in changes {
            self.before(&change, devices);
            devices.apply(change);
        }
        Ok(())
    }
}

impl Told {
    fn happened<'a>(&'a self, hub: &'a str, id: &'a Id, at: Stamp) -> Happened<'a> {
        match self {
            Self::Lifecycle { created, twin } => {
                Happened::Lifecycle(Lifecycle { hub, id, created: *created, twin, at })
            }
            Self::TwinChanged { replaced, body } => {
                Happened::TwinChanged(TwinChanged { hub, id, replaced: *replaced, body, at })
            }
        }
    }
}
