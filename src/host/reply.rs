//! Answers to the host: always a JSON object, never an empty body.
//!
//! After a 2xx with an empty body, `204` or `null` the host waits until the function's timeout and
//! then kills the process (read in its source).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::HttpOutput;

/// What a function answers to the host.
#[derive(Debug, Clone)]
pub enum Reply {
    /// 200 with `{}` and these log lines.
    Done(Vec<String>),
    /// 503: the host retries the batch.
    Hold(String),
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Done(lines) => object(
                StatusCode::OK,
                &json!({ "Logs": lines.iter().map(|s| one_line(s)).collect::<Vec<_>>() }),
            ),
            Self::Hold(why) => refusal(StatusCode::SERVICE_UNAVAILABLE, &why),
        }
    }
}

/// The answer of a function with the `http` output binding, in payload form.
pub(super) fn http_output(output: HttpOutput) -> Response {
    let line = format!("answered {}", output.status);
    object(StatusCode::OK, &json!({ "Outputs": output.outputs(), "Logs": [line] }))
}

/// A status that fails the invocation. The host drops the body, but whoever calls by hand reads it.
pub(super) fn refusal(status: StatusCode, why: &str) -> Response {
    let why = one_line(why);
    let mut response = object(status, &json!({ "Logs": [why], "error": why }));
    response.extensions_mut().insert(Why(why));
    response
}

/// Why an invocation failed, for the log.
#[derive(Debug, Clone)]
pub(super) struct Why(pub(super) String);

fn object(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn read(response: Response) -> (u16, Value) {
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn every_reply_is_an_object_with_lines_of_one_line() {
        let done = read(Reply::Done(vec!["one\n line".to_owned()]).into_response()).await;
        assert_eq!(done, (200, json!({ "Logs": ["one line"] })));
        let held = read(Reply::Hold("no authority".to_owned()).into_response()).await;
        assert_eq!(held, (503, json!({ "Logs": ["no authority"], "error": "no authority" })));
    }

    #[tokio::test]
    async fn an_http_output_is_an_object_so_that_no_text_is_taken_for_base64() {
        let headers = vec![("content-type", "application/json".to_owned())];
        let output = HttpOutput { status: 200, headers, body: json!({ "ok": true }) };
        let (_, reply) = read(http_output(output)).await;
        let golden: Value =
            serde_json::from_slice(include_bytes!("../../tests/golden/response-with-outputs.json")).unwrap();
        assert_eq!(reply.pointer("/Outputs/res"), golden.pointer("/Outputs/res"));
    }
}
