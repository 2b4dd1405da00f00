//! What HTTP lets a client send: wrong methods, unknown paths, bodies that are none.

use super::over_tls::World;
use super::*;
use reqwest::{Method, Response};

async fn ask(world: &World, method: &str, path_and_query: &str, body: impl Into<reqwest::Body>) -> Response {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    world.request(method, path_and_query).body(body).send().await.unwrap()
}

async fn code_of(answer: Response) -> (u16, String) {
    let code = answer.headers().get("iothub-errorcode").map(|code| code.to_str().unwrap().to_owned());
    (answer.status().as_u16(), code.unwrap_or_default())
}

#[tokio::test]
async fn a_resource_with_other_methods_answers_405_and_names_them() {
    let world = World::start().await;
    for (method, path, allowed) in [
        ("POST", "/devices/d", "GET, PUT, DELETE"),
        ("DELETE", "/twins/d", "GET, PUT, PATCH"),
        ("PUT", "/devices", "GET, POST"),
        ("OPTIONS", "/devices/d/modules/m", "GET, PUT, DELETE"),
        ("HEAD", "/statistics/devices", "GET"),
        ("BREW", "/devices/d/modules", "GET"),
    ] {
        let answer = ask(&world, method, &format!("{path}?api-version=2021-04-12"), "").await;
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_name() {
    let world = World::start().await;
    for (method, path, name) in [
        ("PUT", "/jobs/v2/j", "scheduled jobs"),
        ("GET", "/jobs/v2/query", "scheduled jobs"),
        ("PATCH", "/digitaltwins/d", "digital twins"),
        ("POST", "/twins/d/modules/m/methods", "direct methods"),
        ("POST", "/devices/keys/regenerate", "key regeneration"),
        ("POST", "/devices/d/messages/events", "messages in either direction"),
        ("POST", "/devices/d/files", "file upload"),
        ("GET", "/nothing/like/it", "GET /nothing/like/it"),
        ("GET", "/", "GET / "),
    ] {
        let answer = ask(&world, method, &format!("{path}?api-version=2021-04-12"), "{}").await;
        assert_eq!(answer.status(), 501, "{method} {path}");
        assert_eq!(answer.headers()["iothub-errorcode"], "NotImplemented");
        let text = answer.text().await.unwrap();
        assert!(text.contains(name) && text.contains(method), "{text}");
    }
}

#[tokio::test]
async fn any_api_version_will_do_but_none_will_not() {
    let world = World::start().await;
    for query in ["api-version=2018-06-30", "API-VERSION=2024-03-31", "x=1&api-version=tomorrow"] {
        assert_eq!(ask(&world, "GET", &format!("/devices/?{query}"), "").await.status(), 200, "{query}");
    }
    for query in ["", "api-version", "api-version=", "version=2021-04-12"] {
        let refused = code_of(ask(&world, "GET", &format!("/devices?{query}"), "").await).await;
        assert_eq!(refused, (400, "InvalidProtocolVersion".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn bodies_that_are_not_json_are_refused_and_change_nothing() {
    let world = World::start().await;
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in
        [b"".to_vec(), b"{".to_vec(), b"{} {}".to_vec(), b"{\"a\":\"\xff\"}".to_vec(), nested.into_bytes()]
    {
        let refused = code_of(ask(&world, "PUT", "/devices/d?api-version=2021-04-12", body).await).await;
        assert_eq!(refused, (400, "DeserializationError".to_owned()));
    }
    for body in ["[]", "null", "1", "\"{}\""] {
        let refused = code_of(ask(&world, "PUT", "/devices/d?api-version=2021-04-12", body).await).await;
        assert_eq!(refused, (400, "IotHubFormatError".to_owned()), "{body}");
    }
    assert_eq!(ask(&world, "GET", "/devices/d?api-version=2021-04-12", "").await.status(), 404);
}

#[tokio::test]
async fn of_a_member_that_is_there_twice_the_last_counts() {
    let world = World::start().await;
    let body = r#"{"status":"enabled","status":"disabled"}"#;
    let created = ask(&world, "PUT", "/devices/d?api-version=2021-04-12", body).await;
    assert_eq!(created.json::<Value>().await.unwrap()["status"], "disabled");
}

#[tokio::test]
async fn a_body_beyond_every_limit_answers_413_and_the_hub_lives_on() {
    let world = World::start().await;
    let refused = ask(&world, "POST", "/devices?api-version=2021-04-12", vec![b' '; (16 << 20) + 1]).await;
    assert_eq!(code_of(refused).await, (413, "MessageTooLarge".to_owned()));
    assert_eq!(ask(&world, "GET", "/devices?api-version=2021-04-12", "").await.status(), 200);
}

#[tokio::test]
async fn escapes_in_paths_are_decoded_once_and_nonsense_is_no_id() {
    let world = World::start().await;
    for (escaped, status) in [
        ("a%2541", 200),
        ("a%zz", 200),
        ("a%", 200),
        ("a%2Fb", 400),
        ("a%00b", 400),
        ("a%ff", 400),
        ("%E2%82%AC", 400),
        ("%20", 400),
    ] {
        let path = format!("/devices/{escaped}?api-version=2021-04-12");
        assert_eq!(ask(&world, "PUT", &path, "{}").await.status().as_u16(), status, "{escaped}");
    }
    assert_eq!(world.send(Method::GET, "/devices/aA", None, Value::Null).await.status(), 404);
}
