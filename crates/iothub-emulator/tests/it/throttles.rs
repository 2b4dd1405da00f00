//! The throttles of a tier, for both protocols.

use super::over_tls::World;
use super::*;
use reqwest::Method;
use rumqttc::ConnectReturnCode;

/// A hub of one S1 unit on a clock that nearly stands still, so that what is used up stays used up, and that keeps
/// nothing waiting.
async fn impatient() -> World {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    world.control(Method::POST, "/switches", json!({"throttleBacklogMs": 0})).await;
    world.tier(json!({"tier": "S1x1", "timeScale": 0.0001})).await;
    world
}

impl World {
    async fn tier(&self, body: Value) -> Value {
        self.control(Method::POST, "/hubs/primary/tier", body).await
    }

    async fn class(&self, name: &str) -> Value {
        self.control(Method::GET, "/hubs/primary/tier", Value::Null).await["classes"][name].clone()
    }

    /// Creates devices `from..to` in one request.
    async fn create_many(&self, from: usize, to: usize) -> reqwest::Response {
        let one = |n: usize| json!({"id": format!("d{n}"), "importMode": "create"});
        let items: Value = (from..to).map(one).collect();
        self.send(Method::POST, "/devices", None, items).await
    }
}

#[tokio::test]
async fn every_item_of_a_bulk_request_counts_and_too_many_are_refused_as_the_service_does() {
    let world = impatient().await;
    assert_eq!(world.create_many(0, 100).await.status(), 200);
    let refused = world.create_many(100, 110).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["iothub-errorcode"], "ThrottlingBacklogTimeout");
    assert_eq!(refused.headers()["connection"], "close");
    assert_eq!(refused.headers().get("retry-after"), None);
    let message = refused.json::<Value>().await.unwrap()["Message"].as_str().unwrap().to_owned();
    let wanted = "ErrorCode:ThrottlingBacklogTimeout;The request has been throttled. Wait 10 seconds and try again. \
                  Operation type: IdentityCreate";
    assert_eq!(message, wanted);
    let create = world.class("IdentityCreate").await;
    assert_eq!([&create["admitted"], &create["refused"], &create["limitPerMinute"]], [100, 10, 100]);
    assert_eq!(create["shareOfBusiestMinute"], 1.0);
    assert_eq!(world.send(Method::GET, "/devices/d1", None, Value::Null).await.status(), 200);
    assert_eq!(world.send(Method::GET, "/devices/d100", None, Value::Null).await.status(), 404);
}

#[tokio::test]
async fn a_request_beyond_the_limit_waits_for_its_turn_before_anything_is_refused() {
    let world = World::start().await;
    world.tier(json!({"tier": "S1x1", "timeScale": 100})).await;
    world.control(Method::POST, "/switches", json!({"throttleBacklogMs": 120_000})).await;
    let (one, other) = futures::join!(world.create_many(0, 100), world.create_many(100, 200));
    assert_eq!([one.status(), other.status()], [200, 200]);
    let create = world.class("IdentityCreate").await;
    assert_eq!([&create["admitted"], &create["refused"], &create["delayed"]], [200, 0, 1]);
    assert!(create["longestWaitMs"].as_u64().unwrap() > 1000, "{create}");
    world.control(Method::DELETE, "/hubs/primary/tier", Value::Null).await;
    assert_eq!(world.class("IdentityCreate").await["admitted"], 0);
}

#[tokio::test]
async fn without_a_tier_nothing_is_counted_and_nothing_waits() {
    let world = impatient().await;
    assert_eq!(world.create_many(0, 100).await.status(), 200);
    world.tier(json!({"tier": null})).await;
    assert_eq!(world.create_many(100, 200).await.status(), 200);
    assert_eq!(world.class("IdentityCreate").await, Value::Null);
}

#[tokio::test]
async fn a_device_that_reports_too_often_is_told_so() {
    let world = impatient().await;
    let mut device = world.device("d").await;
    let mut statuses = Vec::new();
    for n in 0..52 {
        statuses.push(device.report(&json!({"a": n}), None).await.unwrap().0);
    }
    assert_eq!((statuses.iter().filter(|status| **status == 204).count(), statuses[51]), (50, 429));
    world.control(Method::POST, "/switches", json!({"reportedCountsAsTwinUpdate": false})).await;
    assert_eq!(device.report(&json!({"b": 1}), None).await.unwrap().0, 204);
}

#[tokio::test]
async fn a_connection_too_many_is_refused_with_server_unavailable() {
    let world = impatient().await;
    let pass = world.policy_pass("d");
    for _ in 0..100 {
        assert!(world.connect("d", &pass).await.is_ok());
    }
    let refused = world.connect("d", &pass).await.err();
    assert_eq!(refused, Some(Some(ConnectReturnCode::ServiceUnavailable)));
}
