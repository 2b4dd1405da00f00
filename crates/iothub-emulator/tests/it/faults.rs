//! Trouble on request, for both protocols.

use super::device::Closed;
use super::over_tls::World;
use super::*;
use reqwest::Method;
use rumqttc::ConnectReturnCode;

async fn world_with_device() -> World {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    world
}

impl World {
    async fn on_hub(&self, path: &str, body: Value) -> Value {
        self.control(Method::POST, &format!("/hubs/primary{path}"), body).await
    }

    async fn requested(&self, method: &str) -> bool {
        let requests = self.control(Method::GET, "/hubs/primary/requests", Value::Null).await;
        requests.as_array().unwrap().iter().any(|request| request["method"] == method)
    }

    async fn reported(&self) -> Value {
        let twin: Value = self.send(Method::GET, "/twins/d", None, Value::Null).await.json().await.unwrap();
        twin["properties"]["reported"]["a"].clone()
    }
}

#[tokio::test]
async fn a_fault_strikes_only_what_matches_and_only_so_often() {
    let world = world_with_device().await;
    let fault = json!({"method": "PATCH", "pathContains": "/twins/d", "status": 500, "times": 2});
    world.on_hub("/faults", fault).await;
    let body = json!({"tags": {"a": 1}});
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.send(Method::PATCH, "/twins/d", None, body.clone()).await.status().as_u16());
        assert_eq!(world.send(Method::GET, "/twins/d", None, Value::Null).await.status(), 200);
    }
    assert_eq!(statuses, [500, 500, 200]);
}

#[tokio::test]
async fn a_text_is_answered_as_it_is_also_where_it_is_no_json_in_unicode() {
    let world = world_with_device().await;
    let text = r#"{"deviceId":"d","tags":{"half":"\ud800"}}"#;
    world
        .on_hub("/faults", json!({"method": "GET", "pathContains": "/twins/d", "status": 200, "body": text}))
        .await;
    let answer = world.send(Method::GET, "/twins/d", None, Value::Null).await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, text));
}

#[tokio::test]
async fn integers_of_any_size_are_taken_where_a_switch_says_so() {
    let world = world_with_device().await;
    let wide = json!({"properties": {"desired": {"wide": 5_283_920_058_631_410_000_i64}}});
    assert_eq!(world.send(Method::PATCH, "/twins/d", None, wide.clone()).await.status(), 400);
    world.control(Method::POST, "/switches", json!({"wideIntegersRefused": false})).await;
    assert_eq!(world.send(Method::PATCH, "/twins/d", None, wide).await.status(), 200);
}

#[tokio::test]
async fn a_write_may_be_done_and_its_answer_lost_over_both_protocols() {
    let world = world_with_device().await;
    world.on_hub("/faults", json!({"method": "PATCH", "status": 503, "afterApply": true})).await;
    let answer = world.send(Method::PATCH, "/twins/d", None, json!({"tags": {"a": 1}})).await;
    assert_eq!(answer.status(), 503);
    let twin: Value = world.send(Method::GET, "/twins/d", None, Value::Null).await.json().await.unwrap();
    assert_eq!(twin["tags"], json!({"a": 1}));
    let fault =
        json!({"method": "MQTT-PATCH", "pathContains": "d", "dropConnection": true, "afterApply": true});
    world.on_hub("/faults", fault).await;
    let mut device = world.device("d").await;
    assert_eq!(device.report(&json!({"a": 1}), None).await, Err(Closed));
    assert_eq!(world.reported().await, 1);
}

#[tokio::test]
async fn a_held_reported_patch_is_fenced_by_its_version_when_it_is_released() {
    let world = world_with_device().await;
    for (version, wanted) in [(Some(1), 2), (None, 1)] {
        world.on_hub("/faults", json!({"method": "MQTT-PATCH", "holdUntilReleased": true})).await;
        assert_eq!(world.device("d").await.report(&json!({"a": 1}), version).await, Err(Closed));
        world.device("d").await.report(&json!({"a": 2}), None).await.unwrap();
        assert_eq!(world.on_hub("/faults/release", json!({})).await, json!({"released": 1}));
        assert_eq!(world.reported().await, wanted);
    }
}

#[tokio::test]
async fn one_device_may_be_refused_among_others() {
    let world = world_with_device().await;
    world.send(Method::PUT, "/devices/other", None, json!({})).await;
    world.on_hub("/faults", json!({"method": "MQTT-CONNECT", "pathContains": "d", "status": 401})).await;
    assert!(world.connect("other", &world.policy_pass("other")).await.is_ok());
    let refused = world.connect("d", &world.policy_pass("d")).await.err();
    assert_eq!(refused, Some(Some(ConnectReturnCode::NotAuthorized)));
    assert!(world.connect("d", &world.policy_pass("d")).await.is_ok());
}

