//! The registry to blobs.

use serde_json::{Map, Value};
use std::sync::Arc;

use super::blob::BlobWriter;
use super::container::{Container, StorageError};
use super::job::Job;
use crate::store::Hub;

/// The first line when keys are left out: plain text, and no device (observed; the words are this emulator's).
const WARNING: &str =
    "The keys of the identities were excluded from this export. Importing it gives them new keys.";

/// Writes every device and module, each on a line of its own.
///
/// # Errors
/// What storage says, here and below.
pub(super) async fn devices(
    hub: &Arc<Hub>,
    output: &Container,
    blob: &str,
    keys: bool,
    job: &Job,
) -> Result<(), StorageError> {
    let total = apart(hub, |hub| hub.count_devices().0).await?;
    let total = u64::try_from(total).unwrap_or(u64::MAX).max(1);
    let mut writer = BlobWriter::new(output, blob);
    if !keys {
        writer.line(WARNING).await?;
    }
    let mut done: u64 = 0;
    let mut after = None;
    loop {
        let page = apart(hub, move |hub| hub.export(after.as_deref(), keys)).await?;
        for line in &page.lines {
            writer.line(line).await?;
        }
        done += page.devices;
        job.advance(done.saturating_mul(100) / total);
        match page.last {
            Some(last) => after = Some(last),
            None => return writer.finish().await,
        }
    }
}

/// Looks at many devices on a thread apart: requests that share a worker with it would wait for it.
async fn apart<T: Send + 'static>(
    hub: &Arc<Hub>,
    look: impl FnOnce(&Hub) -> T + Send + 'static,
) -> Result<T, StorageError> {
    let hub = Arc::clone(hub);
    let looked = tokio::task::spawn_blocking(move || look(&hub)).await;
    looked.map_err(|error| StorageError::Interrupted(error.to_string()))
}

/// Writes every configuration; the names of its members begin with capitals (documented).
pub(super) async fn configurations(hub: &Hub, output: &Container, blob: &str) -> Result<(), StorageError> {
    let mut writer = BlobWriter::new(output, blob);
    for configuration in hub.configurations().list() {
        writer.line(&in_pascal_case(&configuration).to_string()).await?;
    }
    writer.finish().await
}

fn in_pascal_case(configuration: &Value) -> Value {
    let mut all = capitalised(configuration);
    if let Value::Object(all) = &mut all {
        for part in ["Content", "Metrics", "SystemMetrics"] {
            if let Some(part) = all.get_mut(part) {
                *part = capitalised(part);
            }
        }
        if let Some(etag) = all.remove("Etag") {
            all.insert("ETag".to_owned(), etag);
        }
    }
    all
}

fn capitalised(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let capital = |name: &str| {
        let mut rest = name.chars();
        rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect::<String>()
    };
    Value::Object(members.iter().map(|(name, value)| (capital(name), value.clone())).collect::<Map<_, _>>())
}
