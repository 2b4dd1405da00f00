//! Partitioned logs, in memory, of bounded size, that readers follow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

use super::Event;
use crate::stamp::Stamp;

/// What an event takes beside its content: counted against the retention, and the least by which offsets grow.
const OVERHEAD: usize = 64;

/// One event as it stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// Its sequence number, dense from 0.
    pub sequence: u64,
    /// Its offset: grows by the size of what is stored, as a real partition's does.
    pub offset: u64,
    /// When it was enqueued; never earlier than the event before.
    pub at: Stamp,
    /// The event.
    pub event: Event,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The sequence number of the oldest event that is kept, or the one that the next event gets.
    pub beginning: u64,
    /// The sequence number that the next event gets.
    pub next: u64,
    /// Offset and time of the newest event, if there is one.
    pub last: Option<(u64, Stamp)>,
}

/// Where a reader wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the oldest event that is kept.
    Earliest,
    /// After the newest.
    Latest,
    /// At the first event of at least this sequence number.
    Sequence(u64),
    /// At the first event of at least this offset.
    Offset(u64),
    /// At the first event enqueued at this time or later.
    Time(Stamp),
}

#[derive(Debug, Default)]
struct Log {
    events: VecDeque<Enqueued>,
    next: u64,
    bytes: usize,
}

/// One partition: append-only; what exceeds the retention is forgotten from the beginning on.
#[derive(Debug)]
pub struct Partition {
    log: Mutex<Log>,
    next: watch::Sender<u64>,
    /// Told of every append, whichever partition.
    grown: Arc<watch::Sender<()>>,
    retention: usize,
}

impl Partition {
    /// An empty partition that keeps so many bytes.
    #[must_use]
    pub fn new(retention: usize, grown: Arc<watch::Sender<()>>) -> Self {
        Self { log: Mutex::default(), next: watch::Sender::new(0), grown, retention }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence number that the next event gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        *self.next.borrow()
    }

    /// Where it begins and ends.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.lock().bounds()
    }

    /// Appends now; gives the sequence number.
    pub fn append(&self, event: Event) -> u64 {
        self.append_at(event, Stamp::now())
    }

    /// Appends at a time, or at that of the last event when that is later; gives the sequence number.
    pub fn append_at(&self, event: Event, now: Stamp) -> u64 {
        let mut log = self.lock();
        let sequence = log.next;
        let bounds = log.bounds();
        let offset = log.events.back().map_or(0, |last| last.offset + weight(&last.event));
        let at = bounds.last.map_or(now, |(_, last)| last.max(now));
        log.push(Enqueued { sequence, offset, at, event }, self.retention);
        // Under the lock, so that the number never goes back.
        self.next.send_replace(log.next);
        drop(log);
        self.grown.send_replace(());
        sequence
    }

    /// Puts back what [`Partition::from`] gave earlier, in order, into a partition that is empty.
    pub fn restore(&self, events: impl IntoIterator<Item = Enqueued>) {
        let mut log = self.lock();
        for enqueued in events {
            log.push(enqueued, self.retention);
        }
        self.next.send_replace(log.next);
    }

    /// At most `most` events from a sequence number on, or from the beginning when that is later.
    #[must_use]
    pub fn from(&self, sequence: u64, most: usize) -> Vec<Enqueued> {
        let log = self.lock();
        let skip = usize::try_from(sequence.saturating_sub(log.beginning())).unwrap_or(usize::MAX);
        log.events.iter().skip(skip).take(most).cloned().collect()
    }

    /// The sequence number at which a reader that wants to begin there begins.
    #[must_use]
    pub fn seek(&self, position: Position) -> u64 {
        let log = self.lock();
        let first = |before: &dyn Fn(&Enqueued) -> bool| {
            log.beginning() + u64::try_from(log.events.partition_point(before)).unwrap_or_default()
        };
        match position {
            Position::Earliest => log.beginning(),
            Position::Latest => log.next,
            Position::Sequence(sequence) => sequence.max(log.beginning()),
            Position::Offset(offset) => first(&|enqueued| enqueued.offset < offset),
            Position::Time(at) => first(&|enqueued| enqueued.at < at),
        }
    }

    /// Waits until there is an event of that sequence number, or so long.
    pub async fn reaches(&self, sequence: u64, wait: Duration) {
        let mut next = self.next.subscribe();
        let arrived = next.wait_for(|next| *next > sequence);
        // At once: what the wait gives holds the number locked, which a writer waits for with the events locked.
        drop(tokio::time::timeout(wait, arrived).await);
    }
}

impl Log {
    fn beginning(&self) -> u64 {
        self.events.front().map_or(self.next, |first| first.sequence)
    }

    fn bounds(&self) -> Bounds {
        let last = self.events.back().map(|last| (last.offset, last.at));
        Bounds { beginning: self.beginning(), next: self.next, last }
    }

    /// The newest event is always kept: the offset that follows is reckoned from it.
    fn push(&mut self, enqueued: Enqueued, retention: usize) {
        self.bytes += enqueued.event.size() + OVERHEAD;
        self.next = enqueued.sequence + 1;
        self.events.push_back(enqueued);
        while self.bytes > retention && self.events.len() > 1 {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.event.size() + OVERHEAD;
        }
    }
}

fn weight(event: &Event) -> u64 {
    u64::try_from(event.size() + OVERHEAD).unwrap_or_default()
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
