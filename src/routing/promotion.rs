//! Making the other hub the active one, in two steps that survive the death of whoever takes them.

use std::fmt;
use std::time::{Duration, Instant};

use super::authorship::authorship;
use super::genesis::confirm;
use super::hubs::{Hubs, probe_present};
use super::lease::PromotionWatch;
use super::record::{
    HubRole, Phase, Promotion, PromotionKind, RoutingRecord, TransitionError, Witness, abort,
    begin_promotion, finish,
};
use super::store::{RecordError, RecordStore, Stored};
use crate::iothub::BootTime;
use crate::iothub::{Deadline, HubError};

/// Between looks at the record.
const POLL: Duration = Duration::from_millis(500);

/// How often is said how long it still takes.
const COUNTDOWN: Duration = Duration::from_secs(5);
/// How long beyond the lease the second step is tried while storage gives no answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// For a hub to prove that it is there.
const HUB_ANSWERS: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PromotionRequest {
    /// The hub that is to become active.
    pub to: HubRole,
    /// Planned: both hubs must answer. Forced: the active one is taken for lost.
    pub kind: PromotionKind,
    /// Why, in words.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

/// How it ended well.
#[derive(Debug, Clone, PartialEq)]
pub enum Promoted {
    /// Nothing to do.
    AlreadyActive(Stored),
    /// The roles are swapped.
    Done(Stored),
    /// A promotion to the other hub was under way and is given up.
    Aborted(Stored),
}

/// Why it did not happen.
#[derive(Debug, Clone)]
pub enum PromotionError {
    /// There is no record.
    NoRecord,
    /// The record is older than what its witness remembers.
    LowerEpoch,
    /// The record is about other hubs than the settings; in words.
    OtherHubs(String),
    /// The record does not allow it.
    Rule(TransitionError),
    /// A hub gives no answer.
    Hub(HubRole, HubError),
    /// Somebody else changed the record meanwhile: the decision is dropped, not repeated.
    Lost(Box<Option<RoutingRecord>>),
    /// Storage.
    Record(RecordError),
}

impl From<RecordError> for PromotionError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<TransitionError> for PromotionError {
    fn from(error: TransitionError) -> Self {
        Self::Rule(error)
    }
}

impl fmt::Display for PromotionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord => write!(f, "there is no routing record; `iot-hadr init` makes one"),
            Self::LowerEpoch => write!(f, "the routing record is older than its witness remembers"),
            Self::OtherHubs(why) => write!(f, "{why}"),
            Self::Rule(error) => write!(f, "{error}"),
            Self::Hub(hub, error) => write!(
                f,
                "a planned promotion needs both hubs, and the {hub} one does not answer: {error}; --force promotes \
                 without it"
            ),
            Self::Lost(now) => match now.as_ref() {
                Some(record) => write!(
                    f,
                    "{} changed the routing record meanwhile (epoch {}, {}); nothing was done",
                    record.changed_by, record.epoch, record.reason
                ),
                None => write!(f, "the routing record is gone; nothing was done"),
            },
            Self::Record(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for PromotionError {}

/// Promotes. `say` is told what is being waited for. Run again after a kill, it finishes what was
/// begun; asked for the active hub while a promotion away from it is under way, it gives that up.
pub async fn promote(
    store: &RecordStore,
    hubs: &Hubs,
    request: &PromotionRequest,
    say: impl Fn(&str),
) -> Result<Promoted, PromotionError> {
    let current = store.read().await?.ok_or(PromotionError::NoRecord)?;
    if store.witness().await?.is_some_and(|witness| witness.epoch > current.record.epoch) {
        return Err(PromotionError::LowerEpoch);
    }
    if let Some(why) = store.other_hubs(&current.record) {
        return Err(PromotionError::OtherHubs(why));
    }
    match (current.record.phase, current.record.promotion) {
        (Phase::Promoting, Some(under_way)) if under_way.to == request.to => {
            say(&format!("a promotion to {} is under way: finishing it", request.to));
            finish_when_ripe(store, current, request, say).await
        }
        (Phase::Promoting, _) => give_up(store, &current, request).await,
        (Phase::Steady, _) if current.record.active == request.to => Ok(Promoted::AlreadyActive(current)),
        (Phase::Steady, _) => {
            let begun = begin(store, hubs, &current, request).await?;
            finish_when_ripe(store, begun, request, say).await
        }
    }
}

/// The first step: bound to the record that it was decided on.
async fn begin(
    store: &RecordStore,
    hubs: &Hubs,
    current: &Stored,
    request: &PromotionRequest,
) -> Result<Stored, PromotionError> {
    let promotion = Promotion { to: request.to, kind: request.kind };
    begin_promotion(&current.record, promotion, authorship(&request.by, &request.reason))?;
    if request.kind == PromotionKind::Planned {
        both_answer(store, hubs).await?;
    }
    let begun = begin_promotion(&current.record, promotion, authorship(&request.by, &request.reason))?;
    write(store, current, begun).await
}

async fn give_up(
    store: &RecordStore,
    current: &Stored,
    request: &PromotionRequest,
) -> Result<Promoted, PromotionError> {
    let back = abort(&current.record, authorship(&request.by, &request.reason))?;
    let stored = write(store, current, back).await?;
    confirm(store, &stored.record).await?;
    Ok(Promoted::Aborted(stored))
}

/// Reserves the new epoch in the witness, then compare-and-swap.
async fn write(store: &RecordStore, current: &Stored, next: RoutingRecord) -> Result<Stored, PromotionError> {
    let epoch = next.epoch;
    store.witness_that(Witness::first(current.record.active), |witness| witness.reserve(epoch)).await?;
    match store.replace(next, &current.etag).await {
        Err(RecordError::Lost) => {
            let now = store.read().await?.map(|stored| stored.record);
            Err(PromotionError::Lost(Box::new(now)))
        }
        other => Ok(other?),
    }
}

/// The second step, when every lease has run out, or whatever somebody else made of it meanwhile.
async fn finish_when_ripe(
    store: &RecordStore,
    begun: Stored,
    request: &PromotionRequest,
    say: impl Fn(&str),
) -> Result<Promoted, PromotionError> {
    let epoch = begun.record.epoch;
    let mut watch = PromotionWatch::observe(None, &begun.record, &begun.etag, BootTime::now());
    let left = watch.as_ref().map(|watch| watch.left(BootTime::now())).unwrap_or_default();
    say(&format!("epoch {epoch}: waiting {} s for every right to write to run out", left.as_secs() + 1));
    let give_up = Instant::now() + left + PATIENCE;
    let mut said = left;
    loop {
        let left = watch.as_ref().map(|watch| watch.left(BootTime::now())).unwrap_or_default();
        if said.saturating_sub(left) >= COUNTDOWN && !left.is_zero() {
            say(&format!("epoch {epoch}: {} s to go", left.as_secs() + 1));
            said = left;
        }
        let answer = match &watch {
            Some(ripe) if ripe.may_finish(BootTime::now()) => {
                let done = finish(&begun.record, begun.written, authorship(&request.by, &request.reason))?;
                store.replace(done, &begun.etag).await.map(Some)
            }
            _ => store.read().await,
        };
        match answer {
            Ok(Some(now)) if now.etag == begun.etag => {
                watch = PromotionWatch::observe(watch, &now.record, &now.etag, BootTime::now());
            }
            Ok(Some(now)) => return settled(store, now, epoch, request.to).await,
            Ok(None) => return Err(PromotionError::Lost(Box::new(None))),
            Err(RecordError::Lost) => watch = None,
            Err(RecordError::Unavailable(_)) if Instant::now() < give_up => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn settled(
    store: &RecordStore,
    now: Stored,
    epoch: u64,
    to: HubRole,
) -> Result<Promoted, PromotionError> {
    if now.record.phase == Phase::Steady && now.record.epoch == epoch && now.record.active == to {
        confirm(store, &now.record).await?;
        return Ok(Promoted::Done(now));
    }
    Err(PromotionError::Lost(Box::new(Some(now.record))))
}

async fn both_answer(store: &RecordStore, hubs: &Hubs) -> Result<(), PromotionError> {
    let made = store.witness().await?.is_some_and(|witness| witness.probes_made);
    for role in [HubRole::Primary, HubRole::Secondary] {
        let present = probe_present(hubs.get(role), Deadline::after(HUB_ANSWERS)).await;
        let present = present.map_err(|error| PromotionError::Hub(role, error))?;
        if made && !present {
            let why =
                "it does not know the app's own identity hadr-probe-1: is it the hub you think?".to_owned();
            let refused = HubError {
                kind: crate::iothub::HubErrorKind::Absent,
                code: None,
                tracking_id: None,
                message: why,
            };
            return Err(PromotionError::Hub(role, refused));
        }
    }
    Ok(())
}
