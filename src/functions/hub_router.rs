//! hub-router: tells a device which hub to connect to, from memory.
//!
//! No storage and no hub is asked on the way: the answer is made once per assignment and kept as
//! bytes. It does not depend on the device, whose id is only looked at for being one. A process that has
//! never read a routing record does not guess: 503, and devices stay where they are.

mod answers;
mod asked;
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
use serde_json::{Value, json};

use crate::host::{HttpCall, HttpOutput};
use crate::routing::{Assignment, RouterView};
pub use answers::Directory;
use answers::{Answer, Answers};
pub use asked::NAME;
use negotiation::Form;

/// How long the first callers wait for the first read of the routing record.
const COLD_START: Duration = Duration::from_secs(2);

/// When to ask again where nothing is known yet, in seconds.
const ASK_AGAIN: &str = "10";

/// Says so.
const NOTHING_KNOWN: &str = "the routing record has not been read yet: stay where you are";

/// Any other method gets this.
const ONLY_GET: &str = "only GET and HEAD are answered here";

/// The epoch of an answer, so that devices without a JSON parser never follow a lower one.
const EPOCH: HeaderName = HeaderName::from_static("hadr-epoch");

/// Answers devices.
#[derive(Debug)]
pub struct HubRouter {
    view: Option<RouterView>,
    directory: Directory,
    warm: AtomicBool,
    answers: RwLock<Option<Arc<Answers>>>,
}

impl HubRouter {
    /// Whether a forwarded call of this path is for this function: in any case, with any slashes, under any route prefix.
    pub fn serves(path: &str) -> bool {
        asked::is_ours(path)
    }

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
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, form, ONLY_GET);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if let Err(why) = asked::by_uri(uri) {
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

fn called(answers: Option<&Answers>, call: &HttpCall) -> HttpOutput {
    let form = Form::wanted(call.header("accept").into_iter());
    if call.method != "GET" && call.method != "HEAD" {
        return output(405, form, error_body(form, ONLY_GET), vec![]);
    }
    if let Err(why) = asked::by_call(call) {
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
