//! The event logs as a reader sees them.

use super::over_tls::World;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;

impl World {
    async fn page(&self, event_hub: &str, partition: u32, query: &str) -> Value {
        let logs = self.running.ready["eventLogs"].as_str().unwrap();
        let url = format!("{logs}/eventhubs/{event_hub}/partitions/{partition}/events?{query}");
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn all(&self, event_hub: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for partition in 0..4 {
            let page = self.page(event_hub, partition, "from=0&max=1000").await;
            all.extend(page["events"].as_array().unwrap().clone());
        }
        all
    }

    async fn create(&self, device: &str) {
        self.send(Method::PUT, &format!("/devices/{device}"), None, json!({})).await;
    }
}

fn body(event: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(event["body"].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_created_device_is_told_by_event_grid_and_by_a_route_and_a_module_by_the_route_alone() {
    let world = World::start().await;
    world.create("d").await;
    world.send(Method::PUT, "/devices/d/modules/m", None, json!({})).await;
    let registry = world.all("registry").await;
    assert_eq!(registry.len(), 1);
    let event = &body(&registry[0])[0];
    assert_eq!(event["eventType"], "Microsoft.Devices.DeviceCreated");
    assert_eq!(
        (&event["data"]["hubName"], &event["data"]["twin"]["deviceEtag"]),
        (&json!("PRIMARY"), &json!("null"))
    );
    let routed = world.all("devicetwin").await;
    assert_eq!(routed.len(), 2);
    let (properties, system) = (&routed[1]["properties"], &routed[1]["systemProperties"]);
    assert_eq!(
        (&properties["opType"], &properties["moduleId"]),
        (&json!("createDeviceIdentity"), &json!("m"))
    );
    assert_eq!(properties["iothub-message-schema"], "deviceLifecycleNotification");
    assert!(properties["operationTimestamp"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(system["iothub-message-source"], "deviceLifecycleEvents");
    assert_eq!(system["iothub-connection-module-id"], "m");
    assert_eq!(body(&routed[1])["moduleId"], "m");
}

#[tokio::test]
async fn a_twin_event_is_the_patch_that_was_sent_with_versions_and_metadata() {
    let world = World::start().await;
    world.create("d").await;
    let patch = json!({"tags": {"site": null}, "properties": {"desired": {"rate": 6}}});
    world.send(Method::PATCH, "/twins/d", None, patch).await;
    world.device("d").await.report(&json!({"fw": "1.3"}), None).await.unwrap();
    world.send(Method::PUT, "/twins/d", None, json!({"tags": {"a": 1}})).await;
    let bodies: Vec<Value> = world.all("devicetwin").await.iter().skip(1).map(body).collect();
    assert_eq!((&bodies[0]["version"], &bodies[0]["tags"]), (&json!(3), &json!({"site": null})));
    let desired = &bodies[0]["properties"]["desired"];
    assert_eq!((&desired["rate"], &desired["$version"]), (&json!(6), &json!(2)));
    assert_eq!(desired["$metadata"]["rate"]["$lastUpdatedVersion"], 2);
    let reported = &bodies[1]["properties"]["reported"];
    assert_eq!((&bodies[1]["version"], &reported["$version"]), (&json!(4), &json!(2)));
    assert_eq!((bodies[1].get("deviceId"), bodies[0].get("etag")), (None, None));
    assert_eq!((&bodies[2]["deviceId"], &bodies[2]["tags"]), (&json!("d"), &json!({"a": 1})));
    assert!(bodies[2]["etag"].is_string() && bodies[2]["properties"]["reported"]["fw"] == "1.3");
}

#[tokio::test]
async fn a_cleared_section_is_null_in_its_event_and_null_by_member_for_the_device() {
    let world = World::start().await;
    world.create("d").await;
    let full = json!({"tags": {"a": 1}, "properties": {"desired": {"b": {"c": 1}, "d": 2}}});
    world.send(Method::PATCH, "/twins/d", None, full.clone()).await;
    let mut device = world.device("d").await;
    let none = json!({"tags": null, "properties": {"desired": null}});
    world.send(Method::PATCH, "/twins/d", None, none.clone()).await;
    let (topic, told) = device.message().await.unwrap();
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=3");
    assert_eq!(told, json!({"b": null, "d": null, "$version": 3}));
    world.control(Method::POST, "/switches", json!({"twinEventsCarryNullSections": false})).await;
    world.send(Method::PATCH, "/twins/d", None, full).await;
    world.send(Method::PATCH, "/twins/d", None, none).await;
    let bodies: Vec<Value> = world.all("devicetwin").await.iter().map(body).collect();
    assert_eq!(bodies[2], json!({"version": 4, "tags": null, "properties": {"desired": null}}));
    assert_eq!(bodies[4]["tags"], json!({"a": null}));
    let desired = &bodies[4]["properties"]["desired"];
    assert_eq!((&desired["b"], &desired["d"], &desired["$version"]), (&json!(null), &json!(null), &json!(5)));
}

#[tokio::test]
async fn events_are_lost_doubled_and_reversed_when_asked_for() {
    let world = World::start().await;
    for (mode, times) in [("drop", 1), ("duplicate", 1), ("hold", 2)] {
        let rule = json!({"eventHub": "registry", "mode": mode, "times": times});
        world.control(Method::POST, "/events", rule).await;
    }
    for device in ["lost", "twice", "first", "second"] {
        world.create(device).await;
    }
    let barrier = world.control(Method::GET, "/barrier?waitMs=1000", Value::Null).await;
    assert_eq!((&barrier["delivered"], &barrier["held"]), (&json!(true), &json!(2)));
    world.control(Method::POST, "/events/release", json!({"order": "reverse"})).await;
    let mut events = world.all("registry").await;
    events.sort_by_key(|event| event["enqueuedTimeUtc"].as_str().unwrap().to_owned());
    let mut devices: Vec<String> =
        events.iter().map(|event| body(event)[0]["data"]["deviceId"].as_str().unwrap().to_owned()).collect();
    devices.sort();
    assert_eq!(devices, ["first", "second", "twice", "twice"]);
}

#[tokio::test]
async fn cloud_events_come_one_by_one_and_names_in_the_case_asked_for() {
    let world = World::start().await;
    let switches =
        json!({"eventGridSchema": "cloudEvents", "eventGridHubName": "lower", "routedHubName": "upper"});
    let now = world.control(Method::POST, "/switches", switches).await;
    assert_eq!(
        (&now["eventGridSchema"], &now["bulkCreateHonoursReported"]),
        (&json!("cloudEvents"), &json!(true))
    );
    world.create("d").await;
    let event = body(&world.all("registry").await[0]);
    assert_eq!((&event["specversion"], &event["data"]["hubName"]), (&json!("1.0"), &json!("primary")));
    assert_eq!(world.all("devicetwin").await[0]["properties"]["hubName"], "PRIMARY");
}

#[tokio::test]
async fn an_event_is_appended_as_it_was_given_and_wakes_who_waits_for_it() {
    let world = World::start().await;
    let event = json!({"body": "/wA=", "properties": {"n": 1}, "systemProperties": {"correlation-id": "c"}});
    let logs = world.running.ready["eventLogs"].as_str().unwrap();
    let url = format!("{logs}/eventhubs/registry/partitions/2/events");
    let (page, appended) = tokio::join!(world.page("registry", 2, "from=0&waitMs=20000"), async {
        world.client.post(&url).json(&event).send().await.unwrap().json::<Value>().await.unwrap()
    });
    assert_eq!(appended["sequenceNumber"], 0);
    let read = &page["events"][0];
    assert_eq!(
        (&read["body"], &read["properties"], &read["sequenceNumber"]),
        (&json!("/wA="), &json!({"n": 1}), &json!(0))
    );
    assert_eq!(read["systemProperties"], json!({"correlation-id": "c"}));
    assert_eq!(page["lastSequenceNumber"], 0);
    let beyond = world.page("registry", 2, "from=18446744073709551615").await;
    assert_eq!(beyond["events"], json!([]));
    assert_eq!(world.page("registry", 1, "from=0").await["lastSequenceNumber"], -1);
}

#[tokio::test]
async fn the_events_of_one_device_stay_in_one_partition_in_the_order_of_its_writes() {
    let world = World::start().await;
    world.create("d").await;
    for n in 0..20 {
        world.send(Method::PATCH, "/twins/d", None, json!({"tags": {"n": n}})).await;
    }
    let pages = futures::future::join_all((0..4).map(|at| world.page("devicetwin", at, "from=0"))).await;
    let full: Vec<&Value> = pages.iter().filter(|page| page["lastSequenceNumber"] != json!(-1)).collect();
    assert_eq!(full.len(), 1);
    let written: Vec<Value> = full[0]["events"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|event| body(event)["tags"]["n"].clone())
        .collect();
    assert_eq!(written, (0..20).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn connections_are_told_when_that_is_switched_on_and_not_before() {
    let world = World::start().await;
    world.create("d").await;
    drop(world.device("d").await);
    let so_far = world.all("devicetwin").await.len();
    world.control(Method::POST, "/switches", json!({"connectionStateEvents": true})).await;
    world.create("e").await;
    let device = world.device("e").await;
    let told = world.all("devicetwin").await;
    let event = told.iter().find(|event| event["properties"]["opType"] == "deviceConnected").unwrap();
    let said = |name: &str| event["properties"][name].as_str().unwrap().to_owned();
    assert_eq!(
        (said("deviceId"), said("iothub-message-schema")),
        ("e".to_owned(), "deviceConnectionStateNotification".to_owned())
    );
    assert_eq!(event["systemProperties"]["iothub-message-source"], "deviceConnectionStateEvents");
    let sequence = body(event)["sequenceNumber"].as_str().unwrap().to_owned();
    assert_eq!(sequence.len(), 64);
    let grid: Vec<Value> = world.all("registry").await.iter().map(|event| body(event)[0].clone()).collect();
    let connected =
        grid.iter().find(|event| event["eventType"] == "Microsoft.Devices.DeviceConnected").unwrap();
    assert_eq!(connected["data"]["deviceConnectionStateEventInfo"]["sequenceNumber"], sequence);
    assert_eq!(told.len(), so_far + 2, "the creation and the connection of e");
    drop(device);
}
