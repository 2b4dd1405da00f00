//! A hub as the journal keeps it: built from records at start, and written again as a snapshot.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use super::devices::{Change, Devices};
use super::journaled::encode;
use super::{Configuration, Hub, Keys};
use crate::journal::{PolicyKeys, Record};
use crate::stamp::Stamp;

/// What a journal has of a hub.
#[derive(Debug, Default)]
pub(crate) struct KeptHub {
    policies: Vec<(String, Keys)>,
    devices: Devices,
    configurations: BTreeMap<String, Configuration>,
}

impl KeptHub {
    /// Takes over the policies' keys.
    pub(crate) fn policies(&mut self, kept: Vec<PolicyKeys<'_>>) {
        let keys = |kept: PolicyKeys<'_>| {
            let (primary, secondary) = (kept.primary.into_owned(), kept.secondary.into_owned());
            (kept.name.into_owned(), Keys { primary, secondary })
        };
        self.policies = kept.into_iter().map(keys).collect();
    }

    /// Makes the changes of a record.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub(crate) fn apply(&mut self, changes: &[u8]) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = postcard::from_bytes(changes).map_err(|error| error.to_string())?;
        changes.into_iter().try_for_each(|change| self.make(change))
    }

    fn make(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::PutConfiguration(id, text) => {
                let new = serde_json::from_str(&text).map_err(|error| error.to_string())?;
                self.configurations.insert(id.into_string(), new);
            }
            Change::RemoveConfiguration(id) => drop(self.configurations.remove(&*id)),
            change => self.devices.apply(change),
        }
        Ok(())
    }
}

impl Hub {
    /// The hub with what was kept of it; `keep_keys` says that its policies keep their keys too. Nobody is connected.
    #[must_use]
    pub(crate) fn restored(mut self, kept: KeptHub, keep_keys: bool) -> Self {
        let KeptHub { policies, mut devices, configurations } = kept;
        devices.disconnect_all();
        for policy in self.policies.iter_mut().filter(|_| keep_keys) {
            if let Some((_, keys)) = policies.iter().find(|(name, _)| name == policy.name) {
                policy.keys = keys.clone();
            }
        }
        *self.devices.get_mut() = devices;
        self.configurations.restore(configurations);
        self
    }

    /// The record of its name and its policies' keys.
    pub(crate) fn record(&self) -> Record<'_> {
        let keys = self.policies.iter().map(|policy| PolicyKeys {
            name: Cow::Borrowed(policy.name),
            primary: Cow::Borrowed(&policy.keys.primary),
            secondary: Cow::Borrowed(&policy.keys.secondary),
        });
        Record::Hub { hub: Cow::Borrowed(&self.name), policies: keys.collect() }
    }

    /// Shows records that make the hub as it is. What is written meanwhile may be in them or not.
    ///
    /// # Errors
    /// What `visit` says.
    pub(crate) fn records(&self, visit: &mut dyn FnMut(&Record<'_>) -> io::Result<()>) -> io::Result<()> {
        visit(&self.record())?;
        let mut show = |changes: &[Change]| {
            let (hub, changes) = (Cow::Borrowed(self.name.as_str()), Cow::Owned(encode(changes)?));
            visit(&Record::Write { hub, changes, at: Stamp::NEVER, arrived: Vec::new() })
        };
        show(&self.configurations.changes())?;
        let mut next = Some(Bound::Unbounded);
        while let Some(from) = next {
            let (changes, then) = self.stride(from);
            show(&changes)?;
            next = then;
        }
        Ok(())
    }
}
