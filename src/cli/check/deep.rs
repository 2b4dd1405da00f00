//! `iot-hadr check --deep`: whether what both hubs say comes to the running app.

use std::future::pending;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::diagnosis::{Around, diagnose};
use super::finding::Finding;
use crate::cli::context::Context;
use crate::cli::output::{complain, count};
use crate::cli::status::is_silent;
use crate::fleet::{CannotTry, PathTrial, Seen};
use crate::replication::unknown_hubs;
use crate::routing::{self, HubRole, Phase};
use crate::storage::{Precondition, StorageError};

/// Written and deleted again.
pub(super) const SCRATCH_BLOB: &str = "check";

/// Between looks.
const POLL: Duration = Duration::from_millis(500);

/// How often is said how long it may take still.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What was found; none when somebody interrupted the waiting. Nothing is left behind then: what is made is removed
/// before anything is waited for, and that is not interrupted.
pub(super) async fn run(context: &Context, at_most: Duration) -> Option<Vec<Finding>> {
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()));
    let trial = match begin(context).await {
        Ok(trial) => trial,
        Err(finding) => return Some(vec![finding]),
    };
    tokio::select! {
        found = wait(context, &trial, at_most) => Some(found.unwrap_or_else(|error| vec![Finding::wrong(error.in_words())])),
        () = heard(&mut interrupt) => None,
        () = heard(&mut terminate) => None,
    }
}

/// From now on the signal ends the process no more.
fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).ok()
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

async fn begin(context: &Context) -> Result<PathTrial, Finding> {
    let (records, store, hubs) = (&context.clients.records, &context.clients.store, &context.clients.hubs);
    let record = records.read().await.map_err(|error| Finding::wrong(error.to_string()))?;
    if record.is_some_and(|stored| stored.record.phase == Phase::Promoting) {
        return Err(Finding::wrong(
            "path of events: a promotion is under way, and events are held until it is over: try again then",
        ));
    }
    let storage = |error: StorageError| Finding::wrong(format!("path of events: {error}"));
    let scratch = store.put(SCRATCH_BLOB, Bytes::from_static(b"{}"), Precondition::None).await;
    let now = scratch.map_err(storage)?.last_modified;
    store.delete(SCRATCH_BLOB, None).await.map_err(storage)?;
    PathTrial::begin(hubs, store, now).await.map_err(|cannot| match cannot {
        CannotTry::Storage(error) => storage(error),
        CannotTry::Hub(role, error) => {
            Finding::wrong(format!("path of events: the {role} hub does not let it be tried: {error}"))
        }
    })
}

/// Until all has come through, or the time is over.
async fn wait(context: &Context, trial: &PathTrial, at_most: Duration) -> Result<Vec<Finding>, StorageError> {
    let started = Instant::now();
    let mut said = None::<Instant>;
    loop {
        let seen = trial.look().await?;
        let left = at_most.saturating_sub(started.elapsed());
        if seen.missing.is_empty() || left.is_zero() {
            return found(context, &seen, started.elapsed()).await;
        }
        if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            let missing = count(seen.missing.len(), "kind");
            complain(&format!("waiting, {} s more at most: {missing} of event to come", left.as_secs()));
            said = Some(Instant::now());
        }
        tokio::time::sleep(POLL.min(left)).await;
    }
}

async fn found(context: &Context, seen: &Seen, elapsed: Duration) -> Result<Vec<Finding>, StorageError> {
    let (store, now) = (&context.clients.store, Timestamp::now());
    let hubs = [HubRole::Primary, HubRole::Secondary].map(|role| context.clients.hubs.get(role).settings());
    let [primary, secondary] = hubs;
    let duties = routing::duties(store).await?;
    let around = Around {
        names: [&primary.name, &secondary.name],
        runs: duties.iter().any(|duty| !is_silent(duty, now)),
        unknown_hubs: unknown_hubs(store, primary, secondary, now).await?,
    };
    Ok(diagnose(seen, &around, elapsed))
}
