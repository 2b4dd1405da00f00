//! What must happen by itself, done by one process at a time: a duty.
//!
//! A duty is a blob in the app's container. Whoever holds it has written its name there by
//! compare-and-swap and does so again and again; a holder that has not been heard of for its lease and
//! a margin is followed by another. While storage is away nobody holds it, and it rests: the work waits,
//! the process lives. (A timer trigger has a lock of the host's in storage, and a host that cannot renew
//! it ends itself: observed.) A duty saves needless work. It protects nothing: what is written to a hub
//! needs a write lease all the same.
//!
//! In reading order: `document` and `term` (pure), `blob`, `lease`.

mod blob;
mod document;
mod lease;
#[cfg(test)]
mod properties;
mod term;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::blob::{DutyBlob, Outcome, PREFIX};
use self::document::Document;
use self::term::Candidate;
use crate::iothub::BootTime;
use crate::storage::{Container, StorageError};

pub use lease::{DutyLease, NotSaved};

/// Duties that are listed; there are a handful.
const LISTED: usize = 100;

/// How a duty is held.
#[derive(Debug, Clone)]
pub struct DutySettings {
    /// How long after a write of its holder it is held. It is renewed three times as often.
    pub lease: Duration,
}

/// A duty that this process is ready to do.
#[derive(Debug)]
pub struct Duty {
    blob: DutyBlob,
    holder: String,
    candidate: Candidate,
}

/// Who does a duty.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DutyHolder {
    /// The duty.
    pub name: String,
    /// The process; none when it was given back.
    pub holder: Option<String>,
    /// Since when, on that process's clock.
    pub since: Timestamp,
    /// Storage's time of the last renewal.
    pub renewed_at: Timestamp,
    /// How long it is held after that, in seconds.
    pub lease_seconds: f64,
}

impl Duty {
    /// The blob is `duties/{name}.json`; `holder` is what this process calls itself in it.
    pub fn new(container: Container, name: &'static str, holder: String, settings: DutySettings) -> Self {
        let blob = DutyBlob { container, name, lease: settings.lease };
        Self { blob, holder, candidate: Candidate::default() }
    }

    /// Takes the duty whenever nobody else has it, and then does the work, with a pause of `every`
    /// after it, until `stop`. Work that is under way when the duty ends, or at `stop`, is dropped
    /// where it stands.
    pub async fn run<W, F>(mut self, stop: CancellationToken, every: Duration, work: W)
    where
        W: Fn(DutyLease) -> F,
        F: Future<Output = ()>,
    {
        let name = self.blob.name;
        while let Some(lease) = stop.run_until_cancelled(self.taken()).await {
            tracing::info!(duty = name, "taken");
            tokio::select! {
                () = lease.keep() => tracing::info!(duty = name, "not held any more"),
                () = rounds(&lease, every, &work) => {}
                () = stop.cancelled() => lease.give_back().await,
            }
        }
    }

    async fn taken(&mut self) -> DutyLease {
        loop {
            match self.take().await {
                Ok(Some(lease)) => return lease,
                Ok(None) => {}
                Err(why) => tracing::debug!(duty = self.blob.name, %why, "cannot be taken"),
            }
            tokio::time::sleep(self.blob.lease / 3).await;
        }
    }

    /// Looks once; the duty, if it was free.
    async fn take(&mut self) -> Result<Option<DutyLease>, StorageError> {
        let found = self.blob.read().await?;
        let now = BootTime::now();
        if let Some((document, etag)) = &found
            && !self.candidate.may_take(document, etag, now)
        {
            return Ok(None);
        }
        let (cursor, etag) = match found {
            Some((document, etag)) => (document.cursor, Some(etag)),
            None => (Value::Null, None),
        };
        match self.blob.write(self.first(cursor), etag.as_ref(), self.blob.lease).await {
            Outcome::Written(term) => {
                self.candidate = Candidate::default();
                Ok(Some(DutyLease::new(self.blob.clone(), term)))
            }
            Outcome::Other(..) => Ok(None),
            Outcome::Unknown(error) => Err(error),
        }
    }

    fn first(&self, cursor: Value) -> Document {
        Document {
            holder: Some(self.holder.clone()),
            since: Timestamp::now(),
            term: document::number(),
            renewed: 0,
            nonce: document::number(),
            lease_milliseconds: u64::try_from(self.blob.lease.as_millis()).unwrap_or(u64::MAX),
            cursor,
        }
    }
}

async fn rounds<W, F>(lease: &DutyLease, every: Duration, work: &W)
where
    W: Fn(DutyLease) -> F,
    F: Future<Output = ()>,
{
    loop {
        // Where it panicked is in the log already; the next round begins anew.
        let _ = AssertUnwindSafe(work(lease.clone())).catch_unwind().await;
        tokio::time::sleep(every).await;
    }
}

/// Who does what. Needs the container.
pub async fn duties(container: &Container) -> Result<Vec<DutyHolder>, StorageError> {
    let mut holders = Vec::new();
    for path in container.list(PREFIX, LISTED).await? {
        let Some(blob) = container.get(&path).await? else { continue };
        let name = path.trim_start_matches(PREFIX).trim_end_matches(".json").to_owned();
        let document = Document::read(&blob.bytes, Duration::ZERO);
        holders.push(DutyHolder {
            name,
            lease_seconds: document.lease().as_secs_f64(),
            holder: document.holder,
            since: document.since,
            renewed_at: blob.last_modified,
        });
    }
    Ok(holders)
}
