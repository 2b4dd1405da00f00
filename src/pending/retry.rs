//! Paying notes off: looking again, never applying old bytes while a hub can be read.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use super::changed::{Changed, ChangedList};
use super::follow::follow;
use super::losses::LossStore;
use super::note::{At, PendingNote, Tried};
use super::settle::{Settled, settle};
use super::store::{Entry, PendingStore};
use super::terms::Terms;
use crate::iothub::{Deadline, HubClient, Lane, OperationClass};
use crate::model::{ETag, IdentityId};
use crate::reconcile::{Ask, Cause, HeldLease, Loss, Outcome, Pass, Reason, Reconciler, Work};
use crate::routing::{HubRole, RoutingRecord, StandbyState, WriteLease, probe_identity};
use crate::storage::StorageError;

/// Identities tried at a time.
const MANY_AT_ONCE: usize = 64;

/// The same under a small tier's limits; one alone asks a registry for two entries in some milliseconds.
const FEW_AT_ONCE: usize = 8;

/// Registry reads a minute from which on limits are no reason to try few at a time.
const MANY_A_MINUTE: f64 = 1_200.0;

/// How a refused registry entry is named.
const ENTRY: &str = "/identity";

/// How long a run waits for a hub that may be down.
const WAKING: Duration = Duration::from_secs(10);

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Identities that were tried.
    pub tried: usize,
    /// Identities that are right now.
    pub resolved: usize,
    /// Identities that are still pending.
    pub still_pending: usize,
}

/// The notes, and what pays them off. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pending {
    pub(crate) reconciler: Reconciler,
    pub(crate) store: PendingStore,
    pub(crate) losses: LossStore,
    pub(crate) changed: Arc<ChangedList>,
    valid_for: Duration,
}

/// Which notes of a listing are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that are due, and need no hub that is down.
    Due,
    /// All, because a person asks.
    All,
}

impl Pending {
    /// `valid_for` is how long devices keep the router's answer.
    pub fn new(reconciler: Reconciler, valid_for: Duration) -> Self {
        let container = reconciler.store.clone();
        Self {
            store: PendingStore::new(container.clone()),
            losses: LossStore::new(container.clone()),
            changed: Arc::new(ChangedList::new(container)),
            reconciler,
            valid_for,
        }
    }

    /// The notes, for whoever lists them.
    pub fn store(&self) -> &PendingStore {
        &self.store
    }

    /// The terms of a rejoining under this lease; `None` while the standby is in sync.
    pub(crate) fn terms(&self, lease: &WriteLease) -> Option<Terms> {
        match lease.standby_state {
            StandbyState::InSync => None,
            StandbyState::Rejoining => Terms::under(lease, self.valid_for),
        }
    }

    /// Tries what is due, beginning at the page `from`; gives where the next run begins, when the time was over first.
    ///
    /// # Errors
    /// Without a lease or storage, in words.
    pub async fn retry_due(
        &self,
        from: Option<String>,
        deadline: Deadline,
    ) -> Result<(Retried, Option<String>), String> {
        self.retry_from(from, Which::Due, deadline).await
    }

    /// Tries everything, due or not.
    ///
    /// # Errors
    /// Without a lease or storage, in words.
    pub async fn retry_all(&self, deadline: Deadline) -> Result<Retried, String> {
        self.retry_from(None, Which::All, deadline).await.map(|(retried, _)| retried)
    }

    /// Tries one identity; nothing is tried when it is not pending.
    ///
    /// # Errors
    /// Without a lease or storage, in words.
    pub async fn retry(&self, id: &IdentityId, deadline: Deadline) -> Result<Retried, String> {
        let run = Run::begin(self, deadline).await?;
        let mut retried = Retried::default();
        run.try_all(vec![id.clone()], &mut retried).await?;
        Ok(retried)
    }

    /// Gives up what the rejoining hub said of an identity and could not be brought over: it is named in the loss
    /// report, and no longer pending.
    ///
    /// # Errors
    /// In words.
    pub async fn give_up(&self, id: &IdentityId, record: &RoutingRecord) -> Result<(), String> {
        if record.promotion.is_some() || record.standby_state == StandbyState::InSync {
            return Err("no hub is rejoining: what is pending is what the active hub says".to_owned());
        }
        let Some((note, _)) = self.store.of(id).await.map_err(StorageError::in_words)? else {
            return Err("it is not pending".to_owned());
        };
        let said = note.slot(record.standby);
        let open = said.open_writes();
        let mut losses = match note.refused.is_empty() {
            true => Loss::of_writes(&open),
            // All else is with the active hub.
            false => Loss::of_refused(&open, &note.refused),
        };
        if said.deleted.or(said.lifecycle).is_some() {
            losses.push(Loss::of_lifecycle("deleted"));
        }
        if note.refused.iter().any(|path| path == ENTRY) {
            losses.push(Loss::of_lifecycle("its registry entry"));
        }
        self.losses.add(id, record.epoch, &losses).await.map_err(StorageError::in_words)?;
        let at = At { now: Timestamp::now(), epoch: record.epoch };
        let changed = self.store.change(id, |before| {
            let mut note = before?;
            let slot = note.slot_mut(record.standby);
            (slot.writes, slot.deleted, slot.ended, slot.created) = Default::default();
            slot.lifecycle = None;
            slot.given_up = Some(record.epoch);
            match record.closing {
                // What is refused may be what the active hub says: that is not given up. All else goes when it is tried.
                true => note.is_due(at.now),
                false => note.rests(at),
            }
            Some(note)
        });
        changed.await.map(drop).map_err(StorageError::in_words)
    }

