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
    let item = |pump: &Pump| pump.bulk_item(&json!({ "site": "north" }), &json!({ "rate": 0 }));
    let items: Vec<Value> = pumps.iter().map(item).collect();
    all(items.chunks(BULK_LIMIT).map(|chunk| hub.create_bulk(chunk))).await
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
