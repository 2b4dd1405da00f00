//! The HTTP side: which requests there are, and what they turn into.
//!
//! Containers: create, get properties, delete, List Blobs. Blobs: Put Blob, Put Block, Put Block
//! List, Get, Head, Delete. Every `x-ms-version` is accepted, as newer clients send versions
//! newer than any local store knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::IntoHeaderName;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::routing::post;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::error::BlobError;
use super::listing::{self, block_ids, http_date};
use super::store::{Blob, Conditions, Content, Store};

/// Largest body accepted; the app's own blobs are far below.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// What the names of metadata headers begin with.
const METADATA: &str = "x-ms-meta-";

#[derive(Clone)]
struct Service {
    account: &'static str,
    available: Arc<AtomicBool>,
    store: Arc<Mutex<Store>>,
}

struct Request<'a> {
    method: &'a Method,
    container: String,
    blob: Option<String>,
    query: &'a HashMap<String, String>,
    headers: &'a HeaderMap,
    body: Bytes,
}

type Answer = Result<Response<Body>, BlobError>;

/// The whole service as one router.
pub(super) fn router(account: &'static str) -> Router {
    let (store, available) = (Arc::default(), Arc::new(AtomicBool::new(true)));
    let service = Service { account, available, store };
    Router::new()
        .route("/switch/{position}", post(switch))
        .fallback(handle)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}

async fn switch(State(service): State<Service>, Path(position): Path<String>) -> StatusCode {
    match position.as_str() {
        "off" => service.available.store(false, Ordering::SeqCst),
        "on" => service.available.store(true, Ordering::SeqCst),
        _ => return StatusCode::NOT_FOUND,
    }
    StatusCode::NO_CONTENT
}

async fn handle(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let answer = service.answer(&method, &uri, &query, &headers, body);
    let mut response = answer.unwrap_or_else(|error| error.into_response(&method));
    stamp(response.headers_mut(), &headers);
    response
}

/// Headers of every answer. The version is the caller's own: all are accepted.
fn stamp(out: &mut HeaderMap, request: &HeaderMap) {
    for name in ["x-ms-version", "x-ms-client-request-id"] {
        if let Some(value) = request.get(name) {
            out.insert(name, value.clone());
        }
    }
    set(out, "x-ms-request-id", &uuid::Uuid::new_v4().to_string());
    set(out, "date", &http_date(Timestamp::now()));
}

impl Service {
    fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        query: &HashMap<String, String>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer {
        if !self.available.load(Ordering::SeqCst) {
            return Err(BlobError::ServerBusy);
        }
        if !query.contains_key("sig") && !headers.contains_key(header::AUTHORIZATION) {
            return Err(BlobError::NoAuthenticationInformation);
        }
        let (container, blob) = self.address(uri)?;
        let request = Request { method, container, blob, query, headers, body };
        match request.blob.clone() {
            Some(name) => self.blob(&request, &name),
            None => self.container(&request),
        }
    }

    /// `/{account}/{container}[/{blob}]`, decoded once; a blob name may hold slashes.
    fn address(&self, uri: &Uri) -> Result<(String, Option<String>), BlobError> {
        let mut parts = uri.path().trim_start_matches('/').splitn(3, '/');
        if parts.next() != Some(self.account) {
            return Err(BlobError::Unsupported(format!("account in {}", uri.path())));
        }
        let container = parts.next().filter(|name| !name.is_empty());
        let container = container.ok_or_else(|| BlobError::Unsupported("an account operation".to_owned()))?;
        let blob = parts.next().filter(|name| !name.is_empty());
        Ok((decoded(container), blob.map(decoded)))
    }

    fn container(&self, request: &Request<'_>) -> Answer {
        let mut store = self.lock();
        match (request.method.as_str(), request.param("comp")) {
            ("PUT", "") => {
                let made = store.create_container(&request.container)?;
                Ok(versioned(StatusCode::CREATED, &made.etag, made.modified))
            }
            ("GET" | "HEAD", "") => {
                let found = store.container(&request.container)?;
                Ok(versioned(StatusCode::OK, &found.etag, found.modified))
            }
            ("DELETE", "") => {
                store.delete_container(&request.container)?;
                Ok(plain(StatusCode::ACCEPTED, Body::empty()))
            }
            ("GET", "list") => {
                let found = store.container(&request.container)?;
                let query = request.listing()?;
                let xml = listing::list_xml(self.account, &request.container, found, &query);
                let mut response = plain(StatusCode::OK, Body::from(xml));
                set(response.headers_mut(), "content-type", "application/xml");
                Ok(response)
            }
            _ => Err(request.unsupported()),
        }
    }

