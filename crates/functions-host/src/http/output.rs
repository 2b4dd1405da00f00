//! The answer of an HTTP function in payload form: the `http` output of its reply.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::event_hub::dotnet_text;
use crate::invocation::FunctionResult;
use crate::json::Json;

/// The answer when there is none.
pub(super) fn failure() -> Response {
    Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(Body::empty()).unwrap_or_default()
}

/// Builds the answer from the output of this name; `$return` is the reply's return value.
pub(super) fn response(name: &str, result: &FunctionResult) -> Response {
    let output = if name == "$return" { result.return_value.clone() } else { named(name, result) };
    match output {
        Some(output) => from_output(output).unwrap_or_else(failure),
        // Outputs without the one that is wanted: an empty object. No outputs at all: no content (inferred).
        None if result.outputs.is_some() => body(StatusCode::OK, "{}".to_owned()),
        None => Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).unwrap_or_default(),
    }
}

/// Names inside `Outputs` are compared by case. Without a `$return` binding, an object that is returned counts as
/// outputs.
fn named(name: &str, result: &FunctionResult) -> Option<Json> {
    let outputs = result.outputs.iter().flatten();
    let returned = result.return_value.iter().flat_map(Json::members);
    outputs.chain(returned).find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

/// An object, or a text that holds one, with `statusCode`, `headers` and `body`; `status` alone is ignored.
fn from_output(output: Json) -> Option<Response> {
    let output = match output {
        Json::Text(text) => Json::parse(&text).ok()?,
        other => other,
    };
    if !matches!(output, Json::Object(_)) {
        return None;
    }
    let member = |name| output.member_ignoring_case(name).filter(|value| !value.is_null());
    let status = member("statusCode").map_or(Some(StatusCode::OK), status_code)?;
    let content = member("body").map(|body| match body {
        Json::Object(_) | Json::Array(_) => body.to_pretty_text(),
        scalar => dotnet_text(scalar),
    });
    let mut response = body(status, content.unwrap_or_default());
    for (name, value) in member("headers").map(Json::members).unwrap_or_default() {
        if matches!(value, Json::Object(_) | Json::Array(_)) {
            return None;
        }
        let (name, value) =
            (HeaderName::try_from(name).ok()?, HeaderValue::try_from(dotnet_text(value)).ok()?);
        response.headers_mut().insert(name, value);
    }
    Some(response)
}

fn status_code(value: &Json) -> Option<StatusCode> {
    StatusCode::from_u16(dotnet_text(value).parse().ok()?).ok()
}

/// Without a content type of its own, every body goes out as plain text.
fn body(status: StatusCode, content: String) -> Response {
    let mut response = Response::new(Body::from(content));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(output: &str) -> StatusCode {
        let outputs = Json::parse(&format!(r#"{{"res":{output}}}"#)).unwrap_or_default().into_members();
        response("res", &FunctionResult { outputs: Some(outputs), ..FunctionResult::default() }).status()
    }

    #[test]
    fn the_status_of_an_output_is_read_as_the_host_reads_it() {
        let cases = [
            (r#"{"statusCode":404}"#, 404),
            (r#"{"StatusCode":"201"}"#, 201),
            (r#"{"status":404}"#, 200),
            (r#""{\"statusCode\":202}""#, 202),
            ("5", 500),
            (r#"{"headers":{"a":["b"]}}"#, 500),
        ];
        for (output, status) in cases {
            assert_eq!(status_of(output).as_u16(), status, "{output}");
        }
    }

    #[test]
    fn an_output_that_is_absent_is_an_empty_object_or_nothing() {
        let outputs = Some(Vec::new());
        assert_eq!(response("res", &FunctionResult { outputs, ..FunctionResult::default() }).status(), 200);
        assert_eq!(response("res", &FunctionResult::default()).status(), 204);
    }
}
