//! Work for the app: devices and changes made on the primary, many at a time.

use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use crate::error::LabError;
use crate::hubs::{BULK_LIMIT, Hub};
use crate::story::cast::Pump;

/// Requests in flight; few, because every connection costs the emulator on the same cores.
const AT_ONCE: usize = 16;

/// Creates devices in bulk, each with tags and a desired property.
pub(crate) async fn create(hub: &Hub, pumps: &[Pump]) -> Result<(), LabError> {
    all(items(pumps).chunks(BULK_LIMIT).map(|chunk| hub.create_bulk(chunk))).await
}

/// Creates the same devices, keys included, on both hubs.
pub(crate) async fn create_on_both(hubs: [&Hub; 2], pumps: &[Pump]) -> Result<(), LabError> {
    let items = items(pumps);
    for hub in hubs {
        all(items.chunks(BULK_LIMIT).map(|chunk| hub.create_bulk(chunk))).await?;
    }
    Ok(())
}

/// Changes one desired property of each.
pub(crate) async fn change(hub: &Hub, pumps: &[Pump], round: u64) -> Result<(), LabError> {
    let patch = json!({ "properties": { "desired": { "rate": round } } });
    all(pumps.iter().map(|pump| {
        let patch = patch.clone();
        async move { hub.patch_twin(&pump.named(), &patch).await.map(|_| ()) }
    }))
    .await
}

fn items(pumps: &[Pump]) -> Vec<Value> {
    let item = |pump: &Pump| pump.bulk_item(&json!({ "site": "north" }), &json!({ "rate": 0 }));
    pumps.iter().map(item).collect()
}

async fn all<F>(work: impl Iterator<Item = F>) -> Result<(), LabError>
where
    F: Future<Output = Result<(), LabError>>,
{
    let mut done = stream::iter(work).buffer_unordered(AT_ONCE);
    while let Some(result) = done.next().await {
        result?;
    }
    Ok(())
}
