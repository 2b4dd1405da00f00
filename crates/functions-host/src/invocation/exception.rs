//! `RetryContext.Exception`: why the attempt before this one failed, as Json.NET writes the exception.
//!
//! Observed for a refusal and for a handler that has ended (host 4.1045); the others are read. Of stack traces only the beginning
//! is written: handlers must not read them.

use uuid::Uuid;

use super::Failure;
use crate::json::Json;

/// `HResult` of most exceptions.
const GENERAL: i64 = -2_146_233_088;
/// `HResult` of an input or output error.
const INPUT_OUTPUT: i64 = -2_146_232_800;
/// `HttpRequestError.ResponseEnded`.
const RESPONSE_ENDED: i64 = 10;

const STACK: &str = "   at ...";

/// The exception around the one that says what has happened.
pub(super) fn to_json(function: &str, invocation: Uuid, failure: &Failure) -> Json {
    let class = "Microsoft.Azure.WebJobs.Host.FunctionInvocationException";
    let message = format!("Exception while executing function: Functions.{function}");
    let outer = serializable(class, &message, cause(failure), "System.Private.CoreLib");
    let mut members = vec![
        ("InstanceId".to_owned(), Json::from(invocation.to_string())),
        ("MethodName".to_owned(), Json::from(format!("Host.Functions.{function}"))),
        ("Handled".to_owned(), Json::from(false)),
    ];
    members.extend(outer.into_members());
    Json::Object(members)
}

fn cause(failure: &Failure) -> Json {
    let text = failure.to_string();
    let of_the_host = |class| serializable(class, &text, Json::Null, "Microsoft.Azure.WebJobs.Host");
    match failure {
        Failure::Timeout(_) => of_the_host("Microsoft.Azure.WebJobs.Host.FunctionTimeoutException"),
        Failure::Binding(_) | Failure::Reply(_) => of_the_host("System.InvalidOperationException"),
        Failure::Status(status) => {
            let known = [("HttpRequestError", Json::from(0)), ("StatusCode", Json::from(i64::from(*status)))];
            of_http(known.into(), &text, Json::Null, GENERAL)
        }
        // Whatever came in between, it is shown as the end of the handler.
        Failure::Connection(_) => {
            let ended = "The response ended prematurely. (ResponseEnded)";
            let error = ("HttpRequestError", Json::from(RESPONSE_ENDED));
            let inner = of_http(vec![error.clone()], ended, Json::Null, INPUT_OUTPUT);
            let known = vec![error, ("StatusCode", Json::Null)];
            of_http(known, "An error occurred while sending the request.", inner, INPUT_OUTPUT)
        }
    }
}

/// An exception without a serialisation of its own: its public properties.
fn of_http(mut members: Vec<(&str, Json)>, message: &str, inner: Json, hresult: i64) -> Json {
    members.extend([
        ("Message", Json::from(message)),
        ("Data", Json::object([])),
        ("InnerException", inner),
        ("HelpLink", Json::Null),
        ("Source", Json::from("System.Net.Http")),
        ("HResult", Json::from(hresult)),
        ("StackTrace", Json::from(STACK)),
    ]);
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// One that is `ISerializable`.
fn serializable(class: &str, message: &str, inner: Json, source: &str) -> Json {
    Json::object([
        ("ClassName", Json::from(class)),
        ("Message", Json::from(message)),
        ("Data", Json::Null),
        ("InnerException", inner),
        ("HelpURL", Json::Null),
        ("StackTraceString", Json::from(STACK)),
        ("RemoteStackTraceString", Json::Null),
        ("RemoteStackIndex", Json::from(0)),
        ("ExceptionMethod", Json::Null),
        ("HResult", Json::from(GENERAL)),
        ("Source", Json::from(source)),
        ("WatsonBuckets", Json::Null),
    ])
}
