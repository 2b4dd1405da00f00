//! How late queries are: what they still see of devices that have changed since.
//!
//! Documented: queries are eventually consistent. Measured by others on a live hub: a new device comes after seconds,
//! a deleted one is listed for many minutes, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::store::devices::{Change, Devices, Stored};

/// Most devices of which an older state is kept; beyond, what is due first is seen early.
const MOST: usize = 5_000;

/// What queries see of a device instead of what it is; `None` when they do not see it yet.
pub(super) type Seen = Option<Arc<Stored>>;

/// The devices that queries see otherwise than they are. Time comes in as an argument.
#[derive(Debug, Default)]
pub(crate) struct Index {
    behind: BTreeMap<Box<str>, Behind>,
    due: BTreeSet<(Instant, Box<str>)>,
}

#[derive(Debug)]
struct Behind {
    seen: Seen,
    until: Instant,
    gone: bool,
}

/// How late queries see a change, and for how long what was deleted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lateness {
    pub(super) lag: Duration,
    pub(super) ghost: Duration,
}

impl Index {
    /// Keeps what queries see of a device before `change` is made to it. A device that changes again before queries
    /// have caught up is not later for it: one that changes all the time would never be seen.
    pub(super) fn before(&mut self, change: &Change, devices: &Devices, now: Instant, lateness: Lateness) {
        self.catch_up(now);
        let Some((id, gone)) = device_of(change) else { return };
        let late = if gone { lateness.ghost } else { lateness.lag };
        let seen = match self.behind.get(id) {
            Some(behind) if behind.gone == gone => return,
            Some(behind) => behind.seen.clone(),
            None => devices.stored(id).cloned().map(Arc::new),
        };
        self.forget(id);
        // What queries have never seen leaves no ghost.
        if late.is_zero() || (gone && seen.is_none()) {
            return;
        }
        let until = now + late;
        self.due.insert((until, id.into()));
        self.behind.insert(id.into(), Behind { seen, until, gone });
        if self.behind.len() > MOST {
            self.due.pop_first().map(|(_, id)| self.behind.remove(&id));
        }
    }

    /// Forgets what queries have caught up with.
    fn catch_up(&mut self, now: Instant) {
        while let Some((_, id)) = self.due.first().filter(|(until, _)| *until <= now).cloned() {
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some(behind) = self.behind.remove(id) {
            self.due.remove(&(behind.until, id.into()));
        }
    }

    /// Whether queries see everything as it is.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.behind.is_empty()
    }

    /// All that differs from `from` on, in the order of the ids.
    pub(super) fn from(&mut self, from: Bound<&str>, now: Instant) -> Vec<(Box<str>, Seen)> {
        self.catch_up(now);
        let rest = self.behind.range::<str, _>((from, Bound::Unbounded));
        rest.map(|(id, behind)| (id.clone(), behind.seen.clone())).collect()
    }

    /// What queries see of one device, if that differs.
    pub(super) fn one(&mut self, id: &str, now: Instant) -> Option<Seen> {
        self.catch_up(now);
        self.behind.get(id).map(|behind| behind.seen.clone())
    }
}

