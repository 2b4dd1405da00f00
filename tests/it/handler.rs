//! The process that the Functions host starts.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::handler::free_port;
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

#[tokio::test(flavor = "multi_thread")]
async fn more_than_64_mebibytes_are_refused_and_less_are_read() {
    let world = quiet_world().await;
    let handler = world.handler("large").await;
    let send = |size: usize| {
        let body = reqwest::Body::from(vec![b' '; size]);
        world
            .http
            .post(format!("{}/twin-sync", handler.url))
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let response = send(65 * 1024 * 1024).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(response.json::<Value>().await.unwrap().is_object());
    let response = send(60 * 1024 * 1024).await.unwrap();
    assert_ne!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
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
