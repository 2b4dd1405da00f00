//! A key where none belongs reaches no log, no reason and no dead letter.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::world::World;
use crate::world::handler::{LATER, twin_event, with_a_device};
use crate::world::storage::container;

const KEY: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

fn connection_string() -> String {
    format!("HostName=h.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}")
}

fn with_body(mut event: Value, body: &[u8]) -> Value {
    event["body"] = BASE64_STANDARD.encode(body).into();
    event
}

/// Events that lead nowhere, each with the key in another place.
fn events() -> Vec<Value> {
    let text = connection_string();
    let nobody = |n| twin_event("nobody", "d", &json!({"version": 3}), LATER, n);
    let body = |value: Value| value.to_string().into_bytes();
    let mut events = vec![
        twin_event(&text, "d", &json!({"version": 3}), LATER, 0),
        twin_event(KEY, "d", &json!({"version": 3}), LATER, 0),
        twin_event("nobody", &text, &json!({"version": 3}), LATER, 0),
        with_body(nobody(0), &body(json!([{"eventType": format!("{}{text}", "x".repeat(40)), "data": {}}]))),
        with_body(
            nobody(0),
            &body(json!([{"eventType": "Microsoft.Devices.DeviceCreated", "subject": "devices/d",
            "topic": format!("/IOTHUBS/HostName=h;SharedAccessKey=ab/{KEY}"), "data": {}}])),
        ),
        with_body(nobody(0), text.as_bytes()),
        with_body(nobody(0), &[b"\xff".as_slice(), text.as_bytes()].concat()),
        with_body(nobody(0), &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        with_body(nobody(0), &body(json!({"tags": {"note": text}}))),
        with_body(
            nobody(0),
            &body(json!({"tags": {"a": json!({"b": json!({"primaryKey": KEY}).to_string()}).to_string()}})),
        ),
        with_body(
            nobody(0),
            &body(json!({"properties": {"desired": {"symmetricKey": {"secondaryKey": KEY}}}})),
        ),
        with_body(nobody(0), format!(r#"{{"tags":{{"a":"Shared\u0041ccessKey={KEY}"#).as_bytes()),
        with_body(nobody(0), format!("https://a.blob.core.windows.net/c?sv=1&sig={KEY}").as_bytes()),
    ];
    for (n, event) in (100..).zip(&mut events) {
        event["sequenceNumber"] = n.into();
    }
    let last = events.len() - 1;
    events[last]["properties"]["note"] = format!("AccountKey={KEY}").into();
    events[last]["properties"][format!("AccountKey={KEY}")] = 1.into();
    events[last]["systemProperties"]["correlation-id"] = text.into();
    events
}

/// All that is kept and said.
async fn kept_and_said(world: &World, handler: &str) -> String {
    let storage = container(world);
    let mut said = String::new();
    for name in storage.list("").await {
        said += &name;
        said += &String::from_utf8_lossy(&storage.get(&name).await.unwrap_or_default());
    }
    for arguments in [&["status"][..], &["status", "--json"], &["dead-letters", "list"]] {
        said += &format!("{:?}", world.app(arguments).await);
    }
    said + &handler_log(handler)
}

/// What a handler of this test has logged.
pub fn handler_log(handler: &str) -> String {
    let thread = std::thread::current().name().unwrap_or_default().replace("::", "-");
    let logs = crate::world::processes::root().join("target/test-logs");
    let read =
        |end| std::fs::read_to_string(logs.join(format!("{thread}.{handler}{end}.log"))).unwrap_or_default();
    format!("{}{}", read(""), read(".out"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_an_event_is_in_no_log_no_reason_and_no_dead_letter() {
    let world = with_a_device("unused", vec![("HADR_LOG", "trace".to_owned())]).await;
    let handler = world.handler("keys").await;
    let events = events();
    world.hand_over(&handler, "devicetwin", &events).await;
    let (_, answer) = handler.deliver("registry", 0, &events).await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 2 * events.len(), "{letters:?}");
    let said = kept_and_said(&world, "keys").await + &answer.to_string();
    // Its letters, also in base64.
    for part in [KEY, &KEY[..12], &KEY[20..], &BASE64_STANDARD.encode(KEY)[..40]] {
        let at = said.find(part).map(|at| said[at.saturating_sub(300)..at].to_owned());
        assert_eq!(at, None, "{part}");
    }
    assert!(said.contains("HostName=h.azure-devices.net"), "what is no key is still told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_a_devices_id_is_in_no_log() {
    let world = with_a_device("unused", vec![("HADR_LOG", "trace".to_owned())]).await;
    let handler = world.handler("id").await;
    let id = connection_string();
    world.secondary.create(&id).await;
    world.secondary.patch_twin(&id, json!({"tags": {"by": "hand"}})).await;
    let event = twin_event("secondary", &id, &json!({"version": 3, "tags": {"by": "hand"}}), LATER, 1);
    world.hand_over(&handler, "devicetwin", &[event]).await;
    let said = handler_log("id");
    assert!(said.contains("only-on-standby") && said.contains("h.azure-devices.net"), "{said}");
    assert!(!said.contains(&KEY[..12]));
}
