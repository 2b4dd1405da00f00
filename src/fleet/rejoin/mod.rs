//! Ending a rejoining: when every partition has passed, nothing of the former active hub is pending, and what changed has
//! been compared.
//!
//! Nothing is written to the former hub before. Then each identity that changed is settled once more, and after that
//! written from the active hub to the former one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

mod comparing;
mod list;

use super::markers::{CLOCKS, Markers};
use crate::iothub::Deadline;
use crate::model::ETag;
use crate::pending::{Entry, Listed, Pending};
use crate::reconcile::Reason;
use crate::routing::{
    HubRole, Hubs, Phase, RecordStore, RoutingRecord, StandbyState, Stored, authorship, begin_closing,
    confirm, end_comparison, end_rejoining, margin, probe_present,
};
use crate::storage::StorageError;

/// For the former hub to show that it is there.
const HUB_ANSWERS: Duration = Duration::from_secs(5);

/// Between two marks while some partitions are behind.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// Between two looks while a rejoining goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Identities compared at a time.
const AT_ONCE: usize = 32;

/// Notes counted so far.
const COUNTED: usize = 10_000;

/// What a rejoining waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The standby is in sync: there is nothing to end.
    InSync,
    /// A promotion is under way.
    Promoting,
    /// An operator must accept the end of a forced one.
    NotAccepted,
    /// Clients still move, until then.
    Moving(Timestamp),
    /// The former active hub does not answer.
    FormerDown(String),
    /// So many of so many partitions have passed.
    Partitions(usize, usize),
    /// So many identities are pending.
    Pending(usize),
    /// The comparison goes on: so many identities were compared in this run.
    Comparing(usize),
}

/// Ends rejoinings. One process at a time does it.
#[derive(Debug)]
pub struct Rejoin {
    pending: Pending,
    records: RecordStore,
    hubs: Hubs,
    valid_for: Duration,
    by: String,
    marks: Mutex<Option<(u64, Instant)>>,
    /// The record that was read last, and since when it is known.
    seen: Mutex<Option<(ETag, Instant)>>,
    markers: tokio::sync::Mutex<Option<(HubRole, Markers)>>,
}

impl Rejoin {
    /// `valid_for` is how long devices keep the router's answer.
    pub fn new(pending: Pending, records: RecordStore, hubs: Hubs, valid_for: Duration, by: String) -> Self {
        let (marks, seen, markers) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self { pending, records, hubs, valid_for, by, marks, seen, markers }
    }

    /// When clients that follow the router have moved twice over.
    pub fn ends_after(record: &RoutingRecord, valid_for: Duration) -> Timestamp {
        let moved = record.lease() * 2 + margin(record.lease()) + valid_for * 2;
        record.cut.unwrap_or(record.changed_at).saturating_add(moved).unwrap_or(Timestamp::MAX)
    }

    /// Goes on until there is nothing more to do now, or `deadline`.
    pub async fn run(&self, deadline: Deadline) {
        let mut said = None;
        while !deadline.is_over() {
            let stage = match self.advance(deadline).await {
                Ok(stage) => stage,
                Err(why) => return tracing::warn!(why, "the rejoining does not go on"),
            };
            let goes_on = matches!(stage, Stage::Partitions(..) | Stage::Comparing(_));
            if stage != Stage::InSync && said.as_ref() != Some(&stage) {
                tracing::info!(?stage, "rejoining");
            }
            if !goes_on {
                return;
            }
            said = Some(stage);
            tokio::time::sleep(LOOK_EVERY.min(deadline.left())).await;
        }
    }

    /// Goes as far as it can now, until `deadline`; gives what it waits for.
    ///
    /// # Errors
    /// Storage, in words.
    pub async fn advance(&self, deadline: Deadline) -> Result<Stage, String> {
        let Some(stored) = self.records.read().await.map_err(|error| error.to_string())? else {
            return Err("there is no routing record".to_owned());
        };
        if let Some(why) = self.records.other_hubs(&stored.record) {
            return Err(why);
        }
        match (stored.record.phase, stored.record.standby_state) {
            (Phase::Promoting, _) => Ok(Stage::Promoting),
            (Phase::Steady, StandbyState::InSync) => self.compare_the_rest(&stored, deadline).await,
            (Phase::Steady, StandbyState::Rejoining) if stored.record.closing => {
                self.close(&stored, deadline).await
            }
            (Phase::Steady, StandbyState::Rejoining) => match self.waits_for(&stored.record, deadline).await?
            {
                Some(stage) => Ok(stage),
                None => self.begin_closing(&stored, deadline).await,
            },
        }
    }

