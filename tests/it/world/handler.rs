//! The handler without a host: the test itself speaks the host's protocol to it.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::process::Command;

use super::processes::{Process, program};
use super::{Options, World};

/// When events written by hand have happened: after the creations, and before any cut.
pub const LATER: &str = "2026-11-24T00:00:00+00:00";

/// A world without a host, with one device on the primary hub.
pub async fn with_a_device(id: &str, environment: Vec<(&'static str, String)>) -> World {
    with_a_device_in(Options { environment, ..Options::default() }, id).await
}

/// The same in a world of these options.
pub async fn with_a_device_in(options: Options, id: &str) -> World {
    let world = World::with(Options { host: false, partitions: 1, ..options }).await;
    let init = world.app(&["init"]).await;
    assert_eq!(init.code, 0, "{init:?}");
    world.primary.create(id).await;
    world
}

/// A handler process of its own.
pub struct Handler {
    pub process: Process,
    pub url: String,
    http: reqwest::Client,
}

impl World {
    /// Starts a handler as the host would, and waits until it answers.
    pub async fn handler(&self, name: &str) -> Handler {
        let port = free_port();
        let mut command = Command::new(program("iot-hadr"));
        command.env_clear().envs(self.environment.iter().cloned());
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        let process = Process::start_quietly(name, &mut command);
        let url = format!("http://127.0.0.1:{port}");
        let started = Instant::now();
        while self.http.get(&url).send().await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "{name} does not answer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Handler { process, url, http: self.http.clone() }
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Handler {
    /// Invokes a function with this body; the status and the answer.
    pub async fn invoke(&self, function: &str, body: &Value) -> (u16, Value) {
        let response = self.http.post(format!("{}/{function}", self.url)).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Delivers events as read from the log, as one batch of one partition.
    pub async fn deliver(&self, event_hub: &str, partition: u32, events: &[Value]) -> (u16, Value) {
        let function = if event_hub == "registry" { "registry-sync" } else { "twin-sync" };
        self.invoke(function, &batch(event_hub, partition, events)).await
    }
}

/// The host's envelope for `cardinality: many`, `dataType: binary`.
pub fn batch(event_hub: &str, partition: u32, events: &[Value]) -> Value {
    let nested = |values: Vec<Value>| Value::String(Value::Array(values).to_string());
    let every = |name: &str| nested(events.iter().map(|event| event[name].clone()).collect());
    let context = json!({
        "IsCheckpointingAfterInvocation": true,
        "FullyQualifiedNamespace": "127.0.0.1",
        "EventHubName": event_hub,
        "ConsumerGroup": "iot-hadr",
        "PartitionId": partition.to_string(),
    });
    json!({
        "Data": {"events": every("body")},
        "Metadata": {
            "TriggerPartitionContext": context,
            "PartitionContext": context,
            "PartitionKeyArray": nested(vec![Value::Null; events.len()]),
            "OffsetArray": every("offset"),
            "SequenceNumberArray": every("sequenceNumber"),
            "EnqueuedTimeUtcArray": every("enqueuedTimeUtc"),
            "PropertiesArray": every("properties"),
            "SystemPropertiesArray": every("systemProperties"),
            "sys": {"MethodName": "it", "UtcNow": "2026-11-24T00:00:00Z", "RandGuid": "0"},
            "RetryContext": {"RetryCount": 0, "MaxRetryCount": -1, "Exception": null, "Instance": null, "State": {}},
        },
    })
}

/// A routed twin change of a hub, written by hand.
pub fn twin_event(hub: &str, identity: &str, body: &Value, occurred: &str, sequence: i64) -> Value {
    let (device, module) = match identity.split_once('/') {
        None => (identity, None),
        Some((device, module)) => (device, Some(module)),
    };
    let mut properties = json!({
        "hubName": hub,
        "deviceId": device,
        "operationTimestamp": occurred,
        "iothub-message-schema": "twinChangeNotification",
        "opType": "updateTwin",
    });
    if let Some(module) = module {
        properties["moduleId"] = module.into();
    }
    event(body, properties, sequence)
}

/// An Event Grid event of a hub, written by hand: `DeviceCreated` or `DeviceDeleted`.
pub fn grid_event(hub: &str, device: &str, kind: &str, sequence: i64) -> Value {
    let body = json!([{
        "id": format!("{hub}-{device}-{kind}-{sequence}"),
        "topic": format!("/SUBSCRIPTIONS/0/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/{}", hub.to_uppercase()),
        "subject": format!("devices/{device}"),
        "eventType": format!("Microsoft.Devices.{kind}"),
        "eventTime": "2026-11-24T00:00:00.1234567Z",
        "dataVersion": "1",
        "metadataVersion": "1",
        "data": {"hubName": hub.to_uppercase(), "deviceId": device, "twin": {"deviceId": device, "etag": "AAAAAAAAAAE=", "deviceEtag": "null", "version": 2}},
    }]);
    event(&body, json!({}), sequence)
}

fn event(body: &Value, properties: Value, sequence: i64) -> Value {
    json!({
        "body": BASE64_STANDARD.encode(body.to_string()),
        "properties": properties,
        "systemProperties": {"content-type": "application/json", "content-encoding": "utf-8"},
        "sequenceNumber": sequence,
        "offset": (sequence * 100).to_string(),
        "enqueuedTimeUtc": "2026-11-24T00:00:01.000",
    })
}
