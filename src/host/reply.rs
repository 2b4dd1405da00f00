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
    object(status, &json!({ "Logs": [one_line(why)], "error": why }))
}

fn object(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
