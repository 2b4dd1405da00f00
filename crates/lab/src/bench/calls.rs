//! Hub calls on the wire, as the hubs counted them.

use serde_json::Value;

use crate::error::LabError;
use crate::world::World;

/// Calls of one phase at both hubs together.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Calls {
    /// Identity and twin reads, and queries.
    pub(crate) reads: u64,
    /// Bulk requests.
    pub(crate) bulk: u64,
    /// Every other write.
    pub(crate) writes: u64,
}

impl Calls {
    /// All of them.
    pub(crate) fn total(self) -> u64 {
        self.reads + self.bulk + self.writes
    }
}

/// What the hubs have counted since the last [`forget`].
///
/// # Errors
/// When the emulator does not say.
pub(crate) async fn counted(world: &World) -> Result<Calls, LabError> {
    let mut calls = Calls::default();
    for hub in [&world.primary, &world.secondary] {
        let path = format!("/hubs/{}/requests/summary", hub.name);
        add(&mut calls, &world.emulator("GET", &path, None).await?);
    }
    Ok(calls)
}

/// Makes the hubs count from nothing.
///
/// # Errors
/// When the emulator does not answer.
pub(crate) async fn forget(world: &World) -> Result<(), LabError> {
    for hub in [&world.primary, &world.secondary] {
        world.emulator("DELETE", &format!("/hubs/{}/requests", hub.name), None).await?;
    }
    Ok(())
}

fn add(calls: &mut Calls, summary: &Value) {
    for row in summary.as_array().into_iter().flatten() {
        let request = row.get("request").and_then(Value::as_str).unwrap_or_default();
        let count = row.get("count").and_then(Value::as_u64).unwrap_or_default();
        match request {
            "POST /devices/query" => calls.reads += count,
            "POST /devices" => calls.bulk += count,
            _ if request.starts_with("GET ") => calls.reads += count,
            // A connection is no call; what is sent over it is.
            _ if request.starts_with("MQTT-CONNECT ") => {}
            _ => calls.writes += count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_bulk_requests_and_single_writes_are_told_apart() {
        let mut calls = Calls::default();
        let summary = json!([
            {"request":"GET /twins/{id}","status":200,"count":7},
            {"request":"GET /twins/{id}","status":404,"count":2},
            {"request":"POST /devices/query","status":200,"count":1},
            {"request":"POST /devices","status":200,"count":3},
            {"request":"PATCH /twins/{id}","status":412,"count":4},
        ]);
        add(&mut calls, &summary);
        assert_eq!(calls, Calls { reads: 10, bulk: 3, writes: 4 });
    }
}
