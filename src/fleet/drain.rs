//! Before a planned promotion: all that the active hub said has been applied up to seconds ago.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::markers::{Behind, Markers};
use crate::iothub::{Deadline, HubError};
use crate::pending::{ChangedList, Entry, PendingStore};
use crate::storage::StorageError;

/// Between looks.
const POLL: Duration = Duration::from_millis(500);

/// Between marks while some partitions are behind.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// How often is said how long it may take still.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// For one round of marks.
const MARKS: Duration = Duration::from_secs(30);

/// For the comparison of what an earlier rejoining left.
const COMPARISON: Duration = Duration::from_secs(90);

/// Notes are counted so far.
const COUNTED: usize = 10_000;

/// How far the standby is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lag {
    /// Partitions whose events of some seconds ago have not been applied.
    pub behind: Vec<Behind>,
    /// Partitions that are known.
    pub partitions: usize,
    /// Identities that are not right.
    pub pending: usize,
    /// Whether what changed while a hub was rejoining is compared still.
    pub comparing: bool,
}

impl Lag {
    /// Whether nothing is left, or nothing but what is pending and is accepted. No partition known is no proof.
    pub fn is_none(&self, accept_pending: bool) -> bool {
        let has_passed = self.partitions > 0 && self.behind.is_empty();
        has_passed && !self.comparing && (accept_pending || self.pending == 0)
    }
}

/// Why it cannot be told.
#[derive(Debug, Clone)]
pub enum CannotDrain {
    /// The active hub's probes cannot be marked.
    Hub(HubError),
    /// Storage.
    Storage(StorageError),
}

/// Marks the active hub's probes and waits until every known partition has passed the marks and nothing is pending, at
/// most `at_most`. Gives how far it is then; `say` hears of it meanwhile, and how long is waited still at most.
///
/// # Errors
/// When the hub refuses the marks, or storage gives no answer.
pub async fn drain(
    mut markers: Markers,
    store: &PendingStore,
    changed: &ChangedList,
    at_most: Duration,
    accept_pending: bool,
    say: impl Fn(&Lag, Duration),
) -> Result<Lag, CannotDrain> {
    // Until what an earlier rejoining left has been compared, also who waits for no event waits.
    let longest = if at_most.is_zero() { COMPARISON } else { at_most };
    let (since, until) = (Timestamp::now(), Instant::now() + longest);
    let mut marked = None::<Instant>;
    let mut said = None::<((usize, usize, bool), Duration)>;
    loop {
        let (behind, partitions) = markers.behind(since).await.map_err(CannotDrain::Storage)?;
        let pending = match store.count(COUNTED, Entry::is_trouble).await {
            Err(StorageError::NoContainer) => 0,
            count => count.map_err(CannotDrain::Storage)?,
        };
        let comparing = match changed.all_parts().await {
            Err(StorageError::NoContainer) => false,
            parts => !parts.map_err(CannotDrain::Storage)?.is_empty(),
        };
        let lag = Lag { behind, partitions, pending, comparing };
        let waits = !at_most.is_zero() || lag.comparing;
        if lag.is_none(accept_pending) || (marked.is_some() && Instant::now() >= until) || !waits {
            return Ok(lag);
        }
        if (partitions == 0 || !lag.behind.is_empty())
            && marked.is_none_or(|marked| marked.elapsed() >= MARK_EVERY)
        {
            markers.mark(partitions, Deadline::after(MARKS)).await.map_err(CannotDrain::Hub)?;
            marked = Some(Instant::now());
        }
        marked.get_or_insert_with(Instant::now);
        let left = until.saturating_duration_since(Instant::now());
        let shown = (lag.behind.len(), lag.pending, lag.comparing);
        if said.is_none_or(|(before, at)| before != shown || at.saturating_sub(left) >= SAY_EVERY) {
            say(&lag, left);
            said = Some((shown, left));
        }
        tokio::time::sleep(POLL).await;
    }
}
