//! Request bodies, within limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reply::refusal;

/// Largest body that is taken, in bytes. A batch of the host is at most some hundreds of events of
/// 256 KB each, a third more in base64; in practice a few MB.
pub const MAX_BODY: usize = 64 << 20;

/// A body above this many bytes is large: it waits for its turn.
const LARGE: usize = 4 << 20;

/// Large bodies in memory at one time, for all partitions together.
const LARGE_AT_ONCE: usize = 2;

/// How long a large body waits for its turn before the host is asked to bring it again.
const TURN: Duration = Duration::from_secs(30);

/// How long a body that is too large is read on and thrown away, so that the sender, which does
/// not read before it has sent, sees the answer and no reset.
const DRAIN: Duration = Duration::from_secs(5);

/// Takes request bodies in, with a bound on memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    large: Arc<Semaphore>,
}

impl Default for Intake {
    fn default() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) }
    }
}

/// A body taken in. While it lives, a large one counts.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Intake {
    /// Reads the body, chunked or not. 413 when it is too large, 503 when too many large ones are
    /// being worked on, 400 when it breaks off.
    pub(super) async fn take(&self, mut body: Body) -> Result<Taken, Response> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > MAX_BODY {
            drain(body).await;
            return Err(too_large());
        }
        let mut taken = Taken { bytes: Vec::with_capacity(announced.min(LARGE)), turn: None };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| refusal(StatusCode::BAD_REQUEST, "the request body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = taken.bytes.len().saturating_add(data.len());
            if length > MAX_BODY {
                drop(taken);
                drain(body).await;
                return Err(too_large());
            }
            if length > LARGE && taken.turn.is_none() {
                taken.turn = Some(self.turn().await?);
            }
            taken.bytes.extend_from_slice(&data);
        }
        Ok(taken)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Response> {
        let turn = Arc::clone(&self.large).acquire_owned();
        match tokio::time::timeout(TURN, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "too many large batches at once")),
        }
    }
}

impl Taken {
    /// Whether decoding takes so long that it must not hold up other requests.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.len() > LARGE / 4
    }

    /// The bytes, and what to keep for as long as what was made of them lives.
    pub(super) fn split(self) -> (Vec<u8>, Option<OwnedSemaphorePermit>) {
        (self.bytes, self.turn)
    }
}

fn too_large() -> Response {
    let why = format!("the request body is larger than {} MiB", MAX_BODY >> 20);
    refusal(StatusCode::PAYLOAD_TOO_LARGE, &why)
}

async fn drain(mut body: Body) {
    let rest = async {
        let mut left = MAX_BODY;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN, rest).await;
}