#[tokio::test]
async fn throttled_calls_are_answered_as_the_service_does() {
    let world = world_with_device().await;
    world.on_hub("/throttle", json!({"perSecond": 0.001})).await;
    let answer = world.send(Method::GET, "/twins/d", None, Value::Null).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["iothub-errorcode"], "ThrottlingBacklogTimeout");
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(answer.headers().get("retry-after"), None);
    let refused = world.connect("d", &world.policy_pass("d")).await.err();
    assert_eq!(refused, Some(Some(ConnectReturnCode::ServiceUnavailable)));
    world.on_hub("/throttle", json!({"perSecond": null})).await;
    assert_eq!(world.send(Method::GET, "/twins/d", None, Value::Null).await.status(), 200);
}

#[tokio::test]
async fn a_hub_that_is_unavailable_says_so_and_comes_back() {
    let world = world_with_device().await;
    let mut device = world.device("d").await;
    world.on_hub("/outage", json!({"mode": "unavailable"})).await;
    assert_eq!(world.send(Method::GET, "/twins/d", None, Value::Null).await.status(), 503);
    assert_eq!(device.report(&json!({"a": 1}), None).await.unwrap().0, 503);
    world.on_hub("/outage", json!({"mode": "off"})).await;
    assert_eq!(world.send(Method::GET, "/twins/d", None, Value::Null).await.status(), 200);
    assert_eq!(device.report(&json!({"a": 1}), None).await.unwrap().0, 204);
}

#[tokio::test]
async fn a_hub_that_refuses_closes_what_is_open_and_takes_nothing_new() {
    let world = world_with_device().await;
    let mut device = world.device("d").await;
    world.on_hub("/outage", json!({"mode": "refuse"})).await;
    device.closed().await;
    assert_eq!(world.connect("d", &world.policy_pass("d")).await.err(), Some(None));
    let url = format!("https://{}/twins/d?api-version=2021-04-12", world.host());
    assert!(world.client.get(url).send().await.is_err());
    let other = world.running.ready["hubs"][1]["hostName"].as_str().unwrap();
    let url = format!("https://{other}/twins/d?api-version=2021-04-12");
    assert_eq!(world.client.get(url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_device_that_waits_for_an_answer_that_never_comes_can_be_taken_over() {
    let world = world_with_device().await;
    world.on_hub("/faults", json!({"method": "MQTT-PATCH", "hang": true})).await;
    let mut first = world.device("d").await;
    let waiting = tokio::spawn(async move { first.report(&json!({"a": 1}), None).await });
    // The patch is in the hub's hands once it is in the log.
    let started = std::time::Instant::now();
    while !world.requested("MQTT-PATCH").await {
        assert!(started.elapsed().as_secs() < 20, "the patch did not arrive");
    }
    let mut second = world.device("d").await;
    assert_eq!(waiting.await.unwrap(), Err(Closed));
    assert_eq!(second.report(&json!({"a": 2}), None).await.unwrap().0, 204);
}

#[tokio::test]
async fn requests_are_remembered_for_both_protocols_and_without_keys() {
    let world = world_with_device().await;
    world.control(Method::DELETE, "/hubs/primary/requests", Value::Null).await;
    let key = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ==";
    let keys = json!({"primaryKey": key, "secondaryKey": key});
    let body = json!({"authentication": {"type": "sas", "symmetricKey": keys}});
    assert_eq!(world.send(Method::PUT, "/devices/k", None, body).await.status(), 200);
    world.device("d").await.report(&json!({"a": 1}), Some(1)).await.unwrap();
    let requests = world.control(Method::GET, "/hubs/primary/requests", Value::Null).await;
    assert!(!requests.to_string().contains(key) && !requests.to_string().contains("SharedAccessSignature"));
    let shown = |name: &str| {
        requests.as_array().unwrap().iter().map(|request| request[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shown("method"), ["PUT", "MQTT-CONNECT", "MQTT-PATCH"]);
    assert_eq!(shown("path"), ["/devices/k", "d", "d"]);
    assert_eq!(shown("status"), [200, 200, 204]);
    assert_eq!((&shown("query")[2], &shown("body")[2]), (&json!("$version=1"), &json!({"a": 1})));
    let summary = world.control(Method::GET, "/hubs/primary/requests/summary", Value::Null).await;
    let wanted = json!({"request": "MQTT-PATCH {id}", "status": 204, "count": 1});
    assert!(summary.as_array().unwrap().contains(&wanted), "{summary}");
    let counted = world.control(Method::GET, "/hubs/primary/connections", Value::Null).await;
    assert_eq!(counted["mqtt"]["opened"], 1);
    assert!(counted["opened"].as_u64().unwrap() >= 1);
}
