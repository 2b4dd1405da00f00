//! What a handler's reply means: rules read in the host's source, none of them guessed from the documentation.

use super::Failure;
use crate::json::Json;

/// The text the host gives when a reply cannot be read.
const INVALID: &str = "Invalid HttpResponseMessage: the content is not a JSON object of application/json";

/// How one reply ends its invocation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Succeeded(FunctionResult),
    /// The result is null, so nobody ever completes the invocation: it hangs until `functionTimeout`.
    Hangs,
    Failed(Failure),
}

/// The members of a successful reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FunctionResult {
    pub(crate) outputs: Option<Vec<(String, Json)>>,
    pub(crate) logs: Vec<String>,
    pub(crate) return_value: Option<Json>,
}

/// Judges a reply by its status, its `Content-Type` and its body.
pub(crate) fn judge(status: u16, content_type: Option<&str>, body: &[u8]) -> Verdict {
    if !(200..300).contains(&status) {
        return Verdict::Failed(Failure::Status(status));
    }
    if body.is_empty() {
        return Verdict::Hangs;
    }
    if !content_type.is_some_and(is_json) {
        return failed("no MediaTypeFormatter is available to read the content (application/json is needed)");
    }
    let text = String::from_utf8_lossy(body);
    if text.trim().is_empty() {
        return Verdict::Hangs;
    }
    match Json::parse(&text) {
        Ok(Json::Null) => Verdict::Hangs,
        Ok(object @ Json::Object(_)) => result(&object).map_or_else(failed, Verdict::Succeeded),
        Ok(_) | Err(_) => failed(INVALID),
    }
}

fn failed(reason: &str) -> Verdict {
    Verdict::Failed(Failure::Reply(reason.to_owned()))
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "text/json"].into_iter().any(|json| media_type.eq_ignore_ascii_case(json))
}

fn result(reply: &Json) -> Result<FunctionResult, &'static str> {
    let member = |name| reply.member_ignoring_case(name).filter(|value| !value.is_null());
    let outputs = match member("Outputs") {
        None => None,
        Some(Json::Object(outputs)) => Some(outputs.clone()),
        Some(_) => return Err(INVALID),
    };
    let logs = match member("Logs") {
        None => Vec::new(),
        Some(Json::Array(lines)) => lines.iter().map(log_line).collect::<Result<_, _>>()?,
        Some(_) => return Err(INVALID),
    };
    Ok(FunctionResult { outputs, logs, return_value: member("ReturnValue").cloned() })
}

/// Json.NET turns a scalar into a string and refuses anything else.
fn log_line(line: &Json) -> Result<String, &'static str> {
    match line {
        Json::Text(text) => Ok(text.clone()),
        Json::Null => Ok(String::new()),
        Json::Bool(_) | Json::Number(_) => Ok(line.to_text()),
        Json::Array(_) | Json::Object(_) => Err(INVALID),
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn a_json_object_with_a_success_status_succeeds() {
        for (status, content_type) in
            [(200, "application/json"), (202, "text/json; charset=utf-8"), (299, "APPLICATION/JSON")]
        {
            assert_eq!(
                judge(status, Some(content_type), b"{}"),
                Verdict::Succeeded(FunctionResult::default())
            );
        }
    }

    #[test]
    fn an_empty_null_or_blank_reply_hangs() {
        let cases: [(u16, Option<&str>, &[u8]); 5] =
            [(204, None, b""), (200, None, b""), (200, JSON, b""), (200, JSON, b"null"), (200, JSON, b" \n")];
        for (status, content_type, body) in cases {
            assert_eq!(judge(status, content_type, body), Verdict::Hangs, "{status} {body:?}");
        }
    }

    #[test]
    fn anything_else_fails() {
        let cases: [(u16, Option<&str>, &[u8]); 9] = [
            (200, JSON, b"not json"),
            (200, JSON, b"[]"),
            (200, JSON, b"5"),
            (200, None, b"{}"),
            (200, Some("text/plain"), b"{}"),
            (200, JSON, br#"{"Logs":[{}]}"#),
            (200, JSON, br#"{"Outputs":[]}"#),
            (302, JSON, b"{}"),
            (500, JSON, b"{}"),
        ];
        for (status, content_type, body) in cases {
            assert!(matches!(judge(status, content_type, body), Verdict::Failed(_)), "{status} {body:?}");
        }
    }

    #[test]
    fn top_level_names_are_read_in_any_case_and_unknown_ones_are_ignored() {
        let body = br#"{"outputs":{"res":{}},"LOGS":["one",2],"returnValue":7,"other":1}"#;
        let Verdict::Succeeded(result) = judge(200, JSON, body) else { panic!("a success") };
        assert_eq!(result.logs, ["one", "2"]);
        assert_eq!(result.outputs, Some(vec![("res".to_owned(), Json::object([]))]));
        assert_eq!(result.return_value, Some(Json::from(7)));
    }

    #[test]
    fn the_documented_replies_succeed() {
        let replies = [
            include_str!("../../tests/golden/response-success.json"),
            include_str!("../../tests/golden/response-success.minimal.json"),
            include_str!("../../tests/golden/response-with-outputs.json"),
        ];
        for reply in replies {
            assert!(matches!(judge(200, JSON, reply.as_bytes()), Verdict::Succeeded(_)), "{reply}");
        }
    }
}
