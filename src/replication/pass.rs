//! One pass over a batch: which hub is source, which is target, under which authority, until when.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bulk::{Bulk, Coming};
use super::debt::Debt;
use super::engine::Inner;
use super::observe::{Health, Look};
use super::owed::{OwedNote, Position};
use super::warrant::Warrant;
use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind, Lane, OperationClass};
use crate::model::{IdentityDocument, IdentityId, TwinChange, TwinDocument};
use crate::routing::HubRole;
use crate::storage::StorageError;

/// How long one read of the source, or of a registry, may take, its retries included: three of the service's own
/// pauses of 10 s (observed).
const SOURCE_PATIENCE: Duration = Duration::from_secs(30);

/// How long an event waits for its turn at a registry.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(20);

/// How an identity ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// Equal already, or absent on both.
    Equal,
    /// Caused by our own write.
    Echo,
    /// Written, and right now.
    Written,
    /// What was carried is applied, and a durable note owes the comparison.
    Carried,
    /// A former active's change was brought to the active.
    Backlog,
    /// Acknowledged against the one durable note of a rejoining hub.
    Noted,
    /// The app's own, or an event that changes nothing.
    Ignored,
    /// Not right yet.
    Owed(Debt),
    /// The target gave no answer.
    NoAnswer(String),
    /// The batch must be held.
    Hold(String),
}

/// Why work on an identity stops, or begins again.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody wrote meanwhile: observe again.
    Again,
    /// This is how it ends.
    At(Fate),
}

impl Stop {
    /// Owed.
    pub(crate) fn owe(debt: Debt) -> Self {
        Self::At(Fate::Owed(debt))
    }

    /// What a failed call to the target means.
    pub(crate) fn target(error: &HubError) -> Self {
        match error.kind {
            HubErrorKind::Absent | HubErrorKind::Exists | HubErrorKind::Stale => Self::Again,
            HubErrorKind::LeaseOver => Self::At(Fate::Hold(super::debt::in_words(error))),
            HubErrorKind::Unavailable => Self::At(Fate::NoAnswer(super::debt::in_words(error))),
            _ => Self::owe(Debt::of(error)),
        }
    }
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Self::At(Fate::Hold(format!("storage: {error:?}")))
    }
}

/// What is to be done about one identity.
#[derive(Debug, Clone, Default)]
pub(crate) struct Task {
    /// The registry entries must be compared even if nothing suggests that they differ.
    pub(crate) compare_registry: bool,
    /// Nothing but a creation is known: its modules have events of their own.
    pub(crate) only_created: bool,
    /// A deletion is among what is known.
    pub(crate) deleted: bool,
    /// The device alone: whoever asks looks after its modules.
    pub(crate) alone: bool,
    /// What the events carry, in order; `true` for a deletion.
    pub(crate) carried: Vec<(Position, TwinChange, bool)>,
    /// The last event.
    pub(crate) at: Position,
}

/// One pass over a batch.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// The process.
    pub(crate) engine: &'a Inner,
    /// The right to write.
    pub(crate) warrant: Warrant,
    /// Hub calls must have ended then.
    pub(crate) work_ends: Deadline,
    /// Whether the source answers.
    pub(crate) source_health: Health,
    /// Whether the target answers.
    pub(crate) target_health: Health,
    /// The source's role.
    pub(crate) source_role: HubRole,
    source: HubClient,
    target: HubClient,
    lane: Lane,
}

impl<'a> Pass<'a> {
    /// A pass from the active hub to the other one.
    pub(crate) fn new(engine: &'a Inner, warrant: Warrant, work_ends: Deadline, lane: Lane) -> Self {
        let source_role = warrant.authority().active;
        let hub = |role: HubRole| {
            let hub = engine.hub(role).in_lane(lane);
            hub.is_active(role == source_role);
            hub
        };
        Self {
            engine,
            warrant,
            work_ends,
            source_health: Health::default(),
            target_health: Health::default(),
            source_role,
            source: hub(source_role),
            target: hub(source_role.other()),
            lane,
        }
    }

    /// The target's role.
    pub(crate) fn target_role(&self) -> HubRole {
        self.source_role.other()
    }

    /// The hub that says what is true.
    pub(crate) fn source(&self) -> &HubClient {
        &self.source
    }

    /// The hub that is written.
    pub(crate) fn target(&self) -> &HubClient {
        &self.target
    }

    /// Whether there is no time left to begin anything.
    pub(crate) fn is_over(&self) -> bool {
        self.work_ends.left() <= Duration::from_millis(50)
    }

    /// A source that keeps saying "later" is as good as one that says nothing: the batch goes on
    /// without it, and what it owes is written down. A registry's reads have no more time either: after a 429 they
    /// stand in its line again.
    pub(crate) fn patience(&self) -> Deadline {
        Deadline::after(SOURCE_PATIENCE).or(self.work_ends)
    }

    /// The source's twin.
    pub(crate) async fn source_twin(&self, id: &IdentityId) -> Look<TwinDocument> {
        if let Some(error) = self.source_health.given_up() {
            return Look::Unreachable(error);
        }
        let result = self.source().twin(id, self.patience()).await;
        self.source_health.note(&result);
        result.into()
    }

