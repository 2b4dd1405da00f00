//! The answer to devices.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::relay::Relay;
use crate::world::{Options, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_told_its_hub_as_json_or_as_one_line() {
    let world = World::start().await;
    world.eventually("the record is known", || async { world.route("pump").await["epoch"] == 1 }).await;
    let answer = world.route("pump").await;
    assert_eq!(answer["iotHub"], world.primary.host_name.as_str());
    assert_eq!(answer["hub"], "primary");
    assert_eq!(answer["stale"], false);
    let seconds = answer["validForSeconds"].as_u64().unwrap();
    let response =
        world.http.get(format!("{}/pump", world.router)).header("Accept", "text/plain").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert!(headers["cache-control"].to_str().unwrap().contains(&format!("max-age={seconds}")));
    assert_eq!(response.text().await.unwrap().trim_end(), world.primary.host_name);
    let etag = headers["etag"].clone();
    let again = world.http.get(format!("{}/pump", world.router)).header("Accept", "text/plain");
    let again = again.header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_no_path_can_carry_are_asked_for_by_query_and_bad_ones_are_told_why() {
    let world = World::start().await;
    for id in ["a%41b", "q?x=1#frag", "100%"] {
        assert!(world.route(id).await["iotHub"].is_string(), "{id}");
    }
    for id in ["", "with space", "slash/es", &"x".repeat(129)] {
        let url = format!(
            "{}?deviceId={}",
            world.router,
            percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
        );
        let response = world.http.get(url).send().await.unwrap();
        if id.is_empty() {
            continue;
        }
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{id}");
        assert!(!response.text().await.unwrap().is_empty());
    }
}

/// A device's call as the host passes it on when forwarding is off.
fn payload(id: &str) -> Value {
    json!({
        "Data": {"req": {"Url": format!("http://localhost:7071/api/hub-router/{id}"), "Method": "GET", "Query": {}, "Headers": {"Accept": ["*/*"]}, "Params": {"deviceId": id}, "Identities": []}},
        "Metadata": {"sys": {"MethodName": "hub-router", "UtcNow": "2026-11-24T00:00:00Z", "RandGuid": "0"}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_form_is_served_too() {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let handler = world.handler("payload").await;
    let (status, answer) = handler.invoke("hub-router", &payload("pump")).await;
    assert_eq!(status, 200);
    let outputs = answer["Outputs"].as_object().expect("outputs");
    let (_, response) = outputs.iter().next().unwrap();
    assert_eq!(response["statusCode"].to_string().trim_matches('"'), "200");
    let body = match &response["body"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        other => other.clone(),
    };
    assert_eq!(body["iotHub"], world.primary.host_name.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_has_never_read_the_record_names_no_hub_and_one_that_has_keeps_its_answer() {
    let relay = Relay::start().await;
    let environment = vec![("AzureWebJobsStorage", relay.connection_string())];
    let world = World::with(Options { environment, host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "lost", "--force", "--yes"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    relay.shut();
    let handler = world.handler("fresh").await;
    let started = Instant::now();
    assert!(world.http.get(&handler.url).send().await.unwrap().status().is_success());
    assert!(started.elapsed() < Duration::from_secs(1), "the readiness route waits for nothing");
    let url = format!("{}/api/hub-router/pump", handler.url);
    for accept in ["application/json", "text/plain"] {
        let response = world.http.get(&url).header("Accept", accept).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        let said = response.text().await.unwrap();
        assert!(
            ![&world.primary, &world.secondary].iter().any(|hub| said.contains(&hub.host_name)),
            "{said}"
        );
    }
    let (_, answer) = handler.invoke("hub-router", &payload("pump")).await;
    assert_eq!(answer["Outputs"]["res"]["statusCode"], 503, "{answer}");
    relay.open();
    world
        .eventually("the record is read", || async { world.get_json(&url).await["hub"] == "secondary" })
        .await;
    relay.shut();
    world.secondary.outage("refuse").await;
    world.primary.outage("refuse").await;
    world.eventually("the answer is stale", || async { world.get_json(&url).await["stale"] == true }).await;
    let response = world.http.get(&url).header("Accept", "text/plain").send().await.unwrap();
    assert_eq!(response.headers()["hadr-epoch"], "2");
    assert_eq!(response.text().await.unwrap().trim_end(), world.secondary.host_name);
}
