//! The registry to blobs.

use serde_json::{Map, Value};

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
    hub: &Hub,
    output: &Container,
    blob: &str,
    keys: bool,
    job: &Job,
) -> Result<(), StorageError> {
    let total = u64::try_from(hub.count_devices().0).unwrap_or(u64::MAX).max(1);
    let mut writer = BlobWriter::new(output, blob);
    if !keys {
        writer.line(WARNING).await?;
    }
    let mut done: u64 = 0;
    let mut after = None;
    loop {
        let page = hub.export(after.as_deref(), keys);
        for line in &page.lines {
            writer.line(&line.to_string()).await?;
        }
        done += page.devices;
        job.advance(done.saturating_mul(100) / total);
        match page.last {
            Some(last) => after = Some(last),
            None => return writer.finish().await,
        }
        // A page is much work without a wait: others have this thread, too.
        tokio::task::yield_now().await;
    }
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
