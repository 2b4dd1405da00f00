//! Observe, want, plan, execute; and again, when somebody wrote meanwhile.

use std::time::Duration;

use super::execute::Basis;
use super::observe::{Entries, Look};
use super::outcome::{Cause, Outcome, Reason, Stop};
use super::parts::{self, Refused};
use super::plan::{self, Registry, Step, Want, plan};
use super::work::{Ask, Work};
use crate::iothub::{HubError, HubErrorKind, OperationClass};
use crate::model::{IdentityDocument, IdentityId, TwinDocument};

/// Rounds of one identity in one pass, looks after a create included.
const ROUNDS: u32 = 6;

impl Work<'_> {
    /// Makes the target what the source says, and says how that ended.
    pub(crate) async fn reconcile(&mut self, id: &IdentityId, ask: Ask) -> Outcome {
        self.begin_identity();
        self.whole = ask.whole;
        for round in 0..ROUNDS {
            if self.pass.is_over() {
                return Outcome::Pending(Cause::not_reached());
            }
            self.take_place().await;
            match self.once(id, ask).await {
                Ok(outcome) | Err(Stop::At(outcome)) => return outcome,
                Err(Stop::Again) => pause(round).await,
            }
        }
        Outcome::Pending(Cause::contended())
    }

    async fn once(&mut self, id: &IdentityId, ask: Ask) -> Result<Outcome, Stop> {
        let target = self.target_or_stop(id).await?;
        self.is_as_expected(id, target.as_ref())?;
        let is_module = id.module.is_some();
        let (source, entry) = match &target {
            None if ask.only_created && !is_module => self.source_with_entry(id).await,
            _ => (self.pass.source_twin(id).await, None),
        };
        match (target, source) {
            (_, Look::Unreachable(error)) => Ok(self.source_silent(error)),
            (None, Look::Absent) => self.absent(id),
            (Some(target), Look::Absent) if is_module => self.module_gone(id, ask, &target).await,
            (Some(target), Look::Absent) => self.gone(id, ask, &target).await,
            (None, Look::Present(source)) if is_module => self.module_missing(id, ask, &source).await,
            (None, Look::Present(source)) => self.create_from(id, ask, &source, entry).await,
            (Some(_), Look::Present(_)) if ask.create_only => Ok(self.done()),
            (Some(target), Look::Present(source)) => self.update_from(id, ask, &source, &target).await,
        }
    }

    /// The target's twin; `None` when it is absent.
    pub(crate) async fn target_or_stop(&self, id: &IdentityId) -> Result<Option<TwinDocument>, Stop> {
        match self.pass.target_twin(id).await {
            Look::Present(twin) => Ok(Some(twin)),
            Look::Absent => Ok(None),
            Look::Unreachable(error) => Err(Stop::target(&error)),
        }
    }

    /// The source gave no answer; or it may be well, and it was this work that had no time left to hear it.
    pub(crate) fn source_silent(&self, error: HubError) -> Outcome {
        match self.pass.is_over() || error.kind == HubErrorKind::NoTurn {
            true => Outcome::Pending(Cause::not_reached()),
            false => Outcome::SourceSilent(error),
        }
    }

    /// Absent on both.
    pub(crate) fn absent(&mut self, id: &IdentityId) -> Result<Outcome, Stop> {
        self.pass.shared.pairs.forget(id);
        Ok(if self.writes == 0 { Outcome::Absent } else { Outcome::Written })
    }

    /// On the target, and absent on the source: a delete needs an announcement.
    pub(crate) async fn gone(
        &mut self,
        id: &IdentityId,
        ask: Ask,
        target: &TwinDocument,
    ) -> Result<Outcome, Stop> {
        if !ask.announced_delete {
            return Ok(Outcome::OnlyOnTarget);
        }
        let plan = plan(id, Some(target), &Want::Absent, Registry::Assumed);
        for step in plan.steps {
            if let Step::Delete { etag } = step {
                return self.delete(id, target, &etag).await;
            }
        }
        Ok(self.done())
    }

    /// Twin and registry entry of the source, side by side if there is a place in flight for it.
    async fn source_with_entry(
        &self,
        id: &IdentityId,
    ) -> (Look<TwinDocument>, Option<Look<IdentityDocument>>) {
        if self.pass.source().per_minute(OperationClass::RegistryRead).is_some() {
            // A limit: its entry is asked for only when it is sure to be needed, and without a place.
            return (self.pass.source_twin(id).await, None);
        }
        if let Some(_place) = self.second_place() {
            let (twin, entry) = futures::join!(self.pass.source_twin(id), self.pass.source_identity(id));
            return (twin, Some(entry));
        }
        (self.pass.source_twin(id).await, None)
    }

    async fn create_from(
        &mut self,
        id: &IdentityId,
        ask: Ask,
        source: &TwinDocument,
        entry: Option<Look<IdentityDocument>>,
    ) -> Result<Outcome, Stop> {
        let entries = match entry {
            Some(look) => self.mapped(id, look).await?,
            None => self.source_entry(id).await?,
        };
        if let Entries::Unreadable(cause) = entries {
            return Ok(Outcome::Pending(cause));
        }
        let created = self.carry_out(id, None, source, &entries).await;
        if id.module.is_none() && self.writes > 0 && !ask.only_created && !ask.alone {
            self.modules_of(id, ask).await?;
        }
        created?;
        Ok(self.done())
    }

    /// Brings what is there to what the source says.
    pub(crate) async fn update_from(
        &mut self,
        id: &IdentityId,
        ask: Ask,
        source: &TwinDocument,
        target: &TwinDocument,
    ) -> Result<Outcome, Stop> {
        let entries = self.entries(id, ask, source, target).await?;
        self.remember_equal(id, &entries);
        self.carry_out(id, Some(target), source, &entries).await?;
        if let Entries::Unreadable(cause) = entries {
            return Ok(Outcome::Pending(cause));
        }
        if id.module.is_none() && ask.announced_delete && !ask.alone {
            // It was deleted and made again: its modules may be those of the former one.
            self.modules_of(id, ask).await?;
        }
        Ok(self.done())
    }

    fn remember_equal(&self, id: &IdentityId, entries: &Entries) {
        if let Entries::Both(from, to, scopes) = entries
            && plan::same_identity(from, to, scopes)
            && let (Some(from), Some(to)) = (from.etag(), to.etag())
        {
            self.pass.shared.pairs.remember(id, (self.pass.source_role, &from), &to);
        }
    }

    /// Plans and executes; what the plan leaves for later is how it ends.
    pub(crate) async fn carry_out(
        &mut self,
        id: &IdentityId,
        target: Option<&TwinDocument>,
        source: &TwinDocument,
        entries: &Entries,
    ) -> Result<(), Stop> {
        let plan = plan(id, target, &Want::Source(source), entries.registry());
        let source_entry = entries.source().and_then(IdentityDocument::etag);
        let basis = Basis { source: Some(source), source_entry: source_entry.as_ref() };
        let executed = self.execute(id, plan.steps, basis).await?;
        if executed.look_again {
            return Err(Stop::Again);
        }
        ends_with(&executed.refused, plan.left)
    }
}

