//! Proving that what a hub says comes to the handler: a probe's twin is changed and an identity is made and removed on
//! each hub, and their events are waited for where the handler writes down how far each partition is.
//!
//! The identity is gone again before anything is waited for. Until then its name is in storage, so that whoever tries next
//! removes what a killed one left behind.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::markers::{REGISTRY, mark_probe};
use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind};
use crate::model::{DeviceId, IdentityId};
use crate::routing::{
    HubRole, Hubs, MarkKind, Marker, PartitionProgress, make_probe, probe_identity, progress,
};
use crate::storage::{Container, Precondition, StorageError};

/// The event hub that hubs route to.
pub const TWIN_EVENTS: &str = "devicetwin";

/// Where the names of identities are that are there for a moment.
const PASSING: &str = "passing/";

/// Names removed at a time.
const LEFT_BEHIND: usize = 100;

/// Storage tells whole seconds: the marks of a trial in the same second must not prove the next one.
const STORAGE_TICK: Duration = Duration::from_secs(1);

/// For what is done on one hub.
const CALLS: Duration = Duration::from_secs(30);

/// What a hub says, and the event hub it comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pipe {
    /// Which hub.
    pub hub: HubRole,
    /// Which event hub.
    pub event_hub: &'static str,
    /// What.
    pub kind: MarkKind,
}

/// What each hub says, and through which event hub.
const OF_EACH: [(&str, MarkKind); 5] = [
    (TWIN_EVENTS, MarkKind::Twin),
    (TWIN_EVENTS, MarkKind::Created),
    (TWIN_EVENTS, MarkKind::Deleted),
    (REGISTRY, MarkKind::Created),
    (REGISTRY, MarkKind::Deleted),
];

/// What has come through so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What has not.
    pub missing: Vec<Pipe>,
    /// Event hubs of which anything at all was applied meanwhile, whoever sent it.
    pub read: Vec<&'static str>,
}

/// Why the path cannot be tried.
#[derive(Debug, Clone)]
pub enum CannotTry {
    /// A hub refuses what is tried on it.
    Hub(HubRole, HubError),
    /// Storage.
    Storage(StorageError),
}

impl From<StorageError> for CannotTry {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// A trial that was begun: the hubs have spoken.
#[derive(Debug)]
pub struct PathTrial {
    container: Container,
    since: Timestamp,
    before: Vec<PartitionProgress>,
}

impl PathTrial {
    /// Makes both hubs say something. `now` is storage's time: a mark must not be of a later time than it was made.
    ///
    /// # Errors
    /// A hub's refusal, or storage's. What was made is removed all the same, or by whoever tries next.
    pub async fn begin(hubs: &Hubs, container: &Container, now: Timestamp) -> Result<Self, CannotTry> {
        remove_left_behind(hubs, container).await?;
        let before = progress(container).await?;
        let now = if has_marks_since(&before, now) {
            tokio::time::sleep(STORAGE_TICK).await;
            now.saturating_add(STORAGE_TICK).unwrap_or(now)
        } else {
            now
        };
        let (primary, secondary) = tokio::join!(
            speak(hubs.get(HubRole::Primary), HubRole::Primary, container, now),
            speak(hubs.get(HubRole::Secondary), HubRole::Secondary, container, now),
        );
        primary.and(secondary)?;
        Ok(Self { container: container.clone(), since: now, before })
    }

