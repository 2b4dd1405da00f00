//! Which requests a hub has had, without secrets.

use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// How many requests are remembered whole; counts are exact whatever came.
const REMEMBERED: usize = 20_000;

/// Most bytes of requests remembered.
const REMEMBERED_BYTES: usize = 64 * 1024 * 1024;

/// Segments of paths that are counted by their name; all others are ids, or none of this hub's resources.
const WORDS: [&str; 14] = [
    "devices",
    "twins",
    "modules",
    "query",
    "statistics",
    "service",
    "jobs",
    "create",
    "v2",
    "configurations",
    "testQueries",
    "applyConfigurationContent",
    "digitaltwins",
    "messages",
];

/// Those that are no ids although they follow a collection.
const OF_COLLECTIONS: [&str; 4] = ["query", "create", "v2", "testQueries"];

/// Longest path that is counted by its shape, in segments.
const SEGMENTS: usize = 8;

/// Largest body shown, in bytes.
const SHOWN_BODY: usize = 64 * 1024;

/// One request as it is remembered. Bodies may hold keys: they are taken out before anything is shown.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// `GET`, …, `MQTT-CONNECT`, `MQTT-PATCH`.
    pub method: String,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The query as it was sent.
    pub query: Option<String>,
    /// `If-Match` as it was sent.
    pub if_match: Option<String>,
    /// What was answered; 0 when the connection was closed instead. A refused MQTT CONNECT is 400, 401 or 503.
    pub status: u16,
    /// The request's body.
    pub body: Bytes,
}

impl RequestRecord {
    fn size(&self) -> usize {
        let texts = [Some(&self.method), Some(&self.path), self.query.as_ref(), self.if_match.as_ref()];
        self.body.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    count: u64,
    requests: VecDeque<(u64, RequestRecord)>,
    bytes: usize,
    shapes: BTreeMap<(String, u16), u64>,
}

impl Memory {
    pub(super) fn record(&mut self, record: RequestRecord) {
        self.count += 1;
        *self.shapes.entry((shape(&record.method, &record.path), record.status)).or_default() += 1;
        // A body may be a slice of a read buffer, and would keep all of it.
        let body = Bytes::copy_from_slice(&record.body);
        let record = RequestRecord { body, ..record };
        self.bytes += record.size();
        self.requests.push_back((self.count, record));
        while self.requests.len() > REMEMBERED || self.bytes > REMEMBERED_BYTES {
            let Some((_, oldest)) = self.requests.pop_front() else { break };
            self.bytes -= oldest.size();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn list(&self) -> Value {
        self.requests.iter().map(|(n, record)| shown(*n, record)).collect()
    }

    /// Counts by method, shape of the route and status.
    pub(super) fn summary(&self) -> Value {
        let by_shape = self.shapes.iter();
        by_shape
            .map(|((shape, status), count)| json!({"request": shape, "status": status, "count": count}))
            .collect()
    }
}

/// `GET /twins/{id}`: ids replaced, so that shapes are few whatever is sent; the app's own probes are told apart.
fn shape(method: &str, path: &str) -> String {
    if method.starts_with("MQTT") {
        let module = if path.contains('/') { "/{module}" } else { "" };
        return format!("{method} {{id}}{module}");
    }
    let method =
        if matches!(method, "GET" | "PUT" | "POST" | "PATCH" | "DELETE") { method } else { "(other)" };
    let mut shape = String::from(method);
    shape.push(' ');
    let mut after_collection = false;
    let statistics = path.trim_start_matches('/').starts_with("statistics");
    for segment in path.split('/').filter(|segment| !segment.is_empty()).take(SEGMENTS) {
        let id = after_collection && !OF_COLLECTIONS.contains(&segment);
        shape.push('/');
        shape.push_str(match segment {
            probe if probe.starts_with("hadr-probe-") => "{probe}",
            _ if id => "{id}",
            word if WORDS.contains(&word) => word,
            _ => "{other}",
        });
        let collection = matches!(segment, "devices" | "twins" | "modules" | "jobs" | "configurations");
        after_collection = !id && !statistics && collection;
    }
    shape
}

fn shown(n: u64, record: &RequestRecord) -> Value {
    let mut body = match record.body.len() {
        0 => Value::Null,
        length if length > SHOWN_BODY => Value::String(format!("{length} bytes")),
        _ => serde_json::from_slice(&record.body).unwrap_or(Value::Null),
    };
    without_keys(&mut body);
    json!({
        "n": n, "method": record.method, "path": record.path, "query": record.query, "ifMatch": record.if_match,
        "status": record.status, "body": body,
    })
}

/// Replaces every key of an identity, and cuts the signatures off blob containers.
fn without_keys(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if matches!(name.as_str(), "primaryKey" | "secondaryKey") && member.is_string() {
                    *member = Value::String("(key)".to_owned());
                } else if let ("inputBlobContainerUri" | "outputBlobContainerUri", Value::String(uri)) =
                    (name.as_str(), &mut *member)
                {
                    // What follows is the signature.
                    uri.truncate(uri.find('?').unwrap_or(uri.len()));
                } else {
                    without_keys(member);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_keys),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_name_the_route_and_not_the_identity() {
        assert_eq!(shape("GET", "/twins/x"), "GET /twins/{id}");
        assert_eq!(shape("PUT", "/devices/a%2Fb/modules/m"), "PUT /devices/{id}/modules/{id}");
        assert_eq!(shape("POST", "/devices"), "POST /devices");
        assert_eq!(shape("POST", "/devices/query"), "POST /devices/query");
        assert_eq!(shape("GET", "/statistics/devices"), "GET /statistics/devices");
        assert_eq!(shape("GET", "/twins/hadr-probe-1"), "GET /twins/{probe}");
        assert_eq!(shape("MQTT-PATCH", "d/m"), "MQTT-PATCH {id}/{module}");
        assert_eq!(shape("GET", "/jobs/7c1f"), "GET /jobs/{id}");
        assert_eq!(shape("POST", "/jobs/create"), "POST /jobs/create");
        assert_eq!(shape("PUT", "/configurations/c"), "PUT /configurations/{id}");
        assert_eq!(shape("BREW", "/x/y"), "(other) /{other}/{other}");
        assert_eq!(shape("GET", &"/a".repeat(10_000)), format!("GET {}", "/{other}".repeat(SEGMENTS)));
    }

    #[test]
    fn what_is_remembered_is_bounded_by_all_its_bytes() {
        let mut memory = Memory::default();
        for _ in 0..2000 {
            let (method, path) = ("GET".to_owned(), "/".repeat(64 * 1024));
            let body = Bytes::new();
            memory.record(RequestRecord { method, path, query: None, if_match: None, status: 404, body });
        }
        assert!(memory.bytes <= REMEMBERED_BYTES && memory.requests.len() < 1100);
        assert_eq!(memory.shapes.len(), 1);
    }

    #[test]
    fn keys_are_never_shown() {
        for body in [
            &br#"{"authentication":{"symmetricKey":{"primaryKey":"s3cret"}}}"#[..],
            br#"{"outputBlobContainerUri":"http://127.0.0.1/c?sv=2019&sig=s3cret"}"#,
        ] {
            let (method, path) = ("PUT".to_owned(), "/devices/x".to_owned());
            let body = Bytes::from_static(body);
            let record = RequestRecord { method, path, query: None, if_match: None, status: 200, body };
            assert!(!shown(1, &record).to_string().contains("s3cret"));
        }
    }
}