/// What is refused by name, and what is left for later.
fn ends_with(refused: &[Refused], left: Option<Cause>) -> Result<(), Stop> {
    let cause = match (parts::cause(refused), left) {
        (Some(refused), Some(left)) => Some(refused.and(left)),
        (refused, left) => refused.or(left),
    };
    cause.map_or(Ok(()), |cause| Err(Stop::pending(cause)))
}

/// A short wait with jitter, longer each round.
async fn pause(round: u32) {
    let most = 20u64 << round.min(5);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..most))).await;
}

impl Work<'_> {
    /// Makes the target's twin this one; its registry entry stays as it is.
    pub(crate) async fn make_twin(
        &mut self,
        id: &IdentityId,
        target: &TwinDocument,
        wanted: TwinDocument,
    ) -> Result<(), Stop> {
        let plan = plan(id, Some(target), &Want::Twin(Box::new(wanted)), Registry::Assumed);
        let executed = self.execute(id, plan.steps, Basis { source: None, source_entry: None }).await?;
        ends_with(&executed.refused, plan.left)
    }

    /// Both hubs' registry entries, the source's first.
    pub(crate) async fn both_entries(
        &mut self,
        id: &IdentityId,
    ) -> Result<(IdentityDocument, IdentityDocument), Stop> {
        let there = match self.pass.target_identity(id).await {
            Look::Present(there) => there,
            Look::Absent => return Err(Stop::Again),
            Look::Unreachable(error) => return Err(Stop::target(&error)),
        };
        self.step_aside();
        let source = self.pass.source_identity(id).await;
        self.take_place().await;
        match source {
            Look::Present(source) => Ok((source, there)),
            Look::Absent => Err(Stop::Again),
            Look::Unreachable(error) => Err(Stop::pending(Cause::of_source(&error))),
        }
    }

    /// Makes the status in the target's registry entry the source's; all else stays as it is. Gives what the target refuses.
    pub(crate) async fn copy_status(
        &mut self,
        id: &IdentityId,
        target: &TwinDocument,
        theirs: &IdentityDocument,
        ours: &IdentityDocument,
    ) -> Result<Vec<Refused>, Stop> {
        let Some(etag) = ours.etag() else { return Err(Stop::Again) };
        if etag != target.device_etag && !target.device_etag.is_nothing() {
            return Err(Stop::Again);
        }
        let body = plan::with_status(id, ours, theirs);
        let step = Step::UpdateIdentity { body, etag, is_urgent: true };
        let executed = self.execute(id, vec![step], Basis { source: None, source_entry: None }).await?;
        Ok(executed.refused)
    }

    /// Makes the target's registry entry the source's; its twin stays as it is. Gives what the target refuses of it.
    pub(crate) async fn copy_entry(
        &mut self,
        id: &IdentityId,
        target: &TwinDocument,
    ) -> Result<Vec<Refused>, Stop> {
        let entries = match self.read_both(id).await? {
            Entries::Unreadable(cause) => return Err(Stop::pending(cause)),
            entries => entries,
        };
        let plan = plan(id, Some(target), &Want::Twin(Box::new(target.clone())), entries.registry());
        let source_entry = entries.source().and_then(IdentityDocument::etag);
        let basis = Basis { source: None, source_entry: source_entry.as_ref() };
        let executed = self.execute(id, plan.steps, basis).await?;
        plan.left.map_or(Ok(executed.refused), |cause| Err(Stop::pending(cause)))
    }
}

