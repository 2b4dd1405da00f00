//! How fast the requests of one class may go. Pure: time comes in as an argument.

use std::time::Duration;

use super::bucket::Bucket;
use super::search::{Search, Sent};
use super::tier::Limit;

/// A limit that is known or looked for.
#[derive(Debug, Clone)]
pub(super) enum Pace {
    /// The tier says it.
    Known(Bucket),
    /// Nobody says it.
    Sought(Search),
}

impl Pace {
    /// Keeps a limit.
    pub(super) fn known(limit: Limit) -> Self {
        Self::Known(Bucket::new(limit))
    }

    /// Looks for a limit that is no smaller than this.
    pub(super) fn sought(smallest: Limit) -> Self {
        Self::Sought(Search::new(smallest))
    }

    /// Which part of the limit is ours from now on.
    pub(super) fn share(&mut self, share: f64) {
        match self {
            Self::Known(bucket) => bucket.share(share),
            Self::Sought(search) => search.share(share),
        }
    }

    /// How many a minute flow when nothing was refused; `None` when there is no telling.
    pub(super) fn per_minute(&self, now: Duration) -> Option<f64> {
        match self {
            Self::Known(bucket) => Some(bucket.per_minute()),
            Self::Sought(search) => search.per_minute(now),
        }
    }

    /// How long `items` will have to wait; `None` when there is no telling.
    pub(super) fn expected(&mut self, now: Duration, items: u32) -> Option<Duration> {
        match self {
            Self::Known(bucket) => Some(bucket.wait(now, items)),
            Self::Sought(search) => search.expected(now, items),
        }
    }

    /// How long `items` have to wait at `now`, before they look again.
    pub(super) fn wait(&mut self, now: Duration, items: u32) -> Duration {
        match self {
            Self::Known(bucket) => bucket.wait(now, items),
            Self::Sought(search) => search.wait(now, items),
        }
    }

    /// Lets `items` go at `now`.
    pub(super) fn take(&mut self, now: Duration, items: u32) {
        match self {
            Self::Known(bucket) => bucket.take(now, items),
            Self::Sought(search) => search.take(now, items),
        }
    }

    /// The hub has refused one and named a wait.
    pub(super) fn refused(&mut self, now: Duration, wait: Duration) {
        match self {
            Self::Known(bucket) => bucket.refused(now, wait),
            Self::Sought(search) => search.refused(now, wait),
        }
    }

    /// A request is on its way; `None` when nobody needs to know how it ends.
    pub(super) fn sent(&mut self, now: Duration, items: u32) -> Option<Sent> {
        match self {
            Self::Known(_) => None,
            Self::Sought(search) => Some(search.sent(now, items)),
        }
    }

    /// The hub answered it; `timed` when the time says how the hub does.
    pub(super) fn answered(&mut self, now: Duration, sent: Sent, timed: bool) {
        if let Self::Sought(search) = self {
            search.answered(now, sent, timed);
        }
    }

    /// It ended without telling anything of the hub's limits.
    pub(super) fn failed(&mut self, sent: Sent) {
        if let Self::Sought(search) = self {
            search.failed(sent);
        }
    }
}