    /// What this hub said while it was a former active one, and could not be brought over: before it is overwritten.
    pub(crate) async fn name_what_is_overwritten(
        &self,
        note: &PendingNote,
        standby: HubRole,
    ) -> Result<(), String> {
        let losses = Loss::of_writes(&note.slot(standby).open_writes());
        self.losses.add(&note.identity, note.epoch, &losses).await.map_err(StorageError::in_words)
    }

    async fn retry_from(
        &self,
        from: Option<String>,
        which: Which,
        deadline: Deadline,
    ) -> Result<(Retried, Option<String>), String> {
        let mut retried = Retried::default();
        let (mut next, mut run) = (from, None);
        loop {
            let page = self.store.page(next.as_deref()).await.map_err(StorageError::in_words)?;
            if run.is_none() && !page.entries.is_empty() {
                run = Some(Run::begin(self, deadline).await?);
            }
            if let Some(run) = &run {
                let wanted = page.entries.iter().filter(|entry| run.wants(entry, which));
                let ids = wanted.filter_map(|entry| IdentityId::from_path_segment(&entry.id)).collect();
                if !run.try_all(ids, &mut retried).await? {
                    // It goes on with this page: those that were tried wait longer than those that were not.
                    return Ok((retried, next));
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok((retried, None));
            }
        }
    }
}

/// One run, under one lease.
struct Run<'a> {
    pending: &'a Pending,
    pass: Pass<'a>,
    terms: Option<Terms>,
    down: Vec<HubRole>,
}

impl<'a> Run<'a> {
    async fn begin(pending: &'a Pending, deadline: Deadline) -> Result<Self, String> {
        let shared = &pending.reconciler;
        let lease = HeldLease::take(&shared.leases).await?;
        let terms = pending.terms(lease.lease());
        let source = terms.map_or(lease.lease().active, |terms| terms.former);
        let pass = Pass::new(shared, lease, source, deadline, Lane::Background);
        let down = pass.wake().await;
        Ok(Self { pending, pass, terms, down })
    }

    fn wants(&self, entry: &Entry, which: Which) -> bool {
        if entry.reason == Some(Reason::Rejoining) && self.terms.is_some() {
            // What was heard of a hub that was active in an earlier epoch has not been brought over from there.
            return entry.epoch < self.pass.lease.lease().epoch;
        }
        if self.terms.is_some_and(|terms| terms.compared) {
            return false;
        }
        // What an earlier epoch waited for may not be needed any more.
        let waits = entry.waits_for.is_some_and(|hub| self.down.contains(&hub));
        let is_blocked = waits && entry.epoch >= self.pass.lease.lease().epoch;
        which == Which::All || (entry.next_try <= Timestamp::now() && !is_blocked)
    }

    /// `false` when the time was over before all were tried.
    async fn try_all(&self, ids: Vec<IdentityId>, retried: &mut Retried) -> Result<bool, String> {
        let at_once = self.pass.retries_at_once();
        let (mut running, mut waiting) = (FuturesUnordered::new(), ids.into_iter());
        loop {
            while running.len() < at_once
                && !self.pass.is_over()
                && let Some(id) = waiting.next()
            {
                running.push(self.try_one(id));
            }
            let Some(ended) = running.next().await else { break };
            retried.tried += 1;
            match ended? {
                true => retried.resolved += 1,
                false => retried.still_pending += 1,
            }
        }
        Ok(waiting.next().is_none())
    }

    /// Whether it is right now.
    async fn try_one(&self, id: IdentityId) -> Result<bool, String> {
        let _held = self.pass.shared.locks.hold(&id.device).await;
        let mut work = Work::new(&self.pass);
        match &self.terms {
            Some(terms) => self.settle_one(&mut work, &id, terms).await,
            None => self.reconcile_one(&mut work, &id).await,
        }
    }