/// How two hubs differ.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Why they do.
    pub(crate) cause: Cause,
    /// The identity on the source and on the target, where both have it.
    pub(crate) twins: Option<(TwinDocument, TwinDocument)>,
}

impl From<Cause> for Difference {
    fn from(cause: Cause) -> Self {
        Self { cause, twins: None }
    }
}

impl Work<'_> {
    /// Why the two hubs are not equal, without changing anything; `None` when they are, as far as two twins show.
    ///
    /// A twin shows no keys: one that somebody else deleted and that is there again (`was_remade`) is never taken for
    /// equal by its twin alone.
    pub(crate) async fn difference(
        &mut self,
        id: &IdentityId,
        was_remade: bool,
    ) -> Result<Option<Difference>, Outcome> {
        match self.compare(id, was_remade).await {
            Ok(difference) => Ok(difference),
            Err(Stop::Again) => Ok(Some(Cause::contended().into())),
            Err(Stop::At(outcome)) => Err(outcome),
        }
    }

    async fn compare(&mut self, id: &IdentityId, was_remade: bool) -> Result<Option<Difference>, Stop> {
        let target = self.target_or_stop(id).await?;
        match (target, self.pass.source_twin(id).await) {
            (_, Look::Unreachable(error)) => Err(Stop::At(self.source_silent(error))),
            (None, Look::Absent) => Ok(None),
            (None, Look::Present(_)) => {
                Ok(Some(Cause::new(Reason::Drift, "somebody else deleted it from the standby").into()))
            }
            (Some(_), Look::Absent) => {
                Ok(Some(Cause::new(Reason::OnlyOnStandby, "the active hub does not have it").into()))
            }
            (Some(target), Look::Present(source)) => {
                let plan = plan(id, Some(&target), &Want::Source(&source), Registry::Assumed);
                let (plan, refused) = self.without_refused(id, plan);
                let alike = plan.steps.is_empty() && !plan::entries_visibly_differ(&source, &target);
                let alike = alike && (!was_remade || self.has_equal_entries(id).await?);
                let left = ends_with(&refused, plan.left).err();
                if let (true, Some(Stop::At(Outcome::Pending(cause)))) = (alike, &left)
                    && cause.reason == Reason::Rejected
                {
                    // As equal as it can be.
                    return Ok(Some(cause.clone().into()));
                }
                let is_equal = alike && left.is_none();
                let cause = Cause::new(Reason::Drift, "somebody else changed it on the standby");
                Ok((!is_equal).then_some(Difference { cause, twins: Some((source, target)) }))
            }
        }
    }

    /// Whether both hubs' registry entries say the same, keys included.
    pub(crate) async fn has_equal_entries(&mut self, id: &IdentityId) -> Result<bool, Stop> {
        Ok(match self.read_both(id).await? {
            Entries::Both(source, target, scopes) => plan::same_identity(&source, &target, &scopes),
            _ => false,
        })
    }
}