/// The device that a change is about, and whether it goes.
fn device_of(change: &Change) -> Option<(&str, bool)> {
    match change {
        Change::PutDevice(id, _) | Change::PutModule(id, ..) | Change::RemoveModule(id, _) => {
            Some((id, false))
        }
        Change::RemoveDevice(id) => Some((id, true)),
        Change::PutConfiguration(..) | Change::RemoveConfiguration(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::events::Emitter;
    use crate::store::{Hub, Precondition, Query, Switches};
    use serde_json::{Value, json};

    /// A hub whose queries are half an hour late in one respect.
    fn late(name: &str) -> Hub {
        let hub = Hub::new("h", "h", None, Arc::new(Emitter::new(1)), Arc::new(Switches::default()));
        set(&hub, name, 1_800_000);
        hub
    }

    fn set(hub: &Hub, name: &str, milliseconds: u64) {
        hub.switches().set_number(name, &milliseconds.into()).unwrap();
    }

    fn put(hub: &Hub, id: &str) {
        hub.put_device(id, &json!({}), &Precondition::Absent).unwrap();
    }

    fn listed(hub: &Hub) -> Vec<Value> {
        let query = Query::parse("SELECT deviceId, status FROM devices").unwrap();
        hub.query(&query, None, None).unwrap().rows
    }

    fn ids(hub: &Hub) -> Vec<String> {
        listed(hub).iter().map(|row| row["deviceId"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_new_device_is_not_listed_yet_and_is_there_all_the_same() {
        let hub = late("queryLagMs");
        put(&hub, "new");
        assert!(listed(&hub).is_empty());
        assert!(hub.get_device("new").is_ok());
    }

    #[test]
    fn a_change_is_not_seen_yet_and_neither_is_the_next_one() {
        let hub = late("queryGhostMs");
        put(&hub, "d");
        set(&hub, "queryLagMs", 1_800_000);
        for status in ["disabled", "enabled", "disabled"] {
            hub.put_device("d", &json!({"status": status}), &Precondition::Any).unwrap();
        }
        assert_eq!(listed(&hub), [json!({"deviceId": "d", "status": "enabled"})]);
        assert_eq!(hub.get_device("d").unwrap()["status"], "disabled");
    }

    #[test]
    fn a_deleted_device_is_still_listed_in_its_place_and_counted() {
        let hub = late("queryGhostMs");
        ["a", "b", "c", "d"].iter().for_each(|id| put(&hub, id));
        for id in ["b", "d"] {
            hub.delete_device(id, &Precondition::Any).unwrap();
        }
        assert_eq!(ids(&hub), ["a", "b", "c", "d"]);
        let count = Query::parse("SELECT COUNT() AS n FROM devices").unwrap();
        assert_eq!(hub.query(&count, None, None).unwrap().rows, [json!({"n": 4})]);
        let one = Query::parse("SELECT * FROM devices WHERE deviceId = 'b'").unwrap();
        assert_eq!(hub.query(&one, None, None).unwrap().rows.len(), 1);
        assert!(hub.get_device("b").is_err());
    }

    #[test]
    fn what_was_never_seen_leaves_no_ghost() {
        let hub = late("queryLagMs");
        set(&hub, "queryGhostMs", 1_800_000);
        put(&hub, "short");
        hub.delete_device("short", &Precondition::Any).unwrap();
        assert!(listed(&hub).is_empty());
    }

    #[test]
    fn what_queries_do_not_see_yet_is_not_counted() {
        let hub = late("queryGhostMs");
        ["a", "b", "c"].iter().for_each(|id| put(&hub, id));
        set(&hub, "queryLagMs", 1_800_000);
        put(&hub, "new");
        hub.delete_device("a", &Precondition::Any).unwrap();
        assert_eq!((hub.seen_count(), ids(&hub).len()), (3, 3));
        set(&hub, "queryGhostMs", 0);
        hub.delete_device("b", &Precondition::Any).unwrap();
        assert_eq!((hub.seen_count(), ids(&hub).len()), (2, 2));
    }

    #[test]
    fn queries_catch_up() {
        let hub = late("queryLagMs");
        put(&hub, "new");
        let later = Instant::now() + Duration::from_secs(1801);
        hub.index.lock().catch_up(later);
        assert_eq!(ids(&hub), ["new"]);
        assert!(hub.index.lock().due.is_empty());
    }

    #[test]
    fn what_is_kept_of_the_past_is_bounded() {
        let hub = late("queryLagMs");
        (0..MOST + 10).for_each(|n| put(&hub, &format!("d{n}")));
        let index = hub.index.lock();
        assert_eq!((index.behind.len(), index.due.len()), (MOST, MOST));
    }
}