    /// The source's registry entry. A turn for it may be long in coming on a small hub: that is not the source's
    /// silence, and not counted as such.
    pub(crate) async fn source_identity(&self, id: &IdentityId) -> Look<IdentityDocument> {
        if let Some(error) = self.source_health.given_up() {
            return Look::Unreachable(error);
        }
        let result = match self.turn(&self.source, OperationClass::RegistryRead).await {
            Ok(source) => source.identity(id, self.patience()).await,
            Err(late) => return Look::Unreachable(late),
        };
        self.source_health.note(&result);
        result.into()
    }

    /// The target's twin.
    pub(crate) async fn target_twin(&self, id: &IdentityId) -> Look<TwinDocument> {
        if let Some(error) = self.target_health.given_up() {
            return Look::Unreachable(error);
        }
        let result = self.target().twin(id, self.work_ends).await;
        self.target_health.note(&result);
        result.into()
    }

    /// The target's registry entry.
    pub(crate) async fn target_identity(&self, id: &IdentityId) -> Look<IdentityDocument> {
        if let Some(error) = self.target_health.given_up() {
            return Look::Unreachable(error);
        }
        let result = match self.turn(&self.target, OperationClass::RegistryRead).await {
            Ok(target) => target.identity(id, self.patience()).await,
            Err(late) => return Look::Unreachable(late),
        };
        self.target_health.note(&result);
        result.into()
    }

    /// Waits for the turn of a request.
    pub(crate) async fn turn(&self, hub: &HubClient, class: OperationClass) -> Result<HubClient, HubError> {
        hub.turn(class, self.turn_by(class)).await
    }

    /// When a turn must have come. A registry's limits are sixty times lower than those of twins, and twin changes
    /// stand behind creations in the same partition: what would keep a batch for long is owed instead, and the sweep
    /// works it off at the same pace.
    fn turn_by(&self, class: OperationClass) -> Deadline {
        match (self.lane, class) {
            (Lane::Background, _)
            | (_, OperationClass::TwinRead | OperationClass::TwinWrite | OperationClass::ReportedWrite) => {
                self.work_ends
            }
            (Lane::Live, _) => Deadline::after(REGISTRY_PATIENCE).or(self.work_ends),
        }
    }

    /// Waits for the turn of a write to a hub, then for authority, which does not last as long: the client to write
    /// with, and when the write must have ended. `Hold` without authority.
    pub(crate) async fn for_write(
        &self,
        hub: &HubClient,
        class: OperationClass,
    ) -> Result<(HubClient, Deadline), Stop> {
        let hub = self.turn(hub, class).await.map_err(|error| Stop::target(&error))?;
        Ok((hub, self.authority().await?))
    }

    /// When a write that is sent now must have ended. `Hold` without authority.
    pub(crate) async fn authority(&self) -> Result<Deadline, Stop> {
        self.warrant.for_write(self.work_ends).await.map_err(|why| Stop::At(Fate::Hold(why)))
    }
}

/// Work on one device: its place in flight, and what happened so far.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    /// The pass it belongs to.
    pub(crate) pass: &'a Pass<'a>,
    permit: Option<OwnedSemaphorePermit>,
    coming: Option<Coming>,
    bulk: Bulk,
    /// Writes that were answered.
    pub(crate) writes: u32,
    /// The note that the carried path wrote, per identity.
    pub(crate) noted: Option<(IdentityId, OwedNote)>,
    /// Whether the source answered for the identity.
    pub(crate) source_read: bool,
}

impl<'a> Flow<'a> {
    /// Work that has no place in flight yet: an echo needs none.
    pub(crate) fn new(pass: &'a Pass<'a>) -> Self {
        let bulk = pass.engine.bulk(pass.target_role()).clone();
        Self { pass, permit: None, coming: None, bulk, writes: 0, noted: None, source_read: false }
    }

    /// Forgets what belongs to the identity before.
    pub(crate) fn begin_identity(&mut self) {
        (self.writes, self.source_read) = (0, false);
    }

    /// Gives the place in flight back, so that others go on while this work waits for its turn at a registry, whose
    /// limits are by far the lowest. Whoever needs a place again takes it.
    pub(crate) fn step_aside(&mut self) {
        self.permit = None;
    }

    /// A second place in flight for a call beside the first, if one is free.
    pub(crate) fn second_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.pass.engine.in_flight).try_acquire_owned().ok()
    }

    /// Takes a place in flight, if it has none: at first, and after a create has given it back.
    pub(crate) async fn take_place(&mut self) {
        if self.permit.is_none() {
            self.coming = Some(self.bulk.coming());
            self.permit = place(&self.pass.engine.in_flight).await;
        }
    }

    /// Creates a device in bulk; the place in flight is given back, so that reads go on while it
    /// waits for company, and is taken again only by who needs it.
    pub(crate) async fn create(&mut self, item: crate::model::Object) -> Result<(), Stop> {
        self.permit = None;
        let (_, deadline) = self.pass.for_write(self.pass.target(), OperationClass::RegistryCreate).await?;
        let result = self.bulk.create(self.coming.take(), item, deadline).await;
        self.pass.target_health.note(&result);
        result.map_err(|error| Stop::target(&error))
    }

    /// `Written` when anything was, else `Equal`.
    pub(crate) fn done(&self) -> Fate {
        match self.writes {
            0 => Fate::Equal,
            _ => Fate::Written,
        }
    }
}

async fn place(in_flight: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(in_flight).acquire_owned().await.ok()
}

/// The clock, in one place.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
