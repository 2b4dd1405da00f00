//! An HTTP function in payload form: the request becomes `Data`, the reply's output becomes the answer.

use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::output::{self, failure};
use super::path;
use super::route::Values;
use super::site::{Incoming, Site};
use crate::app::Function;
use crate::event_hub::dotnet_text;
use crate::invocation::{Attempts, Envelope, Failure, Outcome, sys};
use crate::json::Json;

/// HTTP invocations show no progress.
struct Unwatched;

impl Attempts for Unwatched {
    fn begins(&self, _: i64, _: Option<&Failure>) {}
}

pub(super) async fn answer(site: &Site, function: &Function, values: Values, incoming: Incoming) -> Response {
    let payload = Ok(envelope(function, &values, &incoming));
    let reason = "This function was programmatically called via the host APIs.";
    match site.runner.run(function, &payload, reason, &Unwatched, &site.stop).await {
        Outcome::Succeeded(result) => match &function.http_output {
            Some(name) => output::response(name, &result),
            None => output::response("$return", &result),
        },
        Outcome::Failed(_) | Outcome::Interrupted => failure(),
    }
}

fn envelope(function: &Function, values: &Values, incoming: &Incoming) -> Envelope {
    let body = body(incoming);
    let data = data(values, incoming, body.clone());
    Envelope::new(&function.binding, data, metadata(function, values, incoming, body))
}

fn data(values: &Values, incoming: &Incoming, body: Option<String>) -> Json {
    let decoded = path::decoded(incoming.parts.uri.path());
    let arrays = headers(&incoming.parts.headers).into_iter().map(|(name, value)| {
        let value = Json::Array(vec![Json::from(value)]);
        (name, value)
    });
    let mut members = vec![
        ("Url".to_owned(), Json::from(path::display_url(&incoming.parts, &decoded))),
        ("Method".to_owned(), Json::from(incoming.parts.method.as_str())),
        ("Query".to_owned(), object(query(incoming))),
        ("Headers".to_owned(), Json::Object(arrays.collect())),
    ];
    if !values.is_empty() {
        members.push(("Params".to_owned(), object(values.clone())));
    }
    members.push(("Identities".to_owned(), Json::Array(vec![anonymous()])));
    if let Some(body) = body {
        members.push(("Body".to_owned(), Json::from(body)));
    }
    Json::Object(members)
}

fn metadata(
    function: &Function,
    values: &Values,
    incoming: &Incoming,
    body: Option<String>,
) -> Vec<(String, Json)> {
    let query = query(incoming);
    let mut metadata = vec![
        ("Query".to_owned(), object(query.clone())),
        ("Headers".to_owned(), object(headers(&incoming.parts.headers))),
    ];
    let texts = query.into_iter().chain(values.iter().cloned());
    metadata.extend(texts.map(|(name, value)| (name, Json::from(value).on_the_wire())));
    let body = body.and_then(|body| Json::parse(&body).ok()).unwrap_or_default();
    for (name, value) in body.into_members() {
        let wire = match value {
            Json::Object(_) | Json::Array(_) => value.on_the_wire(),
            scalar => Json::from(dotnet_text(&scalar)).on_the_wire(),
        };
        metadata.retain(|(existing, _)| !existing.eq_ignore_ascii_case(&name));
        metadata.push((name, wire));
    }
    metadata.push(sys(&function.name));
    metadata
}

fn object(members: Vec<(String, String)>) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name, Json::from(value))).collect())
}

/// A text; base64 for bytes and forms with files. `None` without a body.
fn body(incoming: &Incoming) -> Option<String> {
    if incoming.body.is_empty() {
        return None;
    }
    let kind = incoming
        .parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bytes = kind.starts_with("application/octet-stream") || kind.starts_with("multipart/");
    Some(if bytes {
        STANDARD.encode(&incoming.body)
    } else {
        String::from_utf8_lossy(&incoming.body).into_owned()
    })
}

/// One value for each name: those of a name that is there again are joined by a comma.
fn query(incoming: &Incoming) -> Vec<(String, String)> {
    path::joined(path::parameters(&incoming.parts.uri))
}

/// Names as the host writes them: each word with a capital.
fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let capital = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        format!("{}{rest}", first.to_ascii_uppercase())
    };
    let name = |name: &str| name.split('-').map(capital).collect::<Vec<_>>().join("-");
    headers
        .iter()
        .map(|(key, value)| (name(key.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

fn anonymous() -> Json {
    Json::object([
        ("AuthenticationType", Json::Null),
        ("IsAuthenticated", Json::from(false)),
        ("Actor", Json::Null),
        ("BootstrapContext", Json::Null),
        ("Claims", Json::Array(Vec::new())),
        ("Label", Json::Null),
        ("Name", Json::Null),
        ("NameClaimType", Json::from("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name")),
        ("RoleClaimType", Json::from("http://schemas.microsoft.com/ws/2008/06/identity/claims/role")),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::app::{HttpTrigger, Trigger};

    #[test]
    fn the_documented_request_becomes_the_documented_payload() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/http-default.request.json")).unwrap();
        let request = axum::http::Request::post("/api/devices/dev1?mode=full")
            .header("host", "localhost:7071")
            .header("user-agent", "curl/8.5.0")
            .header("accept", "*/*")
            .header("content-type", "application/json")
            .header("content-length", "18");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let incoming = Incoming { parts, body: r#"{"a":1,"name":"x"}"#.into() };
        let function = Function {
            name: "HttpIn".to_owned(),
            binding: "req".to_owned(),
            trigger: Trigger::Http(HttpTrigger { route: String::new(), methods: Vec::new() }),
            http_output: Some("res".to_owned()),
            retry: None,
        };
        let values = vec![("id".to_owned(), "dev1".to_owned())];
        let built = envelope(&function, &values, &incoming).body("HttpIn", None);
        let mut built: Value = serde_json::from_slice(&built).unwrap();
        for pointer in ["/Metadata/sys/UtcNow", "/Metadata/sys/RandGuid"] {
            *built.pointer_mut(pointer).unwrap() = golden.pointer(pointer).unwrap().clone();
        }
        assert_eq!(built, golden);
    }
}