    /// What a rejoining waits for, nothing of it done.
    ///
    /// # Errors
    /// Storage, in words.
    pub async fn look(&self, record: &RoutingRecord) -> Result<Stage, String> {
        if record.standby_state == StandbyState::InSync {
            return Ok(Stage::InSync);
        }
        let due = Self::ends_after(record, self.valid_for);
        if Timestamp::now() < due {
            return Ok(Stage::Moving(due));
        }
        let markers = self.markers_on(record.standby);
        let (behind, known) = markers.behind(due).await.map_err(StorageError::in_words)?;
        if !behind.is_empty() && !record.closing {
            return Ok(Stage::Partitions(known - behind.len(), known));
        }
        let count =
            self.pending.store.count(COUNTED, Entry::is_open).await.map_err(StorageError::in_words)?;
        if count > 0 && !record.closing {
            return Ok(Stage::Pending(count));
        }
        Ok(if record.planned || record.rejoin_accepted { Stage::Comparing(0) } else { Stage::NotAccepted })
    }

    fn markers_on(&self, role: HubRole) -> Markers {
        Markers::new(self.hubs.get(role).clone(), role, self.records.container().clone())
    }

    async fn waits_for(&self, record: &RoutingRecord, deadline: Deadline) -> Result<Option<Stage>, String> {
        let due = Self::ends_after(record, self.valid_for);
        if Timestamp::now() < due {
            return Ok(Some(Stage::Moving(due)));
        }
        let former = self.hubs.get(record.standby);
        if let Err(error) = probe_present(former, Deadline::after(HUB_ANSWERS).or(deadline)).await {
            return Ok(Some(Stage::FormerDown(error.to_string())));
        }
        if let Some(stage) = self.partitions(record, due, deadline).await? {
            return Ok(Some(stage));
        }
        // Some may be due: whatever is left after this run waits for more than time.
        self.pending.retry_due(None, deadline).await?;
        let count =
            self.pending.store.count(COUNTED, Entry::is_open).await.map_err(StorageError::in_words)?;
        if count > 0 {
            return Ok(Some(Stage::Pending(count)));
        }
        Ok((!record.planned && !record.rejoin_accepted).then_some(Stage::NotAccepted))
    }

    async fn partitions(
        &self,
        record: &RoutingRecord,
        due: Timestamp,
        deadline: Deadline,
    ) -> Result<Option<Stage>, String> {
        let mut kept = self.markers.lock().await;
        let (_, markers) = match kept.take_if(|(role, _)| *role == record.standby) {
            Some(kept_ones) => kept.insert(kept_ones),
            None => kept.insert((record.standby, self.markers_on(record.standby))),
        };
        let since = due.saturating_add(CLOCKS).unwrap_or(due);
        let (behind, known) = markers.behind(since).await.map_err(StorageError::in_words)?;
        if behind.is_empty() && known > 0 {
            return Ok(None);
        }
        if Timestamp::now() >= since && self.may_mark(record.epoch) {
            markers
                .mark(known, deadline)
                .await
                .map_err(|error| format!("a probe cannot be marked: {error}"))?;
        }
        Ok(Some(Stage::Partitions(known - behind.len(), known)))
    }

    fn may_mark(&self, epoch: u64) -> bool {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = marks.is_some_and(|(of, at)| of == epoch && at.elapsed() < MARK_EVERY);
        if !is_early {
            *marks = Some((epoch, Instant::now()));
        }
        !is_early
    }

    async fn begin_closing(&self, stored: &Stored, deadline: Deadline) -> Result<Stage, String> {
        let by = authorship(&self.by, &stored.record.reason);
        let closing = begin_closing(&stored.record, by).map_err(|error| error.to_string())?;
        match self.records.replace(closing, &stored.etag).await {
            Ok(stored) => self.close(&stored, deadline).await,
            Err(error) => Err(error.to_string()),
        }
    }