    /// What has come through by now.
    ///
    /// # Errors
    /// Storage.
    pub async fn look(&self) -> Result<Seen, StorageError> {
        Ok(seen(&self.before, &progress(&self.container).await?, self.since))
    }
}

fn has_marks_since(progress: &[PartitionProgress], since: Timestamp) -> bool {
    let kinds = [MarkKind::Twin, MarkKind::Created, MarkKind::Deleted];
    let hubs = [HubRole::Primary, HubRole::Secondary];
    let mut pairs = kinds.into_iter().flat_map(|kind| hubs.map(|hub| (kind, hub)));
    pairs.any(|(kind, hub)| progress.iter().any(|one| one.newest(kind, hub).is_some_and(|at| at >= since)))
}

/// What has come through, of the progress before and now.
fn seen(before: &[PartitionProgress], now: &[PartitionProgress], since: Timestamp) -> Seen {
    let has_passed = |pipe: &Pipe| {
        let mut of_event_hub = now.iter().filter(|one| one.event_hub == pipe.event_hub);
        of_event_hub.any(|one| one.newest(pipe.kind, pipe.hub).is_some_and(|at| at >= since))
    };
    let pipes = [HubRole::Primary, HubRole::Secondary]
        .into_iter()
        .flat_map(|hub| OF_EACH.into_iter().map(move |(event_hub, kind)| Pipe { hub, event_hub, kind }));
    let is_read =
        |event_hub: &&str| now.iter().any(|one| one.event_hub == **event_hub && !before.contains(one));
    Seen {
        missing: pipes.filter(|pipe| !has_passed(pipe)).collect(),
        read: [TWIN_EVENTS, REGISTRY].into_iter().filter(is_read).collect(),
    }
}

/// Makes a hub say all that is waited for.
async fn speak(
    hub: &HubClient,
    role: HubRole,
    container: &Container,
    now: Timestamp,
) -> Result<(), CannotTry> {
    let deadline = Deadline::after(CALLS);
    let (Some(probe), Some(passing)) = (probe_identity(), passing(now)) else { return Ok(()) };
    mark_probe(hub, &probe, || now, deadline).await.map_err(|error| CannotTry::Hub(role, error))?;
    let name = format!("{PASSING}{role}/{passing}");
    container.put(&name, Bytes::from_static(b"{}"), Precondition::None).await?;
    let id = IdentityId::device(passing);
    let made = make_probe(hub, &id, deadline).await;
    let removed = remove(hub, &id, deadline).await;
    made.and(removed).map_err(|error| CannotTry::Hub(role, error))?;
    Ok(container.delete(&name, None).await?)
}

/// Another one than that of whoever tries in the same second.
fn passing(now: Timestamp) -> Option<DeviceId> {
    let within = i64::from(Timestamp::now().subsec_millisecond());
    Marker::passing(Timestamp::from_millisecond(now.as_millisecond() + within).unwrap_or(now))
}

/// Removes identities that were to be there for a moment, and are there still.
///
/// # Errors
/// A hub's refusal, or storage's.
pub async fn remove_left_behind(hubs: &Hubs, container: &Container) -> Result<(), CannotTry> {
    for name in container.list(PASSING, LEFT_BEHIND).await? {
        let of =
            |role: HubRole| name.strip_prefix(&format!("{PASSING}{role}/")).map(|id| (role, id.to_owned()));
        let found = of(HubRole::Primary).or_else(|| of(HubRole::Secondary));
        let Some((role, Ok(device))) = found.map(|(role, id)| (role, id.parse::<DeviceId>())) else {
            continue;
        };
        // Only what is made here, whatever somebody wrote there: neither a device of the fleet nor a probe.
        if Marker::of_passing(role, MarkKind::Deleted, &device).is_some() {
            let removed = remove(hubs.get(role), &IdentityId::device(device), Deadline::after(CALLS)).await;
            removed.map_err(|error| CannotTry::Hub(role, error))?;
        }
        container.delete(&name, None).await?;
    }
    Ok(())
}

/// Removes an identity at the ETag that it has; fine where there is none.
async fn remove(hub: &HubClient, id: &IdentityId, deadline: Deadline) -> Result<(), HubError> {
    let entry = match hub.identity(id, deadline).await {
        Err(error) if error.kind == HubErrorKind::Absent => return Ok(()),
        entry => entry?,
    };
    let Some(etag) = entry.etag() else { return Ok(()) };
    match hub.delete_identity(id, &etag, deadline).await {
        Err(error) if error.kind == HubErrorKind::Absent => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn partition(event_hub: &str, sequence: i64, marks: &[(HubRole, MarkKind, i64)]) -> PartitionProgress {
        let mut progress = PartitionProgress {
            event_hub: event_hub.to_owned(),
            partition: "0".to_owned(),
            sequence_number: Some(sequence),
            enqueued: None,
            applied_at: at(0),
            markers: Default::default(),
            created: Default::default(),
            deleted: Default::default(),
        };
        progress.passed(marks.iter().map(|&(hub, kind, second)| Marker { hub, kind, at: at(second) }));
        progress
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_pipe_is_proved_by_a_mark_of_its_own_hub_kind_and_event_hub_since_then() {
        use HubRole::Primary;
        let old = [(Primary, MarkKind::Twin, 9), (Primary, MarkKind::Created, 9)];
        let before = [partition(TWIN_EVENTS, 1, &old)];
        let none = seen(&before, &before, at(10));
        assert_eq!((none.missing.len(), none.read), (10, vec![]));
        let now = [
            partition(TWIN_EVENTS, 2, &[(Primary, MarkKind::Twin, 10)]),
            partition(REGISTRY, 1, &[(Primary, MarkKind::Deleted, 11)]),
        ];
        let some = seen(&before, &now, at(10));
        assert_eq!(some.read, [TWIN_EVENTS, REGISTRY]);
        let of_primary = some.missing.iter().filter(|pipe| pipe.hub == Primary);
        let missing: Vec<_> = of_primary.map(|pipe| (pipe.event_hub, pipe.kind)).collect();
        let expected = [
            (TWIN_EVENTS, MarkKind::Created),
            (TWIN_EVENTS, MarkKind::Deleted),
            (REGISTRY, MarkKind::Created),
        ];
        assert_eq!(missing, expected);
        assert_eq!(some.missing.len(), 8);
        assert!(has_marks_since(&now, at(11)) && !has_marks_since(&now, at(12)));
    }
}
