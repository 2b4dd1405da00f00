//! Hints grouped by device and identity, order kept: each identity is worked off once.

use std::collections::HashMap;

use crate::iothub::notification::{Hint, HintKind};
use crate::model::{DeviceId, IdentityId};
use crate::routing::HubRole;

use crate::pending::{Heard, Position};

/// A hint, where it stood, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// What the event says.
    pub(crate) hint: Hint,
    /// The hub that it is of.
    pub(crate) hub: HubRole,
    /// Where it stood.
    pub(crate) at: Position,
}

impl Placed {
    /// What a note keeps of it.
    pub(crate) fn heard(&self) -> Heard {
        let Hint { kind, occurred, version, reported_version, writes, ordered, .. } = &self.hint;
        Heard {
            at: self.at.clone(),
            occurred: *occurred,
            version: *version,
            reported_version: *reported_version,
            writes: writes.clone(),
            created: *kind == HintKind::Created,
            deleted: *kind == HintKind::Deleted,
            lifecycle: *kind == HintKind::Lifecycle,
            ordered: *ordered,
        }
    }

    /// Whether the event says that the identity was deleted, or does not say which of the two its lifecycle event is: if the
    /// identity is gone now, it was that.
    pub(crate) fn is_deletion(&self) -> bool {
        matches!(self.hint.kind, HintKind::Deleted | HintKind::Lifecycle)
    }

    /// Whether the event says so in a word.
    pub(crate) fn says_deleted(&self) -> bool {
        self.hint.kind == HintKind::Deleted
    }

    /// Whether the event says that the identity was created.
    pub(crate) fn is_creation(&self) -> bool {
        self.hint.kind == HintKind::Created
    }
}

/// All hints about one identity, in order.
#[derive(Debug)]
pub(crate) struct IdentityWork {
    /// Which.
    pub(crate) id: IdentityId,
    /// Never empty.
    pub(crate) hints: Vec<Placed>,
}

/// A device, its own hints first and then those of its modules: a module needs its device.
#[derive(Debug)]
pub(crate) struct DeviceWork {
    /// Which.
    pub(crate) device: DeviceId,
    /// Itself first, if it has hints.
    pub(crate) identities: Vec<IdentityWork>,
}

/// Groups hints by device, in order of first appearance.
pub(crate) fn group(hints: Vec<Placed>) -> Vec<DeviceWork> {
    let mut devices: Vec<DeviceWork> = Vec::new();
    let mut index: HashMap<DeviceId, usize> = HashMap::new();
    for placed in hints {
        let device = placed.hint.identity.device.clone();
        let place = *index.entry(device.clone()).or_insert_with(|| {
            devices.push(DeviceWork { device, identities: Vec::new() });
            devices.len() - 1
        });
        if let Some(work) = devices.get_mut(place) {
            work.add(placed);
        }
    }
    for work in &mut devices {
        work.identities.sort_by_key(|identity| identity.id.module.is_some());
    }
    devices
}

impl DeviceWork {
    fn add(&mut self, placed: Placed) {
        match self.identities.iter_mut().find(|identity| identity.id == placed.hint.identity) {
            Some(identity) => identity.hints.push(placed),
            None => {
                self.identities.push(IdentityWork { id: placed.hint.identity.clone(), hints: vec![placed] });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::TwinWrites;

    #[test]
    fn hints_are_grouped_by_device_and_identity_with_their_order_kept() {
        let hints = ["a/m", "b", "a", "b", "a/m"].iter().enumerate().map(|(n, id)| Placed {
            hint: Hint {
                identity: id.parse().unwrap(),
                hub: None,
                kind: HintKind::Created,
                ordered: true,
                occurred: None,
                writes: TwinWrites::default(),
                version: None,
                reported_version: None,
            },
            hub: HubRole::Primary,
            at: Position { log: "registry/0".to_owned(), sequence: Some(n as i64) },
        });
        let told: Vec<String> = group(hints.collect())
            .iter()
            .flat_map(|work| &work.identities)
            .map(|identity| {
                let at: Vec<_> = identity.hints.iter().map(|p| p.at.sequence.unwrap()).collect();
                format!("{} {at:?}", identity.id)
            })
            .collect();
        assert_eq!(told, ["a [2]", "a/m [0, 4]", "b [1, 3]"]);
    }
}