    /// Everybody must know that the comparison has begun before its list is read.
    async fn close(&self, stored: &Stored, deadline: Deadline) -> Result<Stage, String> {
        let Some(diverged) = stored.record.diverged else { return self.end(stored).await };
        if !self.is_known_to_all(stored) {
            return Ok(Stage::Comparing(0));
        }
        let mut parts = self.pending.changed.all_parts().await.map_err(StorageError::in_words)?;
        if stored.record.compared {
            // Every batch is held: nothing is listed any more. What is not right by now is made so in sync.
            let compared = self.compare_parts(&stored.record, &parts, deadline).await?;
            return match compared.is_cut_off {
                true => Ok(Stage::Comparing(compared.count)),
                false => self.end(stored).await,
            };
        }
        let now = Listed { epoch: diverged.epoch, closing: true, under: stored.record.epoch };
        parts.retain(|part| !now.has(part));
        let compared = self.compare_parts(&stored.record, &parts, deadline).await?;
        match compared.is_whole {
            true => self.end_comparison(stored).await,
            false => Ok(Stage::Comparing(compared.count)),
        }
    }

    /// Whether every lease that was taken under another record is over: this process has seen the record that long.
    fn is_known_to_all(&self, stored: &Stored) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, at) = match seen.take_if(|(etag, _)| *etag == stored.etag) {
            Some(before) => seen.insert(before),
            None => seen.insert((stored.etag.clone(), Instant::now())),
        };
        at.elapsed() >= stored.record.lease() + margin(stored.record.lease())
    }

    async fn end_comparison(&self, stored: &Stored) -> Result<Stage, String> {
        let by = authorship(&self.by, &stored.record.reason);
        let compared = end_comparison(&stored.record, by).map_err(|error| error.to_string())?;
        self.records.replace(compared, &stored.etag).await.map_err(|error| error.to_string())?;
        Ok(Stage::Comparing(0))
    }

    async fn end(&self, stored: &Stored) -> Result<Stage, String> {
        let by = authorship(&self.by, &stored.record.reason);
        let ended = end_rejoining(&stored.record, by).map_err(|error| error.to_string())?;
        let ended = self.records.replace(ended, &stored.etag).await.map_err(|error| error.to_string())?;
        confirm(&self.records, &ended.record).await.map_err(|error| error.to_string())?;
        tracing::info!(epoch = stored.record.epoch, standby = %stored.record.standby, "in sync again");
        // What was listed meanwhile comes next.
        Ok(Stage::Comparing(0))
    }

    /// In sync, what was listed while the comparison went on is made right as anything else is.
    async fn compare_the_rest(&self, stored: &Stored, deadline: Deadline) -> Result<Stage, String> {
        let parts = match self.pending.changed.all_parts().await {
            Err(StorageError::NoContainer) => return Ok(Stage::InSync),
            parts => parts.map_err(StorageError::in_words)?,
        };
        let compared = self.compare_parts(&stored.record, &parts, deadline).await?;
        if compared.is_whole && self.is_known_to_all(stored) {
            self.forget_rests(stored, deadline).await?;
        }
        Ok(if compared.is_whole { Stage::InSync } else { Stage::Comparing(compared.count) })
    }

    /// Notes that were kept for the rejoining. Whoever took a lease before its end settles by them until then; a promotion
    /// keeps new ones.
    async fn forget_rests(&self, stored: &Stored, deadline: Deadline) -> Result<(), String> {
        let store = &self.pending.store;
        let mut next = None;
        loop {
            let page = store.page(next.as_deref()).await.map_err(StorageError::in_words)?;
            let is_old = |entry: &&Entry| {
                entry.reason == Some(Reason::Rejoining) && entry.epoch <= stored.record.epoch
            };
            let old: Vec<&Entry> = page.entries.iter().filter(is_old).collect();
            for some in old.chunks(AT_ONCE) {
                if deadline.is_over() || !self.is_current(stored).await? {
                    return Ok(());
                }
                let forgotten = some.iter().map(|entry| store.forget_rest(&entry.id, stored.record.epoch));
                futures::future::try_join_all(forgotten).await.map_err(StorageError::in_words)?;
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    async fn is_current(&self, stored: &Stored) -> Result<bool, String> {
        let now = self.records.read().await.map_err(|error| error.to_string())?;
        Ok(now.is_some_and(|now| now.etag == stored.etag))
    }
}
