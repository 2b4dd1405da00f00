//! Behaviours of a real hub that are only inferred, as switches that tests can turn.

use serde_json::{Map, Value};
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! switches {
    ($($(#[$doc:meta])* $field:ident, $name:literal, $default:literal;)+) => {
        /// One switch per inferred behaviour; the defaults are the likelier answers.
        #[derive(Debug)]
        pub struct Switches { $($field: AtomicBool,)+ }
        impl Default for Switches {
            fn default() -> Self { Self { $($field: AtomicBool::new($default),)+ } }
        }
        impl Switches {
            $($(#[$doc])* #[must_use] pub fn $field(&self) -> bool { self.$field.load(Ordering::Relaxed) })+
            /// All switches by name.
            #[must_use]
            pub fn to_json(&self) -> Value {
                let mut all = Map::new();
                $(all.insert($name.to_owned(), Value::Bool(self.$field()));)+
                Value::Object(all)
            }
            /// Sets one switch.
            ///
            /// # Errors
            /// The name, when there is no such switch.
            pub fn set(&self, name: &str, on: bool) -> Result<(), String> {
                match name {
                    $($name => self.$field.store(on, Ordering::Relaxed),)+
                    _ => return Err(format!("there is no switch {name}")),
                }
                Ok(())
            }
        }
    };
}

switches! {
    /// Bulk `create` stores `properties.reported` (inferred; default on).
    bulk_create_honours_reported, "bulkCreateHonoursReported", true;
    /// Bulk `updateTwin` stores `properties.reported` (inferred; default off).
    bulk_update_honours_reported, "bulkUpdateTwinHonoursReported", false;
    /// Bulk `updateTwin` replaces instead of merging (inferred; default off).
    bulk_update_replaces, "bulkUpdateTwinReplaces", false;
    /// Bulk accepts `createOrUpdate` and its ETag form (inferred; default on).
    bulk_create_or_update, "bulkAcceptsCreateOrUpdate", true;
    /// Twin change events say `null` for what was deleted (inferred; default on).
    events_carry_nulls, "twinEventsCarryNulls", true;
    /// `$…` members in a device's reported patch are refused with 400004 (inferred; default on, off ignores them).
    reported_dollar_refused, "reportedDollarMembersRefused", true;
    /// A hub policy's token is refused for a device that authenticates by certificate (inferred; default on).
    policy_refused_for_x509, "policyTokenRefusedForX509Device", true;
}
