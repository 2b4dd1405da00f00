//! One hub from outside: through the store's public calls, and over TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod admission;
mod bulk;
mod configurations;
mod counters;
mod deployments;
mod device;
mod devices;
mod events;
mod faults;
mod hosts;
mod http_surface;
mod kept;
mod over_tls;
mod patience;
mod preconditions;
mod queries;
mod raw;
mod reach;
mod readme;
mod recordings;
mod registry;
mod signatures;
mod subscriptions;
mod throttles;
mod websockets;

use iothub_emulator::events::Emitter;
use iothub_emulator::store::{Hub, Id, Precondition, Switches, TwinVerb, TwinWrite};
use serde_json::{Value, json};
use std::sync::Arc;

fn hub() -> Arc<Hub> {
    let (emitter, switches) = (Arc::new(Emitter::new(1)), Arc::new(Switches::default()));
    Arc::new(Hub::new("contoso", "contoso.azure-devices.net", None, emitter, switches))
}

fn hub_with(device: &str) -> Arc<Hub> {
    let hub = hub();
    hub.put_device(device, &json!({"deviceId": device}), &Precondition::Absent).unwrap();
    hub
}

fn write_twin(hub: &Hub, device: &str, verb: TwinVerb, body: &Value) -> Value {
    let write = if verb == TwinVerb::Merge { TwinWrite::read_patch(body) } else { TwinWrite::read(body) };
    let write = write.unwrap();
    hub.write_twin(&Id::device(device), &write, verb, &Precondition::Absent).unwrap()
}

fn patch(hub: &Hub, device: &str, body: &Value) -> Value {
    write_twin(hub, device, TwinVerb::Merge, body)
}

fn twin(hub: &Hub, device: &str) -> Value {
    hub.get_twin(&Id::device(device)).unwrap()
}

/// The counters of a twin: ETag as a number, version, desired and reported version.
fn counters(twin: &Value) -> [u64; 4] {
    use base64::Engine;
    let etag = base64::engine::general_purpose::STANDARD.decode(twin["etag"].as_str().unwrap()).unwrap();
    let counter = u64::from_be_bytes(etag.try_into().unwrap());
    let version = |section: &str| twin["properties"][section]["$version"].as_u64().unwrap();
    [counter, twin["version"].as_u64().unwrap(), version("desired"), version("reported")]
}
