//! Import and export jobs: the registry to and from blob storage, by shared access signatures, one job at a time.
//!
//! In reading order: `request` (what is asked for), `container` and `blob` (storage, by plain REST calls),
//! `export` and `import` (the work), `job` (what a client sees of it).
//!
//! Python (`IoTHubJobManager.create_import_export_job`) sends the members it was given, Node
//! (`Registry.importDevicesFromBlob`, `exportDevicesToBlob`) its own choice of them, both in camel case.

mod blob;
mod container;
mod export;
mod import;
mod job;
mod request;

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{ErrorCode, HubError};
use crate::store::Hub;
use container::StorageError;
use job::{Job, Outcome};
use request::{Kind, Request};

/// How many jobs are remembered, the youngest: a real hub keeps those of 30 days (documented).
const REMEMBERED: usize = 1000;

/// The jobs of one hub. They end with it.
#[derive(Debug)]
pub struct Jobs {
    /// One job at a time, whatever the tier (documented).
    slot: Arc<Semaphore>,
    history: Mutex<VecDeque<Arc<Job>>>,
    stop: CancellationToken,
    _stopped_with_this: DropGuard,
}

impl Default for Jobs {
    fn default() -> Self {
        let stop = CancellationToken::new();
        Self {
            slot: Arc::new(Semaphore::new(1)),
            history: Mutex::default(),
            _stopped_with_this: stop.clone().drop_guard(),
            stop,
        }
    }
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Job>, HubError> {
        let found = self.lock().iter().find(|job| job.id == id).cloned();
        found.ok_or_else(|| HubError::new(ErrorCode::JobNotFound, format!("Job {id} not found")))
    }

    /// `POST /jobs/create`: starts a job after looking whether its containers can be used; gives it as enqueued.
    ///
    /// # Errors
    /// `JobQuotaExceeded` while another job runs, `BlobContainerValidationError` when a container cannot be reached or
    /// its signature does not allow what the job needs, `ArgumentInvalid` and others when the body is no job.
    pub async fn create(&self, hub: &Arc<Hub>, body: &Value) -> Result<Value, HubError> {
        let request = Request::read(body)?;
        let full =
            |_| HubError::new(ErrorCode::JobQuotaExceeded, "An import or export job is already running");
        let slot = Arc::clone(&self.slot).try_acquire_owned().map_err(full)?;
        request.check_access().await.map_err(|error| container::unusable(&error))?;
        let job = Arc::new(Job::new(&request, self.stop.child_token()));
        self.remember(&job);
        let told = job.created();
        tokio::spawn(run(Arc::clone(hub), request, job, slot));
        Ok(told)
    }

    fn remember(&self, job: &Arc<Job>) {
        let mut history = self.lock();
        history.push_back(Arc::clone(job));
        while history.len() > REMEMBERED {
            history.pop_front();
        }
    }

    /// `GET /jobs`: all that are remembered, the youngest first.
    #[must_use]
    pub fn list(&self) -> Vec<Value> {
        self.lock().iter().rev().map(|job| job.to_json()).collect()
    }

    /// `GET /jobs/{id}`.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub fn get(&self, id: &str) -> Result<Value, HubError> {
        Ok(self.find(id)?.to_json())
    }

    /// `DELETE /jobs/{id}`: cancels a job that has not ended, and waits for its end. What it has imported stays.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn cancel(&self, id: &str) -> Result<(), HubError> {
        self.find(id)?.cancel().await;
        Ok(())
    }
}

async fn run(hub: Arc<Hub>, request: Request, job: Arc<Job>, slot: OwnedSemaphorePermit) {
    job.start();
    let outcome = tokio::select! {
        biased;
        () = job.cancelled() => Outcome::Cancelled,
        done = work(&hub, &request, &job) => match done {
            Ok(()) => Outcome::Completed,
            Err(error) => Outcome::Failed(error.to_string()),
        },
    };
    // First, so that whoever sees the end of this job can create the next.
    drop(slot);
    tracing::info!(job = job.id, hub = hub.name, ?outcome, "a job has ended");
    job.end(outcome);
}

async fn work(hub: &Arc<Hub>, request: &Request, job: &Job) -> Result<(), StorageError> {
    match &request.kind {
        Kind::Export { blob, keys } => {
            export::devices(hub, &request.output, blob, *keys, job).await?;
            match &request.configurations {
                Some(blob) => export::configurations(hub, &request.output, blob).await,
                None => Ok(()),
            }
        }
        Kind::Import { input, blob } => {
            import::devices(hub, (input, blob), &request.output, job).await?;
            match &request.configurations {
                Some(blob) => import::configurations(hub, (input, blob), &request.output).await,
                None => Ok(()),
            }
        }
    }
}
