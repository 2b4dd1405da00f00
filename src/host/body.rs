//! Request bodies, within limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::reply::refusal;

/// Bytes of a request for each byte of an event at most: base64 makes four of three of a body, and JSON in a JSON string makes two
/// of one of the shortest properties, quotes included. What comes with every event besides (system properties, numbers,
/// times: under 2 KB) has room in what base64 leaves of it.
const ON_THE_WIRE: usize = 2;

/// Bodies of this size are taken however small batches are: one event of an event hub has up to 20 MB (documented: with its large
/// messages).
const SMALLEST_LIMIT: usize = 64 * MIB;

/// A body above this many bytes is large: it waits for room.
const LARGE: usize = 4 * MIB;

/// How long a large body waits for room, or for its own next bytes, before the host is asked to bring it again.
const TURN: Duration = Duration::from_secs(30);

/// How long a body that is too large is read on and thrown away, so that the sender, which does
/// not read before it has sent, sees the answer and no reset.
const DRAIN: Duration = Duration::from_secs(5);

const MIB: usize = 1 << 20;

/// The largest request, in bytes, of a batch of this many events of this many bytes each, properties included.
pub fn largest_batch(events: usize, event: usize) -> usize {
    events.saturating_mul(event).saturating_mul(ON_THE_WIRE).max(SMALLEST_LIMIT)
}

/// Takes request bodies in, with a bound on memory: large bodies, for all partitions together, never have more bytes than one
/// of the largest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    limit: usize,
    /// In MiB.
    room: Arc<Semaphore>,
    /// One large body grows at a time: two that wait for each other's room would never end.
    growing: Arc<Mutex<()>>,
}

/// A body taken in. While it lives, a large one has its room.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Intake {
    /// `limit` is the largest body that is taken, in bytes.
    pub fn new(limit: usize) -> Self {
        let room = Arc::new(Semaphore::new(limit.div_ceil(MIB).min(Semaphore::MAX_PERMITS)));
        Self { limit, room, growing: Arc::default() }
    }

    /// Reads the body, chunked or not. 413 when it is too large, 503 when there is no room for it,
    /// 400 when it breaks off.
    pub(super) async fn take(&self, mut body: Body) -> Result<Taken, Response> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.limit {
            return Err(self.too_large(body).await);
        }
        let mut growth = Growth::of(self);
        growth.reach(announced).await?;
        let mut bytes = Vec::with_capacity(announced);
        while let Some(data) = next(&mut body, growth.is_large()).await? {
            let length = bytes.len().saturating_add(data.len());
            if length > self.limit {
                drop((bytes, growth));
                return Err(self.too_large(body).await);
            }
            growth.reach(length).await?;
            if length > bytes.capacity() {
                // Not doubled: that would take the room of the whole again.
                bytes.reserve_exact(data.len().max(LARGE));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Taken { bytes, room: growth.room })
    }

    async fn too_large(&self, body: Body) -> Response {
        drain(body, self.limit).await;
        let why = format!(
            "the request body is larger than {} MiB: with fewer events in a batch (maxEventBatchSize in host.json) it would fit",
            self.limit / MIB
        );
        refusal(StatusCode::PAYLOAD_TOO_LARGE, &why)
    }
}

/// The room of one body, from the first byte above [`LARGE`] on.
struct Growth<'a> {
    intake: &'a Intake,
    alone: Option<OwnedMutexGuard<()>>,
    room: Option<OwnedSemaphorePermit>,
}

impl<'a> Growth<'a> {
    fn of(intake: &'a Intake) -> Self {
        Self { intake, alone: None, room: None }
    }

    fn is_large(&self) -> bool {
        self.room.is_some()
    }

    /// Room for a body of this length.
    async fn reach(&mut self, length: usize) -> Result<(), Response> {
        let has = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = if length > LARGE { length.div_ceil(MIB).saturating_sub(has) } else { 0 };
        if missing == 0 {
            return Ok(());
        }
        match tokio::time::timeout(TURN, self.more(missing)).await {
            Ok(Some(())) => Ok(()),
            _ => Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "too many large batches at once")),
        }
    }

    async fn more(&mut self, mebibytes: usize) -> Option<()> {
        if self.alone.is_none() {
            self.alone = Some(Arc::clone(&self.intake.growing).lock_owned().await);
        }
        let more =
            Arc::clone(&self.intake.room).acquire_many_owned(u32::try_from(mebibytes).ok()?).await.ok()?;
        match &mut self.room {
            Some(room) => room.merge(more),
            none => *none = Some(more),
        }
        Some(())
    }
}

/// The next bytes; a large body that does not come on must not keep others waiting.
async fn next(body: &mut Body, large: bool) -> Result<Option<Bytes>, Response> {
    loop {
        let frame =
            if large { tokio::time::timeout(TURN, body.frame()).await } else { Ok(body.frame().await) };
        match frame {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(_))) | Err(_) => {
                return Err(refusal(StatusCode::BAD_REQUEST, "the request body broke off"));
            }
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
        (self.bytes, self.room)
    }
}

async fn drain(mut body: Body, limit: usize) {
    let rest = async {
        let mut left = limit;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN, rest).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    /// Chunked: its length is not known before.
    fn chunked(mebibytes: usize) -> Body {
        let chunks = std::iter::repeat_n(Ok::<_, Infallible>(Bytes::from(vec![b' '; MIB])), mebibytes);
        Body::from_stream(stream::iter(chunks))
    }

    fn announced(mebibytes: usize) -> Body {
        Body::from(vec![b' '; mebibytes * MIB])
    }

    async fn waits(intake: &Intake, body: Body) -> bool {
        tokio::time::timeout(Duration::from_millis(50), intake.take(body)).await.is_err()
    }

    #[tokio::test]
    async fn large_bodies_together_have_no_more_room_than_one_of_the_largest() {
        let intake = Intake::new(12 * MIB);
        for body in [chunked, announced] {
            let first = intake.take(body(8)).await.unwrap();
            assert_eq!(first.bytes.len(), 8 * MIB);
            assert!(waits(&intake, chunked(8)).await && waits(&intake, announced(8)).await);
            assert_eq!(
                intake.take(body(4)).await.unwrap().bytes.len(),
                4 * MIB,
                "small ones wait for nobody"
            );
            let (_, room) = first.split();
            assert!(waits(&intake, body(8)).await, "what is made of it lives");
            drop(room);
            assert_eq!(intake.take(body(12)).await.unwrap().bytes.len(), 12 * MIB);
        }
    }

    #[tokio::test]
    async fn two_that_grow_at_the_same_time_both_end() {
        let intake = Intake::new(12 * MIB);
        let one = async || drop(intake.take(chunked(10)).await.unwrap());
        let both = async { tokio::join!(one(), one()) };
        tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_larger_than_the_largest_batch_is_refused_before_and_while_it_is_read() {
        let intake = Intake::new(6 * MIB);
        for body in [announced(7), chunked(7)] {
            assert_eq!(intake.take(body).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
        assert_eq!(intake.take(chunked(6)).await.unwrap().bytes.len(), 6 * MIB, "no room is lost");
    }

    #[test]
    fn the_largest_request_follows_from_the_largest_batch() {
        let event = 256 << 10;
        assert_eq!(largest_batch(200, event), 100 * MIB);
        assert!(largest_batch(200, event) > 200 * (event * 4).div_ceil(3), "base64");
        assert_eq!(largest_batch(1, event), SMALLEST_LIMIT);
        assert_eq!(largest_batch(usize::MAX, event), usize::MAX);
    }
}
