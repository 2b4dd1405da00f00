//! Import and export jobs.

use serde_json::Value;

use super::{Answer, Call, Service};
use crate::error::HubError;

pub(super) async fn create(service: &Service, call: &Call) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &service.jobs.create(&service.hub, &call.json()?).await?))
}

pub(super) fn list(service: &Service) -> Answer {
    Answer::json(200, &Value::Array(service.jobs.list()))
}

pub(super) fn get(service: &Service, id: &str) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &service.jobs.get(id)?))
}

/// 204, also for a job that has ended (documented beside 200; clients take both).
pub(super) async fn cancel(service: &Service, id: &str) -> Result<Answer, HubError> {
    service.jobs.cancel(id).await.map(|()| Answer::nothing())
}
