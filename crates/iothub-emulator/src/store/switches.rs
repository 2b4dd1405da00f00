//! Behaviours of a real hub that are only inferred, as switches that tests can turn.

use serde_json::{Map, Number, Value};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Longest time that can be set, in milliseconds: half an hour, which is how late a query is documented to be at worst.
const LONGEST: u64 = 30 * 60 * 1000;

macro_rules! switches {
    ({ $($(#[$doc:meta])* $field:ident, $name:literal, $default:literal;)+ }
     milliseconds { $($(#[$time_doc:meta])* $time:ident, $time_name:literal, $time_default:literal;)+ }) => {
        /// One switch per inferred behaviour; the defaults are the likelier answers.
        #[derive(Debug)]
        pub struct Switches { $($field: AtomicBool,)+ $($time: AtomicU64,)+ }
        impl Default for Switches {
            fn default() -> Self {
                Self { $($field: AtomicBool::new($default),)+ $($time: AtomicU64::new($time_default),)+ }
            }
        }
        impl Switches {
            $($(#[$doc])* #[must_use] pub fn $field(&self) -> bool { self.$field.load(Ordering::Relaxed) })+
            $($(#[$time_doc])* #[must_use] pub fn $time(&self) -> Duration {
                Duration::from_millis(self.$time.load(Ordering::Relaxed))
            })+
            /// All switches by name.
            #[must_use]
            pub fn to_json(&self) -> Value {
                let mut all = Map::new();
                $(all.insert($name.to_owned(), Value::Bool(self.$field()));)+
                $(all.insert($time_name.to_owned(), self.$time.load(Ordering::Relaxed).into());)+
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
            /// Sets one time, in milliseconds.
            ///
            /// # Errors
            /// The name, when there is no such time; the number, when it is none or longer than half an hour.
            pub fn set_number(&self, name: &str, number: &Number) -> Result<(), String> {
                let milliseconds = number.as_u64().filter(|milliseconds| *milliseconds <= LONGEST);
                let milliseconds = milliseconds.ok_or_else(|| format!("{name} is 0 to {LONGEST}, not {number}"))?;
                match name {
                    $($time_name => self.$time.store(milliseconds, Ordering::Relaxed),)+
                    _ => return Err(format!("there is no time {name}")),
                }
                Ok(())
            }
        }
    };
}

switches! {{
    /// Bulk `create` stores `properties.reported` (inferred; default on).
    bulk_create_honours_reported, "bulkCreateHonoursReported", true;
    /// Bulk `updateTwin` stores `properties.reported` (inferred; default off).
    bulk_update_honours_reported, "bulkUpdateTwinHonoursReported", false;
    /// Bulk `updateTwin` replaces instead of merging (inferred; default off).
    bulk_update_replaces, "bulkUpdateTwinReplaces", false;
    /// Bulk accepts `createOrUpdate` and its ETag form (inferred; default on).
    bulk_create_or_update, "bulkAcceptsCreateOrUpdate", true;
    /// Import jobs store `properties.reported` of lines that create or update an identity (inferred; default on).
    import_honours_reported, "importHonoursReported", true;
    /// Import jobs store `properties.reported` of `updateTwin` lines (inferred; default off).
    import_update_honours_reported, "importUpdateTwinHonoursReported", false;
    /// Import jobs make tags and desired properties of an existing twin what the line says, where it says something;
    /// off merges (documented as overwriting, which of the two is inferred; default on).
    import_replaces, "importReplacesTwin", true;
    /// Twin change events say `null` for what was deleted (inferred; default on).
    events_carry_nulls, "twinEventsCarryNulls", true;
    /// A patch with `null` in place of tags or desired properties clears them (asserted by the Node client's end-to-end
    /// tests, denied by one report on the documentation; default on, off ignores it).
    null_clears_section, "nullClearsSection", true;
    /// The event of such a patch says `null` in the section's place, as it was sent; off is each member (inferred;
    /// default on).
    events_carry_null_sections, "twinEventsCarryNullSections", true;
    /// `$…` members in a device's reported patch are refused with 400004 (inferred; default on, off ignores them).
    reported_dollar_refused, "reportedDollarMembersRefused", true;
    /// Integers beyond the documented range are refused (documented; off is a hub that holds some from before).
    wide_integers_refused, "wideIntegersRefused", true;
    /// A parent's scope that is none of this hub's is refused (asserted of updates by the Node client's end-to-end tests, of
    /// creations inferred; default on).
    unknown_scopes_refused, "unknownScopesRefused", true;
    /// A hub policy's token is refused for a device that authenticates by certificate (inferred; default on).
    policy_refused_for_x509, "policyTokenRefusedForX509Device", true;
    /// A device's patch of its reported properties counts as a twin update for the throttles (inferred; default on).
    reported_counts_as_update, "reportedCountsAsTwinUpdate", true;
    /// Connections and disconnections of devices are told by Event Grid and by the routes (default off: neither the
    /// subscription nor the routes of a usual setup include them).
    connection_state_events, "connectionStateEvents", false;
}
milliseconds {
    /// How long a throttled request may wait before it is refused instead, by the hub's clock (inferred from the wait
    /// that the refusal's text names; default 10 seconds).
    throttle_backlog, "throttleBacklogMs", 10_000;
    /// How long queries do not see that a device is new or has changed (documented: up to half an hour; measured by
    /// others: 1.4 to 5 seconds; default 0).
    query_lag, "queryLagMs", 0;
    /// How long queries still list and count a device that was deleted (measured by others: more than 25 minutes;
    /// default 0).
    query_ghost, "queryGhostMs", 0;
}}
