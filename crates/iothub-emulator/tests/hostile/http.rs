//! The service API.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use super::bombard;

/// Words that lead somewhere, and words that must not.
const SEGMENTS: [&str; 36] = [
    "devices",
    "twins",
    "modules",
    "query",
    "jobs",
    "create",
    "v2",
    "configurations",
    "testQueries",
    "applyConfigurationContent",
    "statistics",
    "service",
    "digitaltwins",
    "messages",
    "events",
    "devicebound",
    "methods",
    "files",
    "$iothub",
    "websocket",
    "keys",
    "regenerate",
    "d",
    "d",
    "m",
    "$edgeAgent",
    "%24edgeHub",
    "",
    ".",
    "..",
    "%",
    "%2",
    "%00",
    "%2f",
    "%FF%FE",
    "%25%32%46",
];

/// Every resource there is, by its path.
const ROUTES: [&str; 18] = [
    "devices",
    "devices/",
    "devices/d",
    "devices/e%25%23",
    "devices/query",
    "devices/d/modules",
    "devices/d/modules/m",
    "devices/d/applyConfigurationContent",
    "twins/d",
    "twins/d/modules/m",
    "statistics/devices",
    "statistics/service",
    "jobs",
    "jobs/create",
    "jobs/j",
    "configurations",
    "configurations/c",
    "configurations/testQueries",
];

/// What clients call most.
const CALLS: [(&str, &str); 9] = [
    ("PUT", "devices/d"),
    ("GET", "devices/d"),
    ("PUT", "devices/d/modules/m"),
    ("PATCH", "twins/d"),
    ("PUT", "twins/d/modules/m"),
    ("GET", "twins/d"),
    ("POST", "devices"),
    ("POST", "devices/query"),
    ("PUT", "configurations/c"),
];

const MEMBERS: [&str; 33] = [
    "id",
    "deviceId",
    "moduleId",
    "importMode",
    "eTag",
    "twinETag",
    "status",
    "statusReason",
    "authentication",
    "symmetricKey",
    "primaryKey",
    "secondaryKey",
    "x509Thumbprint",
    "type",
    "capabilities",
    "iotEdge",
    "deviceScope",
    "parentScopes",
    "tags",
    "properties",
    "desired",
    "reported",
    "$version",
    "$metadata",
    "$etag",
    "query",
    "content",
    "deviceContent",
    "targetCondition",
    "priority",
    "inputBlobContainerUri",
    "outputBlobContainerUri",
    "includeConfigurations",
];

const TEXTS: [&str; 20] = [
    "",
    "*",
    "d",
    "m",
    "create",
    "UPDATE",
    "deleteIfMatchETag",
    "enabled",
    "disabled",
    "sas",
    "selfSigned",
    "none",
    "import",
    "export",
    "AAAAAAAAAAE=",
    "http://127.0.0.1:1/c?sig=x",
    "file:///etc/passwd",
    "\u{0}",
    "é\u{202e}",
    "SELECT * FROM devices WHERE tags.a = 1",
];

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(&TEXTS[..]).prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let name = prop_oneof![8 => select(&MEMBERS[..]).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
        let members = btree_map(name, inner.clone(), 0..8);
        prop_oneof![
            members.prop_map(|members| Value::Object(Map::from_iter(members))),
            vec(inner, 0..5).prop_map(Value::from),
        ]
    })
}

/// What clients send, and what it is like when one value in it is something else.
fn nearly_right() -> impl Strategy<Value = Value> {
    let bodies = serde_json::json!([
        {}, [], {"deviceId": "d"}, {"deviceId": "d", "status": "disabled", "authentication": {"type": "sas"}},
        {"tags": {"a": 1}}, {"properties": {"desired": {"a": {"b": null}}}}, {"query": "SELECT * FROM devices"},
        [{"id": "d", "importMode": "create", "tags": {"a": 1}, "properties": {"desired": {"b": 1}, "reported": {"c": 1}}}],
        [{"id": "d", "moduleId": "m", "importMode": "createOrUpdate"}, {"id": "d", "importMode": "updateTwin"}],
        {"id": "c", "content": {"deviceContent": {"properties.desired.a": 1}}, "targetCondition": "*", "priority": 1},
        {"type": "export", "outputBlobContainerUri": "http://127.0.0.1:1/c?sv=1&sig=x", "excludeKeysInExport": false},
    ]);
    let Value::Array(bodies) = bodies else { panic!("they are a list") };
    (select(bodies), option::of(("[0-9]", json()))).prop_map(|(mut body, change)| {
        if let Some((place, other)) = change {
            spoil(&mut body, &mut place.parse().unwrap(), other);
        }
        body
    })
}