    async fn settle_one(&self, work: &mut Work<'_>, id: &IdentityId, terms: &Terms) -> Result<bool, String> {
        let Pending { store, losses, changed, .. } = self.pending;
        if terms.compared {
            return Ok(false);
        }
        let Some((note, _)) = store.of(id).await.map_err(StorageError::in_words)? else { return Ok(true) };
        // What only the former hub has, though nobody was heard to make it there, a client may just have deleted here.
        let may_create = note.reason != Reason::OnlyOnStandby || note.slot(terms.former).created.is_some();
        match settle(work, store, losses, id, terms, may_create).await {
            Ok(Settled::Done) => {
                let list = terms.list(self.pass.lease.lease().closing);
                let one = Changed { identity: id.clone(), deleted: false };
                changed.add(list, "pending", vec![one]).await.map_err(StorageError::in_words)?;
                tracing::info!(identity = %id, "no longer pending");
                Ok(true)
            }
            Ok(Settled::Pending(_)) => Ok(false),
            Err(outcome) => self.not_now(id, outcome).await,
        }
    }

    async fn reconcile_one(&self, work: &mut Work<'_>, id: &IdentityId) -> Result<bool, String> {
        let Some((note, etag)) = self.pending.store.of(id).await.map_err(StorageError::in_words)? else {
            return Ok(true);
        };
        self.pending.name_what_is_overwritten(&note, self.pass.target_role()).await?;
        let slot = note.slot(self.pass.source_role);
        let announced_delete = slot.deleted.or(slot.lifecycle).is_some();
        let ask = Ask { compare_registry: true, announced_delete, ..Ask::default() };
        work.begin_identity();
        match work.reconcile(id, ask).await {
            Outcome::Equal | Outcome::Absent | Outcome::Written => self.clear(&note, &etag).await,
            Outcome::OnlyOnTarget => {
                let cause = Cause::new(Reason::OnlyOnStandby, "the active hub does not have it");
                self.still(id, cause.into()).await
            }
            Outcome::SourceSilent(error) => match follow(work, &self.pending.store, id, &[], &error).await {
                Ok(()) => Ok(false),
                Err(outcome) => self.not_now(id, outcome).await,
            },
            Outcome::Pending(cause) => self.still(id, cause.into()).await,
            outcome => self.not_now(id, outcome).await,
        }
    }

    async fn not_now(&self, id: &IdentityId, outcome: Outcome) -> Result<bool, String> {
        match outcome {
            Outcome::Held(why) => Err(why),
            Outcome::TargetSilent(why) => {
                let cause = Cause::new(Reason::TargetUnreachable, why);
                let waits_for = Some(self.pass.target_role());
                self.still(id, Tried { waits_for, ..cause.into() }).await
            }
            Outcome::Pending(cause) => self.still(id, cause.into()).await,
            _ => Ok(false),
        }
    }

    async fn still(&self, id: &IdentityId, tried: Tried) -> Result<bool, String> {
        let at = At { now: Timestamp::now(), epoch: self.pass.lease.lease().epoch };
        let changed = self.pending.store.change(id, |before| {
            let mut note = before?;
            note.tried(&tried, at);
            Some(note)
        });
        changed.await.map(|_| false).map_err(StorageError::in_words)
    }

    /// Takes the note away, unless it has changed since.
    async fn clear(&self, note: &PendingNote, etag: &ETag) -> Result<bool, String> {
        match self.pending.store.clear(&note.id, etag).await {
            Ok(()) => {
                if note.reason.is_trouble() {
                    tracing::info!(identity = %note.identity, reason = %note.reason, "no longer pending");
                }
                Ok(true)
            }
            Err(StorageError::Conflict) => Ok(false),
            Err(error) => Err(error.in_words()),
        }
    }
}

impl Pass<'_> {
    /// A client that has given a hub up for a moment tries it again with one call: let that be this one. Gives the hubs
    /// that do not answer.
    async fn wake(&self) -> Vec<HubRole> {
        let Some(probe) = probe_identity() else { return Vec::new() };
        self.source().try_again();
        self.target().try_again();
        let until = Deadline::after(WAKING).or(self.work_ends);
        let (source, target) =
            futures::join!(self.source().twin(&probe, until), self.target().twin(&probe, until));
        let is_down = |answer: Result<_, crate::iothub::HubError>| {
            answer.is_err_and(|error| error.kind == crate::iothub::HubErrorKind::Unavailable)
        };
        let both =
            [(self.source_role, is_down(source.map(drop))), (self.target_role(), is_down(target.map(drop)))];
        both.into_iter().filter(|(_, down)| *down).map(|(hub, _)| hub).collect()
    }

    /// How many are tried at a time. Each holds its device's lock, also while it waits for its turn at a registry, and
    /// an event of that device waits with it: where registries have limits, only as many as keep the lines from
    /// running dry.
    fn retries_at_once(&self) -> usize {
        let is_limited = |hub: &HubClient| {
            hub.per_minute(OperationClass::RegistryRead).is_some_and(|limit| limit < MANY_A_MINUTE)
        };
        if is_limited(self.source()) || is_limited(self.target()) { FEW_AT_ONCE } else { MANY_AT_ONCE }
    }
}
