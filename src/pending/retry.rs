//! Working owed identities off: replaying means observing again, never applying old bytes.

use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::debt::Reason;
use super::engine::{Engine, Inner, work_ends};
use super::owed::{OwedBacklog, OwedNote};
use super::pass::{Fate, Flow, Pass, Task};
use super::tally::Tally;
use super::worked::Worked;
use crate::host::Reply;
use crate::iothub::{Deadline, HubClient, Lane, OperationClass};
use crate::model::{ETag, IdentityId};
use crate::routing::{StandbyState, probe_identity};

/// Notes held in memory at a time.
const AT_A_TIME: usize = 2_000;

/// Owed notes read at a time.
const READ_AT_A_TIME: usize = 16;

/// Owed identities tried at a time.
const MANY_AT_ONCE: usize = 64;

/// The same under a small tier's limits; one alone asks a registry for two entries in some milliseconds.
const FEW_AT_ONCE: usize = 8;

/// Registry reads a minute from which on limits are no reason to try few at a time.
const MANY_A_MINUTE: f64 = 1_200.0;

/// How long a sweep waits for a hub that may be down.
const WAKING: Duration = Duration::from_secs(10);

/// What a retry came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Notes that were tried.
    pub tried: usize,
    /// Identities that are right now.
    pub resolved: usize,
    /// Identities that are still owed.
    pub still_owed: usize,
}

impl Retried {
    fn and(self, more: Self) -> Self {
        Self {
            tried: self.tried + more.tried,
            resolved: self.resolved + more.resolved,
            still_owed: self.still_owed + more.still_owed,
        }
    }
}

impl Engine {
    /// One run of `fleet-sweep`: owed identities, those tried longest ago first, until the deadline.
    pub async fn sweep(&self, deadline: Deadline) -> Reply {
        self.inner.progress.flush(true).await;
        match self.retry_all(deadline).await {
            Ok(done) => {
                let line = format!(
                    "fleet-sweep: {} owed tried, {} resolved, {} still owed",
                    done.tried, done.resolved, done.still_owed
                );
                if done.tried > 0 {
                    tracing::info!("{line}");
                }
                Reply::Done(vec![line])
            }
            Err(why) => Reply::Done(vec![format!("fleet-sweep: nothing tried: {why}")]),
        }
    }

    /// Tries every owed identity again, beginning where the last run ended, so that what stays owed
    /// keeps nobody from their turn.
    pub async fn retry_all(&self, deadline: Deadline) -> Result<Retried, String> {
        let began = self.inner.swept_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut after, mut wrapped) = (began.clone(), began.is_none());
        let mut done = Retried::default();
        loop {
            let ids = self.inner.owed.ids(after.as_deref(), AT_A_TIME).await;
            let ids = ids.map_err(|error| format!("storage: {error:?}"))?;
            done = done.and(self.inner.retry(self.notes(&ids).await, deadline).await?);
            let last = ids.last().filter(|_| ids.len() == AT_A_TIME).cloned();
            let over = work_ends(deadline).is_over();
            let all_round =
                wrapped && (last.is_none() || began.as_ref().is_some_and(|id| last.as_ref() >= Some(id)));
            wrapped |= last.is_none();
            after = last;
            if over || all_round {
                *self.inner.swept_to.lock().unwrap_or_else(PoisonError::into_inner) = after;
                return Ok(done);
            }
        }
    }

    /// The notes of these ids, those tried longest ago first.
    async fn notes(&self, ids: &[String]) -> Vec<(OwedNote, ETag)> {
        let mut notes = Vec::new();
        let mut reading = FuturesUnordered::new();
        let mut waiting = ids.iter();
        loop {
            while reading.len() < READ_AT_A_TIME
                && let Some(id) = waiting.next()
            {
                reading.push(self.inner.owed.get(id));
            }
            match reading.next().await {
                Some(Ok(note)) => notes.extend(note),
                Some(Err(error)) => tracing::warn!(?error, "an owed note cannot be read"),
                None => break,
            }
        }
        notes.sort_by_key(|(note, _)| note.last_tried);
        notes
    }

    /// Tries one owed identity again; nothing is tried when it is not owed.
    pub async fn retry(&self, id: &IdentityId, deadline: Deadline) -> Result<Retried, String> {
        let note = self.inner.owed.of(id).await.map_err(|error| format!("storage: {error:?}"))?;
        self.inner.retry(note.into_iter().collect(), deadline).await
    }
}

impl Inner {
    async fn retry(&self, notes: Vec<(OwedNote, ETag)>, deadline: Deadline) -> Result<Retried, String> {
        if notes.is_empty() {
            return Ok(Retried::default());
        }
        let pass = Pass::new(self, self.warrant().await?, work_ends(deadline), Lane::Background);
        pass.wake().await;
        let at_once = pass.retries_at_once();
        let mut running = FuturesUnordered::new();
        let mut waiting = notes.into_iter();
        let mut done = Retried::default();
        let mut tally = Tally::default();
        // Where the limits leave no turn for one, they leave none for those behind it: those keep their notes as they are.
        let mut turns = true;
        loop {
            while running.len() < at_once
                && turns
                && !pass.work_ends.is_over()
                && let Some((note, etag)) = waiting.next()
            {
                running.push(pass.retry_one(note, etag));
            }
            let Some(worked) = running.next().await else { break };
            done.tried += 1;
            turns &= !worked.is_owed_for(Reason::NotReached);
            match worked.fate {
                Fate::Equal | Fate::Written | Fate::Backlog => done.resolved += 1,
                _ => done.still_owed += 1,
            }
            pass.settle(vec![worked], &mut tally).await?;
        }
        Ok(done)
    }
}

impl<'a> Pass<'a> {
    /// A client that has given a hub up for a moment tries it again with one call: let that be this
    /// one, and not the first of the owed. A hub that is down is not waited for longer.
    async fn wake(&self) {
        let Some(probe) = probe_identity() else { return };
        self.source().try_again();
        self.target().try_again();
        let until = Deadline::after(WAKING).or(self.work_ends);
        let _ = futures::join!(self.source().twin(&probe, until), self.target().twin(&probe, until));
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

    async fn retry_one(&'a self, note: OwedNote, etag: ETag) -> Worked {
        let id = note.identity.clone();
        let _held = self.engine.locks.hold(&id.device).await;
        let mut flow = Flow::new(self);
        let rejoining = self.warrant.authority().standby_state == StandbyState::Rejoining;
        let mut worked = Worked {
            id: id.clone(),
            fate: Fate::Ignored,
            at: Default::default(),
            source_read: false,
            note: Some((note, etag)),
            owed_backlog: OwedBacklog::Untouched,
            unread: Vec::new(),
        };
        let still_owed = match self.backlog_first(&mut flow, &mut worked).await {
            Ok(still_owed) => still_owed,
            Err(why) => return Worked { fate: Fate::Hold(why), ..worked },
        };
        if !rejoining {
            // The note may stand for more than its backlog: for whatever came while that was owed.
            worked.fate = flow.reconcile(&id, &Task { compare_registry: true, ..Task::default() }).await;
            worked.source_read = flow.source_read;
        } else if worked.owed_backlog == OwedBacklog::Settled {
            // Nothing is written to a rejoining hub.
            worked.fate = Fate::Backlog;
            worked.source_read = true;
        }
        worked.stays_backlog(still_owed);
        worked
    }
}
