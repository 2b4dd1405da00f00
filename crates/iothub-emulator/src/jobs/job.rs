//! What a client sees of a job.

use serde_json::{Map, Value};
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

/// One job. Of its containers it has what clients are told.
#[derive(Debug)]
pub(super) struct Job {
    /// `jobId`.
    pub(super) id: String,
    kind: &'static str,
    started: Stamp,
    /// The container that an import reads.
    input: Option<String>,
    output: String,
    keys_excluded: bool,
    progress: Mutex<Progress>,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Job {
    /// A job that has not begun; `stop` ends it early.
    pub(super) fn new(request: &Request, stop: CancellationToken) -> Self {
        let (kind, keys_excluded, input) = match &request.kind {
            Kind::Export { keys, .. } => ("export", !keys, None),
            Kind::Import { input, .. } => ("import", false, Some(input.uri().to_owned())),
        };
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            kind,
            started: Stamp::now(),
            input,
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

    /// As the hub prints it in answer to its creation, and then alone with the container that it reads (recorded).
    pub(super) fn created(&self) -> Value {
        let mut all = self.to_json();
        if let (Value::Object(all), Some(input)) = (&mut all, &self.input) {
            all.insert("inputBlobContainerUri".to_owned(), input.as_str().into());
        }
        all
    }

    /// As the hub prints it. Names of blobs, the input container and how storage is accessed are not told, and a reason only
    /// of what failed (recorded).
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
                if let Outcome::Failed(why) = outcome {
                    put("failureReason", why.as_str().into());
                }
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
