//! Import and export jobs.

use serde_json::Value;
use std::sync::Arc;

use super::{Answer, Call};
use crate::error::HubError;
use crate::jobs::Jobs;
use crate::store::Hub;

pub(super) async fn create(jobs: &Jobs, hub: &Arc<Hub>, call: &Call) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &jobs.create(hub, &call.json()?).await?))
}

pub(super) fn list(jobs: &Jobs) -> Answer {
    Answer::json(200, &Value::Array(jobs.list()))
}

pub(super) fn get(jobs: &Jobs, id: &str) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &jobs.get(id)?))
}

/// 204, also for a job that has ended (documented beside 200; clients take both).
pub(super) async fn cancel(jobs: &Jobs, id: &str) -> Result<Answer, HubError> {
    jobs.cancel(id).await.map(|()| Answer::nothing())
}
