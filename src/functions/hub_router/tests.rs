#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use axum::http::Uri;

use super::*;
use crate::host::Invocation;
use crate::routing::HubRole;

fn answers(hub: HubRole, epoch: u64, stale: bool) -> Answers {
    let directory = Directory {
        primary: "one.example".to_owned(),
        secondary: "two.example:8443".to_owned(),
        valid_for: Duration::from_secs(60),
    };
    directory.answers(Assignment { hub, epoch, stale })
}

fn ask(answers: &Answers, uri: &str, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    forwarded(Some(answers), &Method::GET, &uri.parse::<Uri>().unwrap(), &map)
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_answer_says_which_hub_and_for_how_long() {
    let response = ask(&answers(HubRole::Secondary, 7, true), "/api/hub-router/pump-17", &[]);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "max-age=60");
    assert_eq!(
        text(response).await,
        r#"{"iotHub":"two.example:8443","hub":"secondary","epoch":7,"validForSeconds":60,"stale":true}"#
    );
}

#[tokio::test]
async fn a_device_without_a_json_parser_gets_one_line() {
    let response = ask(&answers(HubRole::Primary, 1, false), "/hub-router", &[("accept", "text/plain")]);
    assert_eq!(response.headers()["hadr-epoch"], "1", "it is not in the line");
    assert_eq!(text(response).await, "one.example\n");
}

