//! The host's HTTP port.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::observed::{header, names_of_headers};
use crate::script::Call;
use crate::world::{Setup, World};

/// Sends a request while the script waits for it.
async fn exchange(
    world: &mut World,
    request: reqwest::RequestBuilder,
    answer: impl IntoResponse,
) -> (Seen, reqwest::Response) {
    let script = &mut world.script;
    let (response, seen) = tokio::join!(request.send(), async {
        let call = script.next().await;
        let seen = Seen::of(&call);
        call.respond(answer);
        seen
    });
    (seen, response.unwrap())
}

/// What reached the handler.
struct Seen {
    method: String,
    target: String,
    host: Option<String>,
    custom: Option<String>,
    body: Vec<u8>,
}

impl Seen {
    fn of(call: &Call) -> Self {
        Self {
            method: call.method.to_string(),
            target: call.target.clone(),
            host: call.header("x-original-host").map(str::to_owned),
            custom: call.header("x-custom").map(str::to_owned),
            body: call.body.to_vec(),
        }
    }
}

#[tokio::test]
async fn a_request_is_forwarded_as_it_came_and_so_is_the_answer() {
    let mut world = World::start(Setup::default()).await;
    let request = world.client.put(format!("{}/api/hub-router/dev-1?a=b%20c", world.http));
    let request = request.header("x-custom", "kept").body("the body");
    let answer = (StatusCode::IM_A_TEAPOT, [("etag", "\"7\"")], "short and stout");
    let (seen, response) = exchange(&mut world, request, answer).await;
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PUT", "/api/hub-router/dev-1?a=b%20c"));
    assert_eq!((seen.custom.as_deref(), seen.body.as_slice()), (Some("kept"), &b"the body"[..]));
    assert_eq!(seen.host.map(|host| format!("http://{host}")), Some(world.http.clone()));
    assert_eq!((response.status().as_u16(), response.headers()["etag"].to_str().unwrap()), (418, "\"7\""));
    assert_eq!(response.text().await.unwrap(), "short and stout");
}

#[tokio::test]
async fn ids_with_reserved_characters_arrive_as_the_real_host_sends_them() {
    let mut world = World::start(Setup::default()).await;
    for (asked, sent) in
        [("a%23b", "a"), ("a%3Fb", "a"), ("%2541", "A"), ("50%25", "50%25"), ("a%2Fb", "a%2Fb")]
    {
        let request = world.client.get(format!("{}/api/hub-router/{asked}", world.http));
        let (seen, _) = exchange(&mut world, request, "").await;
        assert_eq!(seen.target, format!("/api/hub-router/{sent}"), "{asked}");
    }
}

#[tokio::test]
async fn the_query_arrives_as_the_real_host_builds_it_anew() {
    let mut world = World::start(Setup::default()).await;
    for (asked, sent) in [
        ("deviceId=dev+1", "deviceId=dev%201"),
        ("deviceId=a&deviceId=b", "deviceId=a,b"),
        ("deviceId=dev%231", "deviceId=dev%231"),
    ] {
        let request = world.client.get(format!("{}/api/hub-router?{asked}", world.http));
        let (seen, _) = exchange(&mut world, request, "").await;
        assert_eq!(seen.target, format!("/api/hub-router?{sent}"), "{asked}");
    }
}

#[tokio::test]
async fn a_route_matches_in_any_case_with_one_slash_at_its_end_and_is_forwarded_as_it_was_typed() {
    let mut world = World::start(Setup::default()).await;
    for path in ["/API/Hub-Router/dev-1", "/api/hub-router/dev-1/"] {
        let request = world.client.get(format!("{}{path}", world.http));
        assert_eq!(exchange(&mut world, request, "").await.0.target, path);
    }
    for (path, status) in [("/api/hub-router//dev-1", 404), ("/api/hub-router/a%00", 400)] {
        let response = world.client.get(format!("{}{path}", world.http)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.text().await.unwrap(), "", "{path}");
    }
}

