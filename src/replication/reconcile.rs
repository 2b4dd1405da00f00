//! Observe, want, plan, execute; and again, when somebody wrote meanwhile.

use std::time::Duration;

use super::debt::Debt;
use super::entries::Entries;
use super::execute::Basis;
use super::observe::Look;
use super::pass::{Fate, Flow, Stop, Task};
use super::plan::{Registry, Step, plan};
use super::want::{self, Want};
use crate::iothub::OperationClass;
use crate::model::{IdentityDocument, IdentityId, TwinDocument};

/// Rounds of one identity in one pass, looks after a create included.
const ROUNDS: u32 = 6;

impl Flow<'_> {
    /// Makes the target what the source says, and says how that ended.
    pub(crate) async fn reconcile(&mut self, id: &IdentityId, task: &Task) -> Fate {
        self.begin_identity();
        for round in 0..ROUNDS {
            if self.pass.is_over() {
                return Fate::Owed(Debt::not_reached());
            }
            self.take_place().await;
            let result = match &id.module {
                None => self.device(id, task).await,
                Some(_) => self.module(id, task).await,
            };
            match result {
                Ok(fate) | Err(Stop::At(fate)) => return fate,
                Err(Stop::Again) => pause(round).await,
            }
        }
        Fate::Owed(Debt::contended())
    }

    async fn device(&mut self, id: &IdentityId, task: &Task) -> Result<Fate, Stop> {
        let target = self.target_or_stop(id).await?;
        let (source, entry) = match &target {
            None if task.only_created => self.source_with_entry(id).await,
            _ => (self.pass.source_twin(id).await, None),
        };
        match (target, source) {
            (target, Look::Unreachable(error)) => self.carried(id, target.as_ref(), task, &error).await,
            (None, Look::Absent) => self.absent(id),
            (Some(target), Look::Absent) => self.gone(id, &target).await,
            (None, Look::Present(source)) => self.create_from(id, task, &source, entry).await,
            (Some(target), Look::Present(source)) => self.update_from(id, task, &source, &target).await,
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

    /// Absent on both.
    pub(crate) fn absent(&mut self, id: &IdentityId) -> Result<Fate, Stop> {
        self.source_read = true;
        self.pass.engine.pairs.forget(id);
        Ok(self.done())
    }

    /// On the target, and absent on the source.
    pub(crate) async fn gone(&mut self, id: &IdentityId, target: &TwinDocument) -> Result<Fate, Stop> {
        self.source_read = true;
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
        task: &Task,
        source: &TwinDocument,
        entry: Option<Look<IdentityDocument>>,
    ) -> Result<Fate, Stop> {
        self.source_read = true;
        let entries = match entry {
            Some(look) => self.mapped(id, look).await?,
            None => self.source_entry(id).await?,
        };
        if let Entries::Unreadable(debt) = entries {
            return Ok(Fate::Owed(debt));
        }
        let created = self.carry_out(id, None, source, &entries).await;
        if id.module.is_none() && self.writes > 0 && !task.only_created && !task.alone {
            self.modules_of(id).await?;
        }
        created?;
        Ok(self.done())
    }

    /// Brings what is there to what the source says.
    pub(crate) async fn update_from(
        &mut self,
        id: &IdentityId,
        task: &Task,
        source: &TwinDocument,
        target: &TwinDocument,
    ) -> Result<Fate, Stop> {
        self.source_read = true;
        let entries = self.entries(id, task, source, target).await?;
        self.remember_equal(id, &entries);
        self.carry_out(id, Some(target), source, &entries).await?;
        if let Entries::Unreadable(debt) = entries {
            return Ok(Fate::Owed(debt));
        }
        if id.module.is_none() && task.deleted && !task.alone {
            // It was deleted and made again: its modules may be those of the former one.
            self.modules_of(id).await?;
        }
        Ok(self.done())
    }

    fn remember_equal(&self, id: &IdentityId, entries: &Entries) {
        if let Entries::Both(from, to, scopes) = entries
            && want::same_identity(from, to, scopes)
            && let (Some(from), Some(to)) = (from.etag(), to.etag())
        {
            self.pass.engine.pairs.remember(id, (self.pass.source_role, &from), &to);
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
        if self.execute(id, plan.steps, basis).await? {
            return Err(Stop::Again);
        }
        plan.owed.map_or(Ok(()), |debt| Err(Stop::owe(debt)))
    }
}

/// A short wait with jitter, longer each round.
async fn pause(round: u32) {
    let most = 20u64 << round.min(5);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..most))).await;
}
