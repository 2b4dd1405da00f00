//! One piece of work: which hub is source, which is target, under which write lease, until when.

use std::time::Duration;

use super::held_lease::HeldLease;
use super::observe::{Health, Look};
use super::outcome::{Outcome, Stop};
use super::reconciler::Shared;
use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind, Lane, OperationClass};
use crate::model::{IdentityDocument, IdentityId, TwinDocument};
use crate::routing::{HubRole, probe_identity};

/// How long one read of the source, or of a registry, may take, its retries included: three of the service's own
/// pauses of 10 s (observed).
const SOURCE_PATIENCE: Duration = Duration::from_secs(30);

/// How long an event waits for its turn at a registry.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(20);

/// One piece of work from one hub to the other.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// The process.
    pub(crate) shared: &'a Shared,
    /// The write lease it is done under.
    pub(crate) lease: HeldLease,
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
    /// A pass from `source_role` to the other hub.
    pub(crate) fn new(
        shared: &'a Shared,
        lease: HeldLease,
        source_role: HubRole,
        work_ends: Deadline,
        lane: Lane,
    ) -> Self {
        let active = lease.lease().active;
        let hub = |role: HubRole| {
            let hub = shared.hub(role).in_lane(lane);
            hub.is_active(role == active);
            hub
        };
        Self {
            shared,
            lease,
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

    /// Whether what the target refused before is tried again: not for an event, but when what is pending is.
    pub(crate) fn tries_again(&self) -> bool {
        self.lane == Lane::Background
    }

    /// Whether there is no time left to begin anything.
    pub(crate) fn is_over(&self) -> bool {
        self.work_ends.left() <= Duration::from_millis(50)
    }

    /// A source that keeps saying "later" is as good as one that says nothing: the batch goes on
    /// without it, and what it said is written down. A registry's reads have no more time either: after a 429 they
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
    /// stand behind creations in the same partition: what would keep a batch for long is pending instead, and tried again
    /// at the same pace.
    fn turn_by(&self, class: OperationClass) -> Deadline {
        match (self.lane, class) {
            (Lane::Background, _)
            | (_, OperationClass::TwinRead | OperationClass::TwinWrite | OperationClass::ReportedWrite) => {
                self.work_ends
            }
            (Lane::Live, _) => Deadline::after(REGISTRY_PATIENCE).or(self.work_ends),
        }
    }

    /// Waits for the turn of a write to a hub, then for a lease, which does not last as long: the client to write
    /// with, and when the write must have ended. `Held` without a lease.
    pub(crate) async fn for_write(
        &self,
        hub: &HubClient,
        class: OperationClass,
    ) -> Result<(HubClient, Deadline), Stop> {
        let hub = self.turn(hub, class).await.map_err(|error| Stop::target(&error))?;
        Ok((hub, self.write_ends().await?))
    }

    /// When a write that is sent now must have ended. `Held` without a lease.
    pub(crate) async fn write_ends(&self) -> Result<Deadline, Stop> {
        // On the heap: it is seldom asked for, and everybody's future would hold its own.
        let ends = Box::pin(self.lease.for_write(self.work_ends));
        ends.await.map_err(|why| Stop::At(Outcome::Held(why)))
    }

    /// Whether the target answers anything at all.
    pub(crate) async fn target_answers(&self) -> bool {
        if self.target_health.has_answered() {
            return true;
        }
        let Some(id) = probe_identity() else { return false };
        match self.target().twin(&id, self.work_ends).await {
            Ok(_) => true,
            Err(error) => !matches!(error.kind, HubErrorKind::Unavailable | HubErrorKind::NoTurn),
        }
    }
}
