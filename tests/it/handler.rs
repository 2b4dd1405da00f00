//! The process that the Functions host starts.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::handler::{LATER, batch, free_port, twin_event, with_a_device};
use crate::world::processes::{Process, program, root};
use crate::world::{Options, World};

async fn quiet_world() -> World {
    World::with(Options { host: false, ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_invocation_is_answered_with_a_json_object() {
    let world = quiet_world().await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let handler = world.handler("forms").await;
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains("eventhub") || !name.ends_with(".request.json") {
            continue;
        }
        seen += 1;
        let body: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (status, answer) = handler.invoke("twin-sync", &body).await;
        assert_eq!(status, 200, "{name}: {answer}");
        assert!(answer.is_object(), "{name}");
        assert!(answer["Logs"].as_array().is_some_and(|logs| !logs.is_empty()), "{name}: {answer}");
    }
    assert!(seen >= 7, "only {seen} payloads");
}

/// The largest batch that host.json allows, of the largest events that a hub routes (256 KB with their properties).
fn largest_batch(device: &str) -> Vec<Value> {
    let host: Value = serde_json::from_slice(&std::fs::read(root().join("host.json")).unwrap()).unwrap();
    let events = host["extensions"]["eventHubs"]["maxEventBatchSize"].as_u64().unwrap();
    let event = |n: u64| {
        // Quotes are what JSON in JSON makes most of.
        let body = json!({"version": n, "tags": {"pad": "\"".repeat(100_000), "n": "x".repeat(47_000)}});
        let mut event = twin_event("primary", device, &body, LATER, i64::try_from(n).unwrap());
        event["properties"]["pad"] = "\"p\"".repeat(2_000).into();
        event
    };
    (1..=events).map(event).collect()
}

/// The most memory that a process has had, in MiB.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_that_host_json_allows_is_taken_in_bounded_memory() {
    let world = with_a_device("large", Vec::new()).await;
    let handler = world.handler("largest").await;
    let events = largest_batch("large");
    let body = batch("devicetwin", 0, &events).to_string();
    assert!(body.len() > 64 << 20, "{} bytes: host.json allows less than it did", body.len());
    let before = peak_memory(handler.process.id());
    let request = world.http.post(format!("{}/twin-sync", handler.url)).body(body);
    let response = request.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{}", response.text().await.unwrap());
    world.assert_hubs_equal().await;
    let grown = peak_memory(handler.process.id()) - before;
    // What is made of a batch takes more than the batch.
    assert!(grown < 300, "{grown} MiB for bodies of at most 100");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_comes_through_the_host() {
    let world = World::start().await;
    world.primary.create("large").await;
    world.settle().await;
    world.host_post("/pause").await;
    for event in largest_batch("large") {
        let body = BASE64_STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
        world.append("devicetwin", 0, &body, event["properties"].clone()).await;
    }
    world.host_post("/resume").await;
    world.settle().await;
    let positions = world.get_json(&format!("{}/positions", world.host_control)).await;
    assert_eq!(positions["twin-sync"]["0"]["lastFailure"], Value::Null, "{positions}");
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_largest_batch_is_refused_in_words_that_help() {
    let small = vec![("AzureFunctionsJobHost__extensions__eventHubs__maxEventBatchSize", "1".to_owned())];
    let world = World::with(Options { host: false, environment: small, ..Options::default() }).await;
    let handler = world.handler("large").await;
    let send = |size: usize| {
        let body = reqwest::Body::from(vec![b' '; size]);
        let request = world.http.post(format!("{}/twin-sync", handler.url));
        request.header("content-type", "application/json").body(body).send()
    };
    let response = send(65 * 1024 * 1024).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let refusal = response.json::<Value>().await.unwrap();
    assert!(refusal["error"].as_str().unwrap().contains("maxEventBatchSize"), "{refusal}");
    let response = send(60 * 1024 * 1024).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "read, and no invocation");
    let (status, _) = handler.invoke("no-such-function", &json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_never_ends_the_process() {
    let world = quiet_world().await;
    let handler = world.handler("nonsense").await;
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({"Data": {}}),
        json!({"Data": {"events": 5}}),
        json!({"Data": {"events": "["}, "Metadata": {"PropertiesArray": "{"}}),
    ] {
        let (status, answer) = handler.invoke("registry-sync", &body).await;
        assert!(answer.is_object(), "{status} {body}");
    }
    assert_eq!(world.http.get(&handler.url).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn started_without_a_port_it_says_what_it_is_and_how_to_run_it() {
    let output = Command::new(program("iot-hadr")).env_clear().output().await.unwrap();
    assert_ne!(output.status.code(), Some(0));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("func host start") && said.contains("IoT Hub"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_all_named_at_once_without_their_values() {
    let mut command = Command::new(program("iot-hadr"));
    command.env_clear().env("FUNCTIONS_CUSTOMHANDLER_PORT", "1");
    command
        .env("iothub1", "HostName=h;SharedAccessKeyName=p;SharedAccessKey=never-shown")
        .env("HADR_MAX_IN_FLIGHT", "many");
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for name in ["iothub2", "AzureWebJobsStorage", "HADR_MAX_IN_FLIGHT"] {
        assert!(said.contains(name), "{name} in {said}");
    }
    assert!(!said.contains("never-shown"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_ends_with_a_code_that_the_host_restarts() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let world = quiet_world().await;
        let mut handler = world.handler("ending").await;
        handler.process.signal(signal);
        assert_eq!(handler.process.exit_code().await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_whose_host_was_killed_ends_by_itself() {
    let world = quiet_world().await;
    let mut host = Command::new("sh");
    host.args(["-c", "\"$0\" >/dev/null 2>&1 & echo $!; wait"]).arg(program("iot-hadr"));
    host.env_clear().envs(world.environment.iter().cloned());
    host.env("PATH", std::env::var("PATH").unwrap());
    let port = free_port();
    host.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
    let (host, pid) = Process::ready("host", &mut host).await;
    let folder = format!("/proc/{pid}");
    assert!(std::path::Path::new(&folder).exists());
    // Only then does it know whose child it is.
    world
        .eventually("the handler answers", || async {
            world.http.get(format!("http://127.0.0.1:{port}/")).send().await.is_ok()
        })
        .await;
    host.signal("KILL");
    world.eventually("the handler is gone", || async { !std::path::Path::new(&folder).exists() }).await;
}
