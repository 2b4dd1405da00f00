//! What a hub refused, so that it is not sent again with each event. The note says it durably, and tries it again.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::parts::{Part, Refused};
use super::bounded::{Bounded, Fingerprints};
use crate::model::IdentityId;
use crate::routing::HubRole;

/// Identities remembered per process; they are few. About 300 bytes each where one value is refused.
const REMEMBERED: usize = 4_000;

/// Values remembered per identity.
const VALUES: usize = 512;

/// What stands for a value of a member, why it is refused, and whether by itself.
type Value = (NonZeroU64, Arc<str>, bool);

/// Bounded memory of refused values.
#[derive(Debug)]
pub(crate) struct Refusals {
    prints: Fingerprints,
    entries: Mutex<Bounded<Vec<Value>>>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { prints: Fingerprints::default(), entries: Mutex::new(Bounded::new(REMEMBERED)) }
    }
}

impl Refusals {
    /// The hub refused this.
    pub(crate) fn remember(&self, hub: HubRole, id: &IdentityId, refused: &Refused) {
        let (key, print) = (self.prints.of(&(hub, id)), self.print(&refused.part));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.change(key, |values| {
            values.retain(|(value, ..)| *value != print);
            if values.len() >= VALUES {
                values.remove(0);
            }
            values.push((print, Arc::clone(&refused.why), refused.alone));
        });
    }

    /// Why the hub refused just this value of this member.
    pub(crate) fn of(&self, hub: HubRole, id: &IdentityId, part: &Part) -> Option<Refused> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let values = entries.get(self.prints.of(&(hub, id)))?;
        let print = self.print(part);
        let (_, why, alone) = values.iter().find(|(value, ..)| *value == print)?;
        Some(Refused { part: part.clone(), why: Arc::clone(why), alone: *alone })
    }

    /// The hub took these.
    pub(crate) fn forget(&self, hub: HubRole, id: &IdentityId, parts: &[Part]) {
        let key = self.prints.of(&(hub, id));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(key).is_some_and(|values| !values.is_empty()) {
            let taken: Vec<NonZeroU64> = parts.iter().map(|part| self.print(part)).collect();
            entries.change(key, |values| values.retain(|(value, ..)| !taken.contains(value)));
        }
    }

    fn print(&self, part: &Part) -> NonZeroU64 {
        self.prints.short(&(&part.path, part.value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_of_one_value_of_one_member_on_one_hub() {
        let (refusals, id) = (Refusals::default(), "d".parse().unwrap());
        let part = |name: &str, value: serde_json::Value| Part {
            path: vec!["tags".to_owned(), name.to_owned()],
            value,
        };
        let refused = Refused { part: part("a", json!(1)), why: "no".into(), alone: true };
        refusals.remember(HubRole::Secondary, &id, &refused);
        let of = |hub, part| refusals.of(hub, &id, &part);
        assert_eq!(of(HubRole::Secondary, part("a", json!(1))), Some(refused));
        assert_eq!(of(HubRole::Secondary, part("a", json!(2))), None);
        assert_eq!(of(HubRole::Secondary, part("b", json!(1))), None);
        assert_eq!(of(HubRole::Primary, part("a", json!(1))), None);
        refusals.forget(HubRole::Secondary, &id, &[part("b", json!(1))]);
        assert!(of(HubRole::Secondary, part("a", json!(1))).is_some());
        refusals.forget(HubRole::Secondary, &id, &[part("a", json!(1))]);
        assert_eq!(of(HubRole::Secondary, part("a", json!(1))), None);
    }
}