    fn blob(&self, request: &Request<'_>, name: &str) -> Answer {
        match (request.method.as_str(), request.param("comp")) {
            ("GET" | "HEAD", "") => self.read(request, name),
            ("PUT", "") if request.header("x-ms-blob-type") == Some("BlockBlob") => {
                let (content, conditions) = (request.content()?, request.conditions());
                let done = self.lock().put(&request.container, name, content, &conditions)?;
                Ok(versioned(StatusCode::CREATED, &done.etag, done.modified))
            }
            ("PUT", "block") => {
                let block = request.query.get("blockid");
                let block = block.ok_or(BlobError::InvalidQueryParameter)?.clone();
                let body = request.body.clone();
                self.lock().stage(&request.container, name, block, body)?;
                Ok(plain(StatusCode::CREATED, Body::empty()))
            }
            ("PUT", "blocklist") => {
                let blocks = block_ids(&String::from_utf8_lossy(&request.body));
                let (content, conditions) = (request.content()?, request.conditions());
                let mut store = self.lock();
                let done = store.commit(&request.container, name, &blocks, content, &conditions)?;
                Ok(versioned(StatusCode::CREATED, &done.etag, done.modified))
            }
            ("DELETE", "") => {
                self.lock().delete(&request.container, name, &request.conditions())?;
                Ok(plain(StatusCode::ACCEPTED, Body::empty()))
            }
            _ => Err(request.unsupported()),
        }
    }

    fn read(&self, request: &Request<'_>, name: &str) -> Answer {
        let blob = self.lock().get(&request.container, name, &request.conditions())?;
        let (status, body, range) = request.slice(&blob)?;
        let mut response = versioned(status, &blob.etag, blob.modified);
        let headers = response.headers_mut();
        set(headers, "content-type", &blob.content.content_type);
        set(headers, "content-length", &body.len().to_string());
        set(headers, "x-ms-blob-type", "BlockBlob");
        set(headers, "accept-ranges", "bytes");
        for (name, value) in &blob.content.metadata {
            if let Ok(name) = HeaderName::try_from(format!("{METADATA}{name}")) {
                set(headers, name, value);
            }
        }
        if let Some(range) = range {
            set(headers, "content-range", &range);
        }
        *response.body_mut() = Body::from(body);
        Ok(response)
    }

    /// A panic while the lock is held leaves whole blobs behind: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request<'_> {
    fn param(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn content(&self) -> Result<Content, BlobError> {
        let content_type =
            self.header("x-ms-blob-content-type").unwrap_or("application/octet-stream").to_owned();
        Ok(Content { body: self.body.clone(), content_type, metadata: self.metadata()? })
    }

    /// Names are C# identifiers, documented; here of ASCII alone.
    fn metadata(&self) -> Result<BTreeMap<String, String>, BlobError> {
        let mut metadata = BTreeMap::new();
        for (name, value) in self.headers {
            let Some(name) = name.as_str().strip_prefix(METADATA) else { continue };
            let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !letters || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(BlobError::InvalidMetadata);
            }
            metadata.insert(name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        Ok(metadata)
    }

    fn conditions(&self) -> Conditions {
        Conditions {
            if_match: self.header("if-match").map(str::to_owned),
            if_none_match: self.header("if-none-match").map(str::to_owned),
        }
    }

    fn listing(&self) -> Result<listing::Query, BlobError> {
        if !self.param("delimiter").is_empty() {
            return Err(BlobError::Unsupported("List Blobs with a delimiter".to_owned()));
        }
        let max = match self.param("maxresults") {
            "" => Ok(0),
            text => text.parse().map_err(|_| BlobError::InvalidQueryParameter),
        }?;
        Ok(listing::Query {
            prefix: self.param("prefix").to_owned(),
            marker: self.param("marker").to_owned(),
            max,
            metadata: self.param("include").split(',').any(|what| what == "metadata"),
        })
    }

    /// The asked-for bytes: 206 with `Content-Range`, or all of it with 200.
    fn slice(&self, blob: &Blob) -> Result<(StatusCode, Bytes, Option<String>), BlobError> {
        let asked = self.header("x-ms-range").or_else(|| self.header("range"));
        let Some((from, to)) = asked.and_then(parse_range) else {
            return Ok((StatusCode::OK, blob.content.body.clone(), None));
        };
        let total = blob.content.body.len();
        if from >= total {
            return Err(BlobError::InvalidRange);
        }
        let end = to.map_or(total, |last| last.saturating_add(1).min(total));
        let range = format!("bytes {from}-{}/{total}", end.saturating_sub(1));
        let body = blob.content.body.slice(from..end.max(from));
        Ok((StatusCode::PARTIAL_CONTENT, body, Some(range)))
    }

    fn unsupported(&self) -> BlobError {
        let comp = self.param("comp");
        let what = if self.blob.is_some() { "a blob" } else { "a container" };
        BlobError::Unsupported(format!("{} of {what} with comp={comp:?}", self.method))
    }
}

fn parse_range(text: &str) -> Option<(usize, Option<usize>)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn plain(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn versioned(status: StatusCode, etag: &str, modified: Timestamp) -> Response<Body> {
    let mut response = plain(status, Body::empty());
    set(response.headers_mut(), "etag", etag);
    set(response.headers_mut(), "last-modified", &http_date(modified));
    response
}

fn set(headers: &mut HeaderMap, name: impl IntoHeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
