//! What a client sees of a job.

use serde_json::{Map, Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

use super::request::{Kind, Request};
use crate::stamp::Stamp;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has looked at everything, whatever came of every single line (observed).
    Completed,
    /// Storage failed; why.
    Failed(String),
    /// It was told to stop.
    Cancelled,
}

#[derive(Debug)]
enum Progress {
    Enqueued,
    /// So many percent are done.
    Running(u64),
    Ended(Outcome, Stamp),
}

/// One job. Its containers are not in it, but for the one that clients are told (observed).
#[derive(Debug)]
pub(super) struct Job {
    /// `jobId`.
    pub(super) id: String,
    kind: &'static str,
    started: Stamp,
    output: String,
    keys_excluded: bool,
    progress: Mutex<Progress>,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Job {
    /// A job that has not begun; `stop` ends it early.
    pub(super) fn new(request: &Request, stop: CancellationToken) -> Self {
        let (kind, keys_excluded) = match request.kind {
            Kind::Export { keys, .. } => ("export", !keys),
            Kind::Import { .. } => ("import", false),
        };
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            kind,
            started: Stamp::now(),
            output: request.output.uri().to_owned(),
            keys_excluded,
            progress: Mutex::new(Progress::Enqueued),
            stop,
            ended: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It runs.
    pub(super) fn start(&self) {
        *self.lock() = Progress::Running(0);
    }

    /// So many percent are done; the last one belongs to the end.
    pub(super) fn advance(&self, percent: u64) {
        *self.lock() = Progress::Running(percent.min(99));
    }

    /// It has ended.
    pub(super) fn end(&self, outcome: Outcome) {
        *self.lock() = Progress::Ended(outcome, Stamp::now());
        self.ended.cancel();
    }

    /// Resolves when it is told to stop.
    pub(super) async fn cancelled(&self) {
        self.stop.cancelled().await;
    }

    /// Tells it to stop, and waits until it has ended.
    pub(super) async fn cancel(&self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }

    /// As the hub prints it. Names of blobs, the input container and how storage is accessed are not told (observed).
    pub(super) fn to_json(&self) -> Value {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
        put("jobId", self.id.as_str().into());
        put("startTimeUtc", self.started.to_string().into());
        put("type", self.kind.into());
        put("outputBlobContainerUri", self.output.as_str().into());
        put("excludeKeysInExport", self.keys_excluded.into());
        put("useSecondaryStorageAsSource", false.into());
        let (status, progress) = match &*self.lock() {
            Progress::Enqueued => ("enqueued", 0),
            Progress::Running(percent) => ("running", *percent),
            Progress::Ended(outcome, at) => {
                put("endTimeUtc", at.to_string().into());
                put("failureReason", reason(outcome));
                // Where a job that did not complete has stopped is not known afterwards.
                (status(outcome), if *outcome == Outcome::Completed { 100 } else { 0 })
            }
        };
        put("status", status.into());
        put("progress", progress.into());
        Value::Object(all)
    }
}

fn status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Failed(_) => "failed",
        Outcome::Cancelled => "cancelled",
    }
}

fn reason(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Failed(why) => json!(why),
        Outcome::Completed | Outcome::Cancelled => Value::Null,
    }
}
