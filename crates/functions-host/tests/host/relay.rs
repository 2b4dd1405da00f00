//! A custom handler that decides nothing: it passes every invocation on to `RELAY_TO` and the answer back.
//! An answer with the header `x-exit` makes it exit with that code instead.
//!
//! It is this test program itself, started with the name of the one test below: so it is always built.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};

/// The arguments that make this test program the handler.
pub(crate) const ARGUMENTS: [&str; 3] = ["relay::the_handler", "--exact", "--nocapture"];

/// Does nothing unless a host has started it.
#[tokio::test]
async fn the_handler() {
    let setting = |name: &str| std::env::var(name).ok();
    if setting("FUNCTIONS_CUSTOMHANDLER_PORT").is_none() {
        return;
    }
    if let Some(code) = setting("EXIT_AT_START").and_then(|code| code.parse().ok()) {
        std::process::exit(code);
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port: u16 = setting("FUNCTIONS_CUSTOMHANDLER_PORT").unwrap().parse().unwrap();
    let target = setting("RELAY_TO").unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("listening");
    let router = Router::new().fallback(move |request| relay(client.clone(), target.clone(), request));
    axum::serve(listener, router).await.unwrap();
}

async fn relay(client: reqwest::Client, target: String, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && parts.uri == "/" {
        return "ready".into_response();
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    let names = HeaderValue::from_str(&names.join(" ")).unwrap();
    headers.insert("x-original-names", names);
    for name in ["host", "content-length", "transfer-encoding"] {
        if let Some(value) = headers.remove(name) {
            headers.insert(HeaderName::try_from(format!("x-original-{name}")).unwrap(), value);
        }
    }
    let request = client.request(parts.method, format!("{target}{}", parts.uri)).headers(headers).body(body);
    let answer = request.send().await.unwrap();
    if let Some(code) = answer.headers().get("x-exit") {
        std::process::exit(code.to_str().unwrap().parse().unwrap());
    }
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = (status, Body::from(answer.bytes().await.unwrap())).into_response();
    response.headers_mut().clear();
    let kept = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    response.headers_mut().extend(kept.filter(|(name, _)| name != "content-length" && name != "date"));
    response
}
