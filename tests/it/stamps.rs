//! Kind of message, device and module come from the hub's own stamps; what else an event says is whatever somebody put
//! there.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::world::World;
use crate::world::handler::{Handler, LATER, grid_event, twin_event, with_a_device};
use crate::world::hub::Hub;
use crate::world::news::quick;
use crate::world::storage::container;

/// A handler, and the device on both hubs.
async fn copied(id: &str) -> (World, Handler) {
    let world = with_a_device(id, Vec::new()).await;
    let handler = world.handler("stamps").await;
    let created = [grid_event("primary", id, "DeviceCreated", 1)];
    world.hand_over(&handler, "registry", &created).await;
    world.secondary.forget_requests().await;
    (world, handler)
}

/// The event with these system and application properties on top of its own.
fn with(mut event: Value, stamps: Value, properties: Value) -> Value {
    for (part, more) in [("systemProperties", stamps), ("properties", properties)] {
        for (name, value) in more.as_object().unwrap() {
            event[part][name] = value.clone();
        }
    }
    event
}

fn with_body(mut event: Value, body: &[u8]) -> Value {
    event["body"] = BASE64_STANDARD.encode(body).into();
    event
}

/// What mallory sends, as a message of this source: properties and body say that it is a change of the victim's twin.
fn forged(source: &str, operation: &str, sequence: i64) -> Value {
    let body = json!({"version": 99, "deviceId": "victim", "etag": "AAAAAAAAAAk=", "tags": {"owned": 1},
        "properties": {"desired": {"rate": 9999}, "reported": {"r": 1}}});
    let event = twin_event("primary", "victim", &body, LATER, sequence);
    let stamps = json!({"iothub-message-source": source, "iothub-connection-device-id": "mallory",
        "iothub-connection-auth-method": "{}"});
    with(event, stamps, json!({"opType": operation, "iothub-message-source": "twinChangeEvents"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_device_sends_is_taken_for_a_change_of_a_twin() {
    let (world, handler) = copied("victim").await;
    world.primary.outage("refuse").await;
    let sources = [
        "Telemetry",
        "telemetry",
        "digitalTwinChangeEvents",
        "deviceConnectionStateEvents",
        "deviceJobLifecycleEvents",
        "mqttBrokerMessages",
        "something-later",
    ];
    let operations = ["replaceTwin", "updateTwin", "deleteDeviceIdentity", "createDeviceIdentity"];
    let all = sources.iter().flat_map(|source| operations.map(|operation| (*source, operation)));
    let events: Vec<Value> =
        all.zip(10..).map(|((source, operation), n)| forged(source, operation, n)).collect();
    for event_hub in ["devicetwin", "registry"] {
        assert_eq!(handler.deliver(event_hub, 0, &events).await.0, 200);
    }
    assert_eq!(world.secondary.twin("victim").await.unwrap()["tags"], Value::Null);
    world.promote("secondary", &["--force"]).await;
    world.hand_over(&handler, "devicetwin", &events).await;
    assert!(world.secondary.writes().await.is_empty(), "{:?}", world.secondary.writes().await);
    assert_eq!(world.secondary.twin("victim").await.unwrap()["tags"], Value::Null);
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
    assert!(world.dead_letters().await.is_empty(), "{:?}", world.dead_letters().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_form_of_one_text_a_body_writes_no_stamps() {
    let (world, handler) = copied("victim").await;
    world.primary.outage("refuse").await;
    let stamps =
        json!({"iothub-message-source": "twinChangeEvents", "iothub-connection-device-id": "victim"});
    let named = json!({"hubName": "primary", "deviceId": "victim", "opType": "updateTwin"});
    for own in [
        json!({"SystemProperties": stamps, "n": 1}),
        json!({"systemPropertiesArray": json!([stamps]).to_string()}),
    ] {
        let mut body =
            json!({"version": 99, "tags": {"owned": 1}, "PropertiesArray": json!([named]).to_string()});
        body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        // The host writes the body's own members over what it says of the event (read in its source).
        let mut metadata = json!({"Properties": named, "SequenceNumber": "3", "EnqueuedTimeUtc": "2026-11-24T00:00:01",
            "SystemProperties": {"iothub-message-source": "Telemetry", "iothub-connection-device-id": "mallory"}});
        for (name, value) in body.as_object().unwrap() {
            let members = metadata.as_object_mut().unwrap();
            members.retain(|key, _| !key.eq_ignore_ascii_case(name));
            members.insert(name.clone(), value.clone());
        }
        let call = json!({"Data": {"events": json!(body.to_string()).to_string()}, "Metadata": metadata});
        assert_eq!(handler.invoke("twin-sync", &call).await.0, 200);
    }
    assert!(world.secondary.writes().await.is_empty(), "{:?}", world.secondary.writes().await);
    assert_eq!(world.secondary.twin("victim").await.unwrap()["tags"], Value::Null);
}

/// Enrichments named like the hub's own properties, as they arrive when their path does not exist.
fn enriched() -> Value {
    json!({"deviceId": "$twin.tags.deviceId", "moduleId": "$twin.tags.moduleId", "opType": "$twin.tags.opType",
        "iothub-message-schema": "$twin.tags.schema", "iothub-message-source": "Telemetry", "hubName": "primary",
        "operationTimestamp": "$twin.tags.time"})
}

#[tokio::test(flavor = "multi_thread")]
async fn enrichments_named_like_the_hubs_own_properties_hide_nothing() {
    let (world, handler) = copied("real").await;
    world.primary.create_module("real", "m").await;
    world.primary.patch_twin("real", json!({"tags": {"n": 1}})).await;
    world.primary.patch_twin("real/m", json!({"tags": {"n": 2}})).await;
    let told = world.told("devicetwin", &world.primary, "real").await;
    let hidden: Vec<Value> =
        told.into_iter().skip(1).map(|event| with(event, json!({}), enriched())).collect();
    assert_eq!(handler.deliver("devicetwin", 0, &hidden).await.0, 200);
    assert_eq!(world.secondary.twin("real").await.unwrap()["tags"]["n"], 1);
    assert_eq!(world.secondary.twin("real/m").await.unwrap()["tags"]["n"], 2);

    world.primary.delete("real").await;
    let deleted = with(world.last_told(&world.primary, "real").await, json!({}), enriched());
    assert_eq!(handler.deliver("devicetwin", 0, &[deleted]).await.0, 200);
    assert!(world.secondary.twin("real").await.is_none(), "a deletion is an announcement all the same");
    assert!(world.dead_letters().await.is_empty(), "{:?}", world.dead_letters().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_enrichments_and_the_active_hub_gone_a_change_goes_to_whom_the_stamp_names() {
    let (world, handler) = copied("real").await;
    world.primary.create("other").await;
    let created = [grid_event("primary", "other", "DeviceCreated", 2)];
    assert_eq!(handler.deliver("registry", 0, &created).await.0, 200);
    world.primary.patch_twin("real", json!({"tags": {"n": 1}})).await;
    let told = world.last_told(&world.primary, "real").await;
    world.primary.outage("refuse").await;
    let hidden = with(
        told,
        json!({}),
        json!({"deviceId": "other", "moduleId": "m", "opType": "deleteDeviceIdentity"}),
    );
    assert_eq!(handler.deliver("devicetwin", 0, &[hidden]).await.0, 200);
    assert_eq!(world.secondary.twin("real").await.unwrap()["tags"]["n"], 1);
    assert_eq!(world.secondary.twin("other").await.unwrap()["tags"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_name_comes_from_its_stamp_where_that_can_be_read() {
    let (world, handler) = copied("real").await;
    world.primary.patch_twin("real", json!({"tags": {"n": 1}})).await;
    let told = world.last_told(&world.primary, "real").await;
    let hidden = with(told, json!({"user-id": "primary"}), json!({"hubName": "$twin.tags.hubName"}));
    assert_eq!(handler.deliver("devicetwin", 0, &[hidden]).await.0, 200);
    assert_eq!(world.secondary.twin("real").await.unwrap()["tags"]["n"], 1);
    assert!(world.dead_letters().await.is_empty(), "{:?}", world.dead_letters().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_names_its_identity_makes_it_be_looked_at_though_its_body_cannot_be_read() {
    let (world, handler) = copied("named").await;
    let bodies: [&[u8]; 8] = [
        b"",
        b" ",
        b"\xff\xfe",
        br#"{"tags":{"a":"\ud800"}}"#,
        b"{\"version\":3,",
        b"[]",
        b"null",
        b"[{\"version\":3}]",
    ];
    for (n, body) in (1..).zip(bodies) {
        world.primary.patch_twin("named", json!({"tags": {"n": n}})).await;
        let told = world.last_told(&world.primary, "named").await;
        // With the hub's stamps, and with its properties alone.
        let told = if n % 2 == 0 { with_body(told, body) } else { with_body(unstamped(told), body) };
        assert_eq!(handler.deliver("devicetwin", 0, &[told]).await.0, 200);
        let twin = world.secondary.twin("named").await.unwrap();
        assert_eq!(twin["tags"]["n"], n, "{}", String::from_utf8_lossy(body));
        assert_eq!(world.dead_letters().await.len(), n as usize, "the letter is kept too");
    }
    world.primary.delete("named").await;
    let deleted = with_body(world.last_told(&world.primary, "named").await, b"");
    assert_eq!(handler.deliver("devicetwin", 0, &[deleted]).await.0, 200);
    assert!(world.secondary.device("named").await.is_none(), "what its properties say holds");
    assert_eq!(world.dead_letters().await.len(), 9);
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
}

fn unstamped(mut event: Value) -> Value {
    event["systemProperties"] = json!({"content-type": "application/json"});
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unreadable_event_of_a_dead_hub_said_is_looked_at_when_the_hub_is_back() {
    let (world, handler) = copied("later").await;
    world.primary.patch_twin("later", json!({"tags": {"n": 1}})).await;
    let told = with_body(world.last_told(&world.primary, "later").await, b"\xff");
    world.primary.outage("refuse").await;
    assert_eq!(handler.deliver("devicetwin", 0, &[told]).await.0, 200);
    assert_eq!((world.pending().await.len(), world.dead_letters().await.len()), (1, 1));
    world.primary.outage("off").await;
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    assert_eq!(world.secondary.twin("later").await.unwrap()["tags"]["n"], 1);
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_event_of_a_former_active_hub_makes_it_be_looked_at_there() {
    let world = with_a_device("former", quick()).await;
    let handler = world.handler("former").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin("former", json!({"properties": {"desired": {"rate": 9}}})).await;
    let told = with_body(world.last_told(&world.primary, "former").await, b"");
    world.hand_over(&handler, "devicetwin", &[told]).await;
    assert_eq!(world.secondary.twin("former").await.unwrap()["properties"]["desired"]["rate"], 9);
    assert_eq!(world.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_an_enrichment_hides_is_looked_at_once_more_when_the_hub_does_not_show_it_yet() {
    let (world, handler) = copied("other").await;
    let stamps =
        json!({"iothub-message-source": "deviceLifecycleEvents", "iothub-connection-device-id": "late"});
    let hidden = with(twin_event("primary", "late", &json!({"version": 2}), LATER, 7), stamps, enriched());
    assert_eq!(handler.deliver("devicetwin", 0, &[hidden]).await.0, 200);
    assert!(container(&world).get("pending/late.json").await.is_some());
    world.primary.create("late").await;
    assert_eq!(world.app(&["pending", "retry", "late"]).await.code, 0);
    assert!(world.secondary.device("late").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_of_an_event_that_holds_half_a_surrogate_pair_is_taken() {
    let (world, handler) = copied("torn").await;
    let torn = async |hub: &Hub, tags: Value, body: &str| {
        hub.patch_twin("torn", json!({ "tags": tags })).await;
        with_body(world.last_told(hub, "torn").await, body.as_bytes())
    };
    world.promote("secondary", &["--force"]).await;
    // Both hubs' clients: the later one wins, and tags carry no times of their own.
    let first =
        torn(&world.primary, json!({"a": 1, "b": 1}), r#"{"version":9,"tags":{"a":1,"b":1,"t":"\ud800"}}"#)
            .await;
    let later = torn(&world.secondary, json!({"b": 2}), r#"{"version":9,"tags":{"b":2,"t":"\ud800"}}"#).await;
    world.hand_over(&handler, "devicetwin", &[later, first]).await;
    assert_eq!(world.secondary.twin("torn").await.unwrap()["tags"], json!({"a": 1, "b": 2}));
    assert_eq!(world.dead_letters().await.len(), 2, "the letters are kept too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_an_enrichment_hides_takes_no_copy_away_for_good_that_the_hub_does_not_show_for_a_moment()
 {
    let (world, handler) = copied("shown").await;
    let told = world.told("devicetwin", &world.primary, "shown").await;
    let hidden = with(told[0].clone(), json!({}), enriched());
    let body = json!({"Message": "ErrorCode:DeviceNotFound;x", "ExceptionMessage": "Tracking ID:0"});
    for (path, times) in [("/twins/shown", 2), ("/devices/shown", 1)] {
        let lag = json!({"method": "GET", "pathContains": path, "status": 404, "body": body, "times": times});
        world.primary.fault(lag).await;
    }
    assert_eq!(handler.deliver("devicetwin", 0, &[hidden]).await.0, 200);
    world.primary.clear_faults().await;
    world.app(&["pending", "retry"]).await;
    assert!(world.secondary.device("shown").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_a_property_of_one_message_hides_what_is_said_of_the_others() {
    let (world, handler) = copied("victim").await;
    for (n, value) in (1..).zip(["abc", "5", ""]) {
        world.primary.patch_twin("victim", json!({"tags": {"n": n}})).await;
        let mut told = world.last_told(&world.primary, "victim").await;
        // As the host gives it (observed).
        told["systemProperties"]["user-id"] = json!({"Length": 7, "IsEmpty": false});
        let mut telemetry = told.clone();
        // The name under which the reader of JSON hands numbers on.
        telemetry["properties"] = json!({"$serde_json::private::Number": value, "a": 1});
        telemetry["systemProperties"] =
            json!({"iothub-message-source": "Telemetry", "iothub-connection-device-id": "mallory"});
        assert_eq!(handler.deliver("devicetwin", 0, &[telemetry, told]).await.0, 200);
        assert_eq!(world.secondary.twin("victim").await.unwrap()["tags"]["n"], n, "{value:?}");
    }
    assert!(world.dead_letters().await.is_empty(), "{:?}", world.dead_letters().await);
}

/// The lifecycle event as a hub sends it whose enrichment hides what was done.
fn hidden(event: Value) -> Value {
    let stamps = json!({"iothub-message-source": "deviceLifecycleEvents"});
    with(event, stamps, json!({"opType": "x"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_on_the_former_hub_that_is_not_said_in_a_word_is_brought_over_all_the_same() {
    let (mut world, handler) = crate::switching::with_a_copy("x", quick()).await;
    world.primary.delete("x").await;
    let deleted = hidden(world.last_told(&world.primary, "x").await);
    world.promote("secondary", &[]).await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    // It might have been made, and not be shown yet.
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    world.app(&["pending", "retry"]).await;
    assert!(world.secondary.device("x").await.is_none(), "{:?}", world.pending().await);
    world.until_in_sync(handler).await;
    let there = (world.primary.device("x").await.is_some(), world.secondary.device("x").await.is_some());
    assert_eq!(there, (false, false), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_on_the_active_hub_that_is_not_said_in_a_word_is_not_undone_by_the_former_one() {
    let (world, handler) = crate::switching::with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    let late = world.last_told(&world.primary, "x").await;
    world.secondary.delete("x").await;
    let deleted = hidden(world.last_told(&world.secondary, "x").await);
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    world.hand_over(&handler, "devicetwin", &[late]).await;
    assert!(world.secondary.device("x").await.is_none(), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_on_the_former_hub_that_does_not_show_it_yet_is_kept_though_no_word_says_which_it_was()
 {
    let (mut world, handler) = crate::switching::with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.delete("x").await;
    world.primary.create("x").await;
    let made = hidden(world.last_told(&world.primary, "x").await);
    let body = json!({"Message": "ErrorCode:DeviceNotFound;x", "ExceptionMessage": "Tracking ID:0"});
    let not_yet =
        json!({"method": "GET", "pathContains": "/twins/x", "status": 404, "body": body, "times": 1});
    world.primary.fault(not_yet).await;
    world.hand_over(&handler, "devicetwin", &[made]).await;
    assert!(world.secondary.device("x").await.is_some(), "{:?}", world.pending().await);
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    world.app(&["pending", "retry"]).await;
    let keys = |device: &Value| device["authentication"]["symmetricKey"].clone();
    let both = [&world.primary, &world.secondary];
    let [there, here] = both.map(|hub| hub.device("x"));
    let (there, here) = (there.await.unwrap(), here.await.unwrap());
    assert!(keys(&there) == keys(&here), "those of its second life: {:?}", world.pending().await);
    world.until_in_sync(handler).await;
}
