//! The device twin protocol as a device sees it.

use super::device::Closed;
use super::over_tls::World;
use super::*;
use reqwest::Method;
use rumqttc::ConnectReturnCode;

async fn world_with(device: &str) -> World {
    let world = World::start().await;
    world.send(Method::PUT, &format!("/devices/{device}"), None, json!({})).await;
    world
}

async fn twin_of(world: &World, path: &str) -> Value {
    world.send(Method::GET, path, None, Value::Null).await.json().await.unwrap()
}

#[tokio::test]
async fn a_policys_key_reports_as_the_device_and_as_its_module() {
    let world = world_with("d").await;
    world.send(Method::PUT, "/devices/d/modules/m", None, json!({})).await;
    for (id, path) in [("d", "/twins/d"), ("d/m", "/twins/d/modules/m")] {
        let mut device = world.device(id).await;
        let patch = json!({"fw": "1.2", "gone": null, "deep": {"list": [1, 2.0]}});
        assert_eq!(device.report(&patch, None).await, Ok((204, Some(2), Value::Null)));
        let reported = &twin_of(&world, path).await["properties"]["reported"];
        assert_eq!(reported["deep"], json!({"list": [1, 2.0]}));
        assert_eq!((reported.get("gone"), &reported["$version"]), (None, &json!(2)));
    }
}

#[tokio::test]
async fn a_device_reports_with_its_own_key_and_is_connected_until_it_leaves() {
    let world = world_with("d").await;
    let mut device = world.connect("d", &world.own_pass("d").await).await.unwrap();
    assert!(device.subscribe("$iothub/twin/res/#").await);
    assert_eq!(device.report(&json!({"a": 1}), Some(1)).await, Ok((204, Some(2), Value::Null)));
    assert_eq!(twin_of(&world, "/twins/d").await["connectionState"], "Connected");
    device.leave().await;
    // The hub notices a little after the device has heard the end.
    let started = std::time::Instant::now();
    while twin_of(&world, "/twins/d").await["connectionState"] == "Connected" {
        assert!(started.elapsed().as_secs() < 20, "still connected");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stale_reported_version_is_refused_with_412_and_changes_nothing() {
    let world = world_with("d").await;
    let mut device = world.device("d").await;
    let (status, version, body) = device.report(&json!({"a": 1}), Some(7)).await.unwrap();
    assert_eq!((status, version, &body["errorCode"]), (412, None, &json!(412_001)));
    assert_eq!(twin_of(&world, "/twins/d").await["properties"]["reported"]["$version"], 1);
}

#[tokio::test]
async fn a_patch_that_breaks_the_rules_is_refused_with_400_in_the_hubs_words() {
    let world = world_with("d").await;
    let mut device = world.device("d").await;
    for patch in [json!({"$version": 3}), json!({"a.b": 1}), json!([1]), json!({"long": "x".repeat(33_000)})]
    {
        let (status, version, body) = device.report(&patch, None).await.unwrap();
        assert_eq!((status, version), (400, None), "{body}");
        assert!(body["errorCode"].as_u64().unwrap() / 1000 == 400 && body["trackingId"].is_string());
    }
}

#[tokio::test]
async fn a_device_reads_its_twin_without_tags_and_metadata() {
    let world = world_with("d").await;
    let body = json!({"tags": {"site": "A"}, "properties": {"desired": {"rate": 5}}});
    world.send(Method::PATCH, "/twins/d", None, body).await;
    let mut device = world.device("d").await;
    let wanted = json!({"desired": {"rate": 5, "$version": 2}, "reported": {"$version": 1}});
    assert_eq!(device.twin().await, Ok(wanted));
}

#[tokio::test]
async fn a_desired_patch_reaches_the_device_as_it_was_sent_with_its_version() {
    let world = world_with("d").await;
    let mut device = world.device("d").await;
    let patch = json!({"properties": {"desired": {"rate": 6, "gone": null}}});
    world.send(Method::PATCH, "/twins/d", None, patch).await;
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=2".to_owned();
    assert_eq!(device.message().await, Ok((topic, json!({"rate": 6, "gone": null, "$version": 2}))));
    world.send(Method::PUT, "/twins/d", None, json!({"properties": {"desired": {"other": 1}}})).await;
    let (_, body) = device.message().await.unwrap();
    assert_eq!(body, json!({"rate": null, "other": 1, "$version": 3}));
}

#[tokio::test]
async fn a_second_connection_of_a_device_closes_the_first_which_stays_connected_in_the_twin() {
    let world = world_with("d").await;
    let mut first = world.device("d").await;
    let mut second = world.device("d").await;
    first.closed().await;
    assert_eq!(second.report(&json!({"a": 1}), None).await, Ok((204, Some(2), Value::Null)));
    assert_eq!(twin_of(&world, "/twins/d").await["connectionState"], "Connected");
}

#[tokio::test]
async fn a_device_that_is_disabled_is_thrown_out_and_not_let_in_again() {
    let world = world_with("d").await;
    let mut device = world.device("d").await;
    let etag = twin_of(&world, "/devices/d").await["etag"].as_str().unwrap().to_owned();
    world.send(Method::PUT, "/devices/d", Some(&etag), json!({"status": "disabled"})).await;
    device.closed().await;
    let refused = world.connect("d", &world.policy_pass("d")).await.err();
    assert_eq!(refused, Some(Some(ConnectReturnCode::NotAuthorized)));
}

#[tokio::test]
async fn who_does_not_prove_who_it_is_is_refused() {
    let world = world_with("d").await;
    world.send(Method::PUT, "/devices/e", None, json!({})).await;
    let denied = Some(ConnectReturnCode::NotAuthorized);
    let mut foreign = world.own_pass("e").await;
    foreign.user_name = foreign.user_name.replace("/e/", "/d/");
    let mut unversioned = world.policy_pass("d");
    unversioned.user_name = format!("{}/d", world.host());
    let mut elsewhere = world.policy_pass("d");
    elsewhere.user_name = "other.azure-devices.net/d/?api-version=2021-04-12".to_owned();
    for pass in [foreign, unversioned, elsewhere] {
        assert_eq!(world.connect("d", &pass).await.err(), Some(denied), "{}", pass.user_name);
    }
    assert_eq!(world.connect("none", &world.policy_pass("none")).await.err(), Some(denied));
    let refused = world.connect("d", &world.policy_pass("e")).await.err();
    assert_eq!(refused, Some(Some(ConnectReturnCode::BadClientId)));
}

#[tokio::test]
async fn an_unknown_topic_closes_the_connection_and_telemetry_does_not() {
    let world = world_with("d").await;
    let mut device = world.device("d").await;
    assert!(!device.subscribe("devices/other/messages/devicebound/#").await);
    device.publish("devices/d/messages/events/", "21.5").await;
    assert!(device.twin().await.is_ok());
    device.publish("no/such/topic", "").await;
    assert_eq!(device.message().await, Err(Closed));
}

#[tokio::test]
async fn an_answer_reaches_only_who_listens() {
    let world = world_with("d").await;
    let mut device = world.connect("d", &world.policy_pass("d")).await.unwrap();
    device.publish("$iothub/twin/GET/?$rid=1", "").await;
    assert!(device.subscribe("$iothub/twin/res/#").await);
    assert!(device.twin().await.is_ok());
}