#[tokio::test]
async fn a_process_that_has_read_no_record_names_no_hub_in_any_form() {
    let uri: Uri = "/api/hub-router/pump-17".parse().unwrap();
    for accept in ["application/json", "text/plain"] {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let response = forwarded(None, &Method::GET, &uri, &headers);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (503, &ASK_AGAIN.parse().unwrap())
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(text(response).await.contains("stay where you are"));
        let output = called(None, &call("{}", "{}", &format!(r#"{{"accept":["{accept}"]}}"#)));
        assert!(output.status == 503 && output.headers.contains(&("retry-after", ASK_AGAIN.to_owned())));
        assert!(output.body.to_string().contains("stay where you are"));
    }
}

#[test]
fn the_form_is_negotiated() {
    for (accept, form) in [
        ("", Form::Json),
        ("*/*", Form::Json),
        ("text/plain", Form::Text),
        ("TEXT/Plain", Form::Text),
        ("text/*", Form::Text),
        ("text/plain;q=0.5, application/json", Form::Json),
        ("text/plain, application/json;q=0.9", Form::Text),
        ("application/json, text/plain", Form::Json),
        ("text/plain;q=0, */*", Form::Json),
        ("text/plain, */*;q=0.1", Form::Text),
        ("text/html, application/xhtml+xml, */*;q=0.8", Form::Json),
        ("image/png", Form::Json),
        ("text/plain; charset=utf-8; q=0.3, */*;q=0.2", Form::Text),
        ("nonsense;;q=x,/", Form::Json),
    ] {
        assert_eq!(Form::wanted(std::iter::once(accept)), form, "{accept}");
    }
}

#[test]
fn every_id_that_the_service_allows_is_answered() {
    let answers = answers(HubRole::Primary, 1, false);
    for uri in [
        "/api/hub-router",
        "/api/hub-router/",
        "/api/hub-router?other=%20",
        "/api/hub-router/hadr-probe-1",
        "/api/hub-router/50%25",
        "/api/hub-router/50%",
        "/api/hub-router/a%23b%3Fc",
        "/api/hub-router?deviceId=a%23b%3Fc%25",
        "/api/hub-router?DeviceID=a+b",
        "/v2/hub-router/hub-router",
        "/api/Hub-Router/dev-1",
        "/api/hub-router/dev-1/",
        "/api/hub-router//dev-1",
        "/hub-router/hub-router/dev-1",
    ] {
        assert_eq!(ask(&answers, uri, &[]).status(), 200, "{uri}");
    }
}

#[tokio::test]
async fn a_bad_id_is_a_400_with_a_reason() {
    let answers = answers(HubRole::Primary, 1, false);
    let long = format!("/hub-router/{}", "x".repeat(129));
    for uri in [
        "/hub-router/a/b",
        "/hub-router/a%20b",
        "/hub-router?deviceId=",
        "/hub-router?deviceId",
        "/hub-router/%C3%A5",
        "/hub-router/%FF",
        "/hub-router/fine?deviceId=a%2Fb",
        "/hub-router/a?deviceId=b",
        "/hub-router?deviceId=a&deviceId=b",
        "/hub-router?deviceId=dev%201",
        &long,
    ] {
        let response = ask(&answers, uri, &[]);
        assert_eq!(response.status(), 400, "{uri}");
        assert!(text(response).await.starts_with(r#"{"error":"deviceId: "#), "{uri}");
    }
    let response = ask(&answers, "/hub-router/a%20b", &[("accept", "text/plain")]);
    assert_eq!(text(response).await, "deviceId: an id must not contain ' '\n");
}

#[tokio::test]
async fn an_answer_that_is_known_is_not_sent_again() {
    let steady = answers(HubRole::Primary, 1, false);
    let tag = ask(&steady, "/hub-router", &[]).headers()["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let response = ask(&steady, "/hub-router", &[("if-none-match", &known)]);
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(response.headers()["etag"], *tag);
        assert_eq!(response.headers()["cache-control"], "max-age=60");
        assert_eq!(response.headers()["hadr-epoch"], "1");
        assert_eq!(text(response).await, "");
    }
    let moved = answers(HubRole::Secondary, 2, false);
    assert_eq!(ask(&moved, "/hub-router", &[("if-none-match", &tag)]).status(), 200);
    let other_form = [("if-none-match", tag.as_str()), ("accept", "text/plain")];
    assert_eq!(ask(&steady, "/hub-router", &other_form).status(), 200);
}

#[test]
fn only_get_and_head_are_answered() {
    let answers = answers(HubRole::Primary, 1, false);
    let uri: Uri = "/api/hub-router".parse().unwrap();
    let ask = |method| forwarded(Some(&answers), &method, &uri, &HeaderMap::new());
    assert_eq!(ask(Method::HEAD).status(), 200);
    assert_eq!(ask(Method::POST).status(), 405);
    assert_eq!(ask(Method::DELETE).headers()["allow"], "GET, HEAD");
}

fn call(params: &str, query: &str, headers: &str) -> HttpCall {
    let body = format!(
        r#"{{"Data":{{"req":{{"Method":"GET","Params":{params},"Query":{query},"Headers":{headers}}}}},"Metadata":{{}}}}"#
    );
    Invocation::read(body.as_bytes()).unwrap().try_into().unwrap()
}

#[test]
fn the_payload_form_says_the_same() {
    let answers = answers(HubRole::Secondary, 7, false);
    let json = called(Some(&answers), &call(r#"{"deviceId":"a"}"#, "{}", "{}"));
    assert_eq!((json.status, &json.body["iotHub"]), (200, &Value::from("two.example:8443")));
    assert!(json.headers.contains(&("content-type", "application/json".to_owned())));
    assert!(json.headers.contains(&("hadr-epoch", "7".to_owned())));
    let line = called(Some(&answers), &call("{}", "{}", r#"{"accept":["text/plain"]}"#));
    assert_eq!(line.body, "two.example:8443\n");
    let bad = called(Some(&answers), &call("{}", r#"{"deviceid":"a b"}"#, "{}"));
    assert_eq!(bad.status, 400);
    let tag = json.headers.iter().find(|(name, _)| *name == "etag").unwrap().1.replace('"', "\\\"");
    let known = called(Some(&answers), &call("{}", "{}", &format!(r#"{{"If-None-Match":["{tag}"]}}"#)));
    assert_eq!((known.status, known.body), (304, Value::Null));
}
