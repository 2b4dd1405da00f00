//! Devices that only the standby has. They are never removed; whoever sets the app up should know of
//! them, because it may be the settings that are wrong.

use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind};
use crate::model::{DeviceId, IdentityId};
use crate::routing::{HubRole, Hubs};

/// Pages of the standby that are looked at, of a hundred devices each: a notice, no comparison.
const PAGES: usize = 5;
/// Twin reads at a time.
const CONCURRENT: usize = 8;
/// For all of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Names in the notice.
const SHOWN: usize = 5;

/// What of the standby was looked at.
struct Found {
    seen: usize,
    all: bool,
    strangers: Vec<DeviceId>,
}

/// In words; none when there are no such devices, or when that cannot be told now.
pub(super) async fn notice(hubs: &Hubs, active: HubRole) -> Option<String> {
    let found = look(hubs.get(active), hubs.get(active.other())).await.ok()?;
    let count = found.strangers.len();
    if count == 0 {
        return None;
    }
    let names: Vec<String> = found.strangers.iter().take(SHOWN).map(ToString::to_string).collect();
    let devices = if count == 1 { "device" } else { "devices" };
    let among = if found.all { String::new() } else { format!(" of its first {}", found.seen) };
    Some(format!(
        "the standby ({}) has {count} {devices}{among} that the active hub lacks: {}{}; they stay as they are. Is it the \
         hub you mean?",
        active.other(),
        names.join(", "),
        if count > SHOWN { ", …" } else { "" }
    ))
}

/// A hub that stops answering on the way ends it early.
async fn look(active: &HubClient, standby: &HubClient) -> Result<Found, HubError> {
    let until = Deadline::after(PATIENCE);
    let (ids, all) = first_devices(standby, until).await?;
    let mut found = Found { seen: 0, all, strangers: Vec::new() };
    let mut reads = futures::stream::iter(ids)
        .map(|id| async move { (active.twin(&IdentityId::device(id.clone()), until).await, id) })
        .buffered(CONCURRENT);
    while let Some((answer, id)) = reads.next().await {
        match answer {
            Ok(_) => {}
            Err(error) if error.kind == HubErrorKind::Absent => found.strangers.push(id),
            Err(_) => return Ok(Found { all: false, ..found }),
        }
        found.seen += 1;
    }
    Ok(found)
}

/// Ids of the first pages, and whether those are all.
async fn first_devices(hub: &HubClient, until: Deadline) -> Result<(Vec<DeviceId>, bool), HubError> {
    let (mut ids, mut continuation) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = hub.query("SELECT deviceId FROM devices", continuation.as_deref(), until).await?;
        ids.extend(page.rows.iter().filter_map(device));
        continuation = page.continuation;
        if continuation.is_none() {
            break;
        }
    }
    Ok((ids, continuation.is_none()))
}

fn device(row: &Value) -> Option<DeviceId> {
    let id: DeviceId = row.get("deviceId")?.as_str()?.parse().ok()?;
    (!id.is_probe()).then_some(id)
}
