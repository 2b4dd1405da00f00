//! hub-router: tells a device which hub to connect to, from memory.
//!
//! No storage and no hub is asked on the way: the answer is made once per assignment and kept as
//! bytes. It does not depend on the device, whose id is only looked at for being one. A process that has
//! never read a routing record does not guess: 503, and devices stay where they are.

mod answers;
mod negotiation;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::host::{HttpCall, HttpOutput};
use crate::model::DeviceId;
use crate::routing::{Assignment, RouterView};
pub use answers::Directory;
use answers::{Answer, Answers};
use negotiation::Form;

/// How long the first callers wait for the first read of the routing record.
const COLD_START: Duration = Duration::from_secs(2);

/// When to ask again where nothing is known yet, in seconds.
const ASK_AGAIN: &str = "10";

/// Says so.
const NOTHING_KNOWN: &str = "the routing record has not been read yet: stay where you are";

/// The epoch of an answer, so that devices without a JSON parser never follow a lower one.
const EPOCH: HeaderName = HeaderName::from_static("hadr-epoch");

/// The function's folder and the first segment of its route.
pub const NAME: &str = "hub-router";

/// Answers devices.
#[derive(Debug)]
pub struct HubRouter {
    view: Option<RouterView>,
    directory: Directory,
    warm: AtomicBool,
    answers: RwLock<Option<Arc<Answers>>>,
}

impl HubRouter {
    /// `view` is asked at every call, which costs nothing.
    pub fn new(view: RouterView, directory: Directory) -> Self {
        Self { view: Some(view), directory, warm: AtomicBool::new(false), answers: RwLock::default() }
    }

    /// Where no routing record can be read at all.
    pub fn without_record(directory: Directory) -> Self {
        Self { view: None, directory, warm: AtomicBool::new(false), answers: RwLock::default() }
    }

    /// A forwarded call: the caller's own method, path, query and headers.
    pub async fn forwarded<B>(&self, request: Request<B>) -> Response<Body> {
        let (asked, _) = request.into_parts();
        let answers = self.current().await;
        let answer = || forwarded(answers.as_deref(), &asked.method, &asked.uri, &asked.headers);
        catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
            let mut response = Response::new(Body::from("{\"error\":\"the function panicked\"}"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        })
    }

    /// A call in payload form.
    pub async fn called(&self, call: HttpCall) -> HttpOutput {
        let answers = self.current().await;
        called(answers.as_deref(), &call)
    }

    /// None where no record was ever read.
    async fn current(&self) -> Option<Arc<Answers>> {
        let view = self.view.as_ref()?;
        if self.warm.load(Ordering::Relaxed) {
            return Some(self.answers(view.current()?));
        }
        let first = view.first(COLD_START).await;
        self.warm.store(true, Ordering::Relaxed);
        Some(self.answers(first?))
    }

    fn answers(&self, assignment: Assignment) -> Arc<Answers> {
        let known = self.answers.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.assignment == assignment) {
            return known;
        }
        let fresh = Arc::new(self.directory.answers(assignment));
        *self.answers.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        fresh
    }
}

fn forwarded(
    answers: Option<&Answers>,
    method: &Method,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
) -> Response<Body> {
    let form = Form::wanted(headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()));
    if method != Method::GET && method != Method::HEAD {
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, form, "only GET is answered here");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if let Err(why) = ids_of(uri) {
        return refused(StatusCode::BAD_REQUEST, form, &why);
    }
    let Some(answers) = answers else {
        let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, form, NOTHING_KNOWN);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(ASK_AGAIN));
        return response;
    };
    let answer = answers.of(form);
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut response = Response::new(Body::empty());
    if answer.matches(known) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(answer.body.clone());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, answer.etag.clone());
    headers.insert(CACHE_CONTROL, answers.cache_control.clone());
    headers.insert(EPOCH, answers.epoch.clone());
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

fn refused(status: StatusCode, form: Form, why: &str) -> Response<Body> {
    let body = match form {
        Form::Json => json!({ "error": why }).to_string(),
        Form::Text => format!("{why}\n"),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Looks at the device ids of the path and of the query. The host unescapes the path before it
/// passes a call on, so a `%` in it may be the id's own: what is no escape stays as it is.
fn ids_of(uri: &axum::http::Uri) -> Result<(), String> {
    let path = uri.path();
    let in_path = path.find(NAME).and_then(|at| path.get(at + NAME.len() + 1..)).unwrap_or_default();
    if !in_path.is_empty() {
        check(&decoded(in_path)?)?;
    }
    for pair in uri.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name.eq_ignore_ascii_case("deviceId") {
            check(&decoded(value)?)?;
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "deviceId: not UTF-8".to_owned())?;
    Ok(decoded.into_owned())
}

fn check(id: &str) -> Result<(), String> {
    id.parse::<DeviceId>().map(drop).map_err(|why| format!("deviceId: {why}"))
}

fn called(answers: Option<&Answers>, call: &HttpCall) -> HttpOutput {
    let form = Form::wanted(call.header("accept").into_iter());
    let ids = call.params.iter().chain(&call.query);
    let ids = ids.filter(|(name, _)| name.eq_ignore_ascii_case("deviceId")).filter_map(|(_, id)| id.as_str());
    let bad = ids.map(check).find_map(Result::err);
    if call.method != "GET" && call.method != "HEAD" {
        return output(405, form, error_body(form, "only GET is answered here"), vec![]);
    }
    if let Some(why) = bad {
        return output(400, form, error_body(form, &why), vec![]);
    }
    let Some(answers) = answers else {
        let headers = vec![("retry-after", ASK_AGAIN.to_owned()), ("cache-control", "no-store".to_owned())];
        return output(503, form, error_body(form, NOTHING_KNOWN), headers);
    };
    let answer = answers.of(form);
    let headers = vec![
        ("etag", text_of(&answer.etag)),
        ("cache-control", text_of(&answers.cache_control)),
        ("hadr-epoch", text_of(&answers.epoch)),
    ];
    if answer.matches(call.header("if-none-match").into_iter()) {
        return output(304, form, Value::Null, headers);
    }
    output(200, form, answer_body(form, answer), headers)
}

fn output(status: u16, form: Form, body: Value, mut headers: Vec<(&'static str, String)>) -> HttpOutput {
    headers.push(("vary", "accept".to_owned()));
    if !body.is_null() {
        headers.push(("content-type", form.content_type().to_owned()));
    }
    HttpOutput { status, headers, body }
}

fn error_body(form: Form, why: &str) -> Value {
    match form {
        Form::Json => json!({ "error": why }),
        Form::Text => Value::String(format!("{why}\n")),
    }
}

fn answer_body(form: Form, answer: &Answer) -> Value {
    match form {
        Form::Json => serde_json::from_slice(&answer.body).unwrap_or_default(),
        Form::Text => Value::String(String::from_utf8_lossy(&answer.body).into_owned()),
    }
}

fn text_of(value: &HeaderValue) -> String {
    value.to_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
