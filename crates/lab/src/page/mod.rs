//! One page on loopback that shows what goes on, and has buttons to break it: `cargo lab -- --stay`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page, all in one file, with the moment at which it is asked for |
//! | `GET /now` | the JSON of this moment |
//! | `GET /moments` | the same as server-sent events, one for each moment that differs from the one before |
//! | `POST /break`, `/mend`, `/promote`, `/create` | 202, and what came of it is told by the moments |
//!
//! A moment is `{"at", "status", "pending", "devices", "happened"}`: `status` is what `iot-hadr status --json` prints, as it
//! is; `pending` counts identities by the reason that `iot-hadr pending list --json` gives; `devices` says of each device to
//! which hub it is connected (`null` for none); `happened` is what came to pass lately, newest first, each `{"at", "what"}`.
//! The page draws what is there: `status` alone will do.

mod happened;
mod moment;
mod news;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::error::LabError;
pub(crate) use happened::Happened;
pub(crate) use moment::Moment;
pub(crate) use news::news;

/// The page, with its style and its script.
const PAGE: &str = include_str!("page.html");
/// Where it has the moment at which it is asked for.
const FIRST: &str = "/* the first moment */ {}";
/// Whoever may press a button sends this header: another site's page cannot.
const BUTTON: &str = "x-lab-button";
/// Buttons pressed and not yet worked off.
const PRESSED: usize = 4;

/// What a button asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    /// The primary answers nobody any more.
    Break,
    /// The primary answers again.
    Mend,
    /// The other hub becomes the active one, by force if the active one is broken.
    Promote,
    /// One more device.
    Create,
}

impl Button {
    fn named(name: &str) -> Option<Self> {
        match name {
            "break" => Some(Self::Break),
            "mend" => Some(Self::Mend),
            "promote" => Some(Self::Promote),
            "create" => Some(Self::Create),
            _ => None,
        }
    }
}

/// The page as the lab has it: where it is, what it is told, and which buttons are pressed.
#[derive(Debug)]
pub(crate) struct Page {
    /// `http://127.0.0.1:…/`.
    pub(crate) address: String,
    moments: watch::Sender<Arc<str>>,
    buttons: mpsc::Receiver<Button>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone)]
struct Shared {
    moments: watch::Receiver<Arc<str>>,
    buttons: mpsc::Sender<Button>,
}

impl Page {
    /// Serves it on a free port.
    ///
    /// # Errors
    /// When none can be bound.
    pub(crate) async fn serve(first: &Moment) -> Result<Self, LabError> {
        let failed = |error: std::io::Error| LabError::Program("page".to_owned(), error.to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = format!("http://{}/", listener.local_addr().map_err(failed)?);
        let (moments, seen) = watch::channel(first.to_json().into());
        let (pressed, buttons) = mpsc::channel(PRESSED);
        let app = router(Shared { moments: seen, buttons: pressed });
        // It ends with the page.
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, moments, buttons, task })
    }

    /// Shows this moment, unless it is like the one before.
    pub(crate) fn show(&self, moment: &Moment) {
        let text: Arc<str> = moment.to_json().into();
        self.moments.send_if_modified(|before| {
            let is_new = moment::differs(before, &text);
            if is_new {
                *before = text;
            }
            is_new
        });
    }

    /// The next button that is pressed.
    pub(crate) async fn pressed(&mut self) -> Option<Button> {
        self.buttons.recv().await
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/now", get(now))
        .route("/moments", get(moments))
        .route("/{button}", post(press))
        .with_state(shared)
}

async fn page(State(shared): State<Shared>) -> Html<String> {
    // No text in it ends the script.
    let first = shared.moments.borrow().replace('<', "\\u003c");
    Html(PAGE.replace(FIRST, &first))
}

async fn now(State(shared): State<Shared>) -> impl IntoResponse {
    let moment = shared.moments.borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json")], moment)
}

async fn moments(State(shared): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut seen = shared.moments;
    seen.mark_changed();
    let all = futures::stream::unfold(seen, |mut seen| async {
        seen.changed().await.ok()?;
        let moment = seen.borrow_and_update().to_string();
        Some((moment, seen))
    });
    Sse::new(all.map(|moment| Ok(Event::default().data(moment)))).keep_alive(KeepAlive::default())
}

async fn press(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, &'static str) {
    let Some(button) = Button::named(&name) else {
        return (StatusCode::NOT_FOUND, "no such button");
    };
    if !headers.contains_key(BUTTON) {
        return (StatusCode::FORBIDDEN, "x-lab-button: 1 is missing");
    }
    match shared.buttons.try_send(button) {
        Ok(()) => (StatusCode::ACCEPTED, "pressed"),
        Err(_) => (StatusCode::TOO_MANY_REQUESTS, "one after the other"),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