/// Puts something else in the place of the value that is so many steps into a body.
fn spoil(body: &mut Value, steps: &mut usize, other: Value) {
    if *steps == 0 {
        *body = other;
        return;
    }
    *steps -= 1;
    match body {
        Value::Object(members) => {
            members.values_mut().take(1).for_each(|inner| spoil(inner, steps, other.clone()))
        }
        Value::Array(items) => items.iter_mut().take(1).for_each(|inner| spoil(inner, steps, other.clone())),
        _ => {}
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => nearly_right().prop_map(|value| value.to_string().into_bytes()),
        4 => json().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..300),
        1 => (0usize..20_000).prop_map(|depth| "[{\"tags\":".repeat(depth).into_bytes()),
        1 => query_text().prop_map(|query| serde_json::json!({ "query": query }).to_string().into_bytes()),
    ]
}

/// Queries made of the language's own words.
fn query_text() -> impl Strategy<Value = String> {
    let words = [
        "SELECT",
        "*",
        "FROM",
        "devices",
        "devices.modules",
        "WHERE",
        "tags.a",
        "=",
        "!=",
        "'x'",
        "1",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "IN",
        "NIN",
        "[",
        "]",
        ",",
        "TOP",
        "COUNT()",
        "AS",
        "IS_DEFINED",
        "GROUP",
        "BY",
        "'",
        "\"",
        ".",
    ];
    vec(select(words.to_vec()), 0..200).prop_map(|words| words.join(" "))
}

#[derive(Debug)]
struct Request {
    method: &'static str,
    path: String,
    query: &'static str,
    if_match: Option<&'static str>,
    page: Option<(String, String)>,
    signed: bool,
    body: Vec<u8>,
}

fn method_and_path() -> impl Strategy<Value = (&'static str, String)> {
    let method = || select(vec!["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]);
    let wild = vec(select(&SEGMENTS[..]), 0..7).prop_map(|segments| segments.join("/"));
    let known = select(&ROUTES[..]).prop_map(str::to_owned);
    prop_oneof![
        1 => (method(), wild),
        2 => (method(), known),
        2 => select(&CALLS[..]).prop_map(|(method, path)| (method, path.to_owned())),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let queries =
        ["api-version=2021-04-12", "api-version=2021-04-12&top=-1", "api-version=", "", "&&=&%&api-version"];
    let tags = ["", "*", "\"*\"", "\"AAAAAAAAAAE=\"", "AAAAAAAAAAE=", "\"", "W/\"x\""];
    let page = option::of(("[0-9]{0,30}|-1|x", "[A-Za-z0-9+/=]{0,60}"));
    let parts = (
        method_and_path(),
        prop_oneof![4 => Just(queries[0]), 1 => select(queries.to_vec())],
        option::of(select(tags.to_vec())),
        page,
        prop::bool::weighted(0.9),
        body(),
    );
    parts.prop_map(|((method, path), query, if_match, page, signed, body)| Request {
        method,
        path,
        query,
        if_match,
        page,
        signed,
        body,
    })
}

impl Request {
    fn bytes(&self, host: &str, token: &str) -> Vec<u8> {
        let Self { method, path, query, .. } = self;
        let mut head = format!("{method} /{path}?{query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        if self.signed {
            head += &format!("authorization: {token}\r\n");
        }
        if let Some(tag) = self.if_match {
            head += &format!("if-match: {tag}\r\n");
        }
        if let Some((size, continuation)) = &self.page {
            head += &format!("x-ms-max-item-count: {size}\r\nx-ms-continuation: {continuation}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

#[test]
fn every_request_is_answered_and_none_is_an_internal_error() {
    let mut done = 0;
    bombard(1000, request(), |emulator, request| {
        let answer = emulator.request(&request.bytes(emulator.host(), &emulator.token()));
        let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).map(<[u8]>::to_vec);
        let status: u16 =
            status.and_then(|digits| String::from_utf8(digits).ok()?.parse().ok()).unwrap_or_default();
        let told = String::from_utf8_lossy(&answer).into_owned();
        prop_assert!((200..500).contains(&status) || status == 501, "{told}");
        done += u32::from(status < 300);
        Ok(())
    });
    assert!(done > 30, "only {done} requests were what the hub does");
}

#[test]
fn bytes_that_are_no_request_end_the_connection() {
    let nearly = ("(GET|PUT|\\PC{0,5})( /devices)?( HTTP/1\\.[01])?(\r\n)?", vec(any::<u8>(), 0..200))
        .prop_map(|(text, bytes)| [text.as_bytes(), &bytes].concat());
    let headers = (0usize..3000)
        .prop_map(|count| format!("GET / HTTP/1.1\r\n{}", "x-h: y\r\n".repeat(count)).into_bytes());
    let chunked = "[0-9a-fA-F;\r\n]{0,60}".prop_map(|chunks| {
        format!("PUT /devices/d HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
            .into_bytes()
    });
    bombard(300, prop_oneof![nearly, headers, chunked, vec(any::<u8>(), 0..300)], |emulator, bytes| {
        emulator.last_words("https", &bytes);
        Ok(())
    });
}