#[tokio::test]
async fn a_forwarded_request_has_the_headers_of_the_real_host() {
    let mut world = World::start(Setup::default()).await;
    let address = world.http.trim_start_matches("http://").to_owned();
    for (name, more) in [
        ("forwarded-get-accept", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"),
        ("forwarded-get-query", ""),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = "GET /api/hub-router/dev-1 HTTP/1.1\r\nHost: localhost:7471\r\nConnection: close\r\n";
        stream.write_all(format!("{head}{more}\r\n").as_bytes()).await.unwrap();
        let call = world.script.next().await;
        assert_eq!(call.names_of_headers(), names_of_headers(name));
        assert_eq!(call.header("x-original-host"), Some(header(name, "host").as_str()));
        let trace = call.header("traceparent").unwrap();
        assert_eq!(trace.len(), header(name, "traceparent").len());
        assert!(trace.starts_with("00-") && trace.ends_with("-00"), "{trace}");
        call.respond("");
    }
}

#[tokio::test]
async fn a_head_is_forwarded_and_answered_without_a_body() {
    let mut world = World::start(Setup::default()).await;
    let request = world.client.head(format!("{}/api/hub-router/dev-1", world.http));
    let (seen, response) = exchange(&mut world, request, "seven!!").await;
    assert_eq!((seen.method.as_str(), response.status().as_u16()), ("HEAD", 200));
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn a_chunked_body_is_dropped() {
    let mut world = World::start(Setup::default()).await;
    let address = world.http.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head =
        "POST /api/hub-router HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}4\r\nbody\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    let call = world.script.next().await;
    assert!(call.body.is_empty());
    call.respond("seen");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("seen"), "{answer}");
}

#[tokio::test]
async fn without_forwarding_the_request_is_a_payload_and_the_output_is_the_answer() {
    let mut world = World::start(Setup { forwarding: false, ..Setup::default() }).await;
    let request = world.client.get(format!("{}/api/hub-router/dev-1", world.http));
    let reply =
        r#"{"Outputs":{"res":{"statusCode":201,"headers":{"content-type":"application/json"},"body":"{}"}}}"#;
    let (seen, response) =
        exchange(&mut world, request, ([("content-type", "application/json")], reply)).await;
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/hub-router"));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["Data"]["req"]["Params"]["deviceId"], "dev-1");
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
        (201, "application/json")
    );
}

#[tokio::test]
async fn a_function_can_be_run_by_hand() {
    let mut world = World::start(Setup::default()).await;
    let url = |name: &str| format!("{}/admin/functions/{name}", world.http);
    assert_eq!(world.post(url("twin-sync"), r#"{"input":"{}"}"#).await, 202);
    assert_eq!(world.post(url("nobody"), r#"{"input":"{}"}"#).await, 404);
    assert_eq!(world.post(url("twin-sync"), "").await, 400);
    assert_eq!(world.get(url("twin-sync/status")).await.0, 200);
    assert_eq!(world.get(format!("{}/admin/host/status", world.http)).await.1["state"], "Running");
    let call = world.script.next().await;
    assert_eq!(call.json()["Metadata"]["SequenceNumber"], "-9223372036854775808");
    assert!(call.json()["Metadata"]["PartitionContext"].is_null());
    call.succeed();
}

#[tokio::test]
async fn an_http_function_that_is_run_by_hand_fails_before_the_handler_sees_it() {
    let mut world = World::start(Setup::default()).await;
    let url = format!("{}/admin/functions/hub-router", world.http);
    assert_eq!(world.post(url, r#"{"input":"{}"}"#).await, 202);
    world.said("Executed 'Functions.hub-router' (Failed").await;
    assert!(world.script.is_silent());
}

#[tokio::test]
async fn a_timer_that_is_run_by_hand_shows_its_input() {
    let mut world = World::start(Setup::default()).await;
    let url = format!("{}/admin/functions/ticker", world.http);
    assert_eq!(world.post(url, r#"{"input":""}"#).await, 202);
    let call = world.script.next().await;
    assert_eq!(call.json()["Metadata"]["tick"], r#""""#);
    call.succeed();
}

#[tokio::test]
async fn a_path_without_a_function_is_not_found() {
    let world = World::start(Setup::default()).await;
    assert_eq!(world.get(format!("{}/api/nothing", world.http)).await.0, 404);
    assert_eq!(world.get(format!("{}/hub-router", world.http)).await.0, 404);
}
