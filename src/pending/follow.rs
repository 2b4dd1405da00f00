//! The active hub cannot be read: the standby follows what its events say.
//!
//! It is how a backlog drains when the active hub is gone. There is no hub to give it order, so the identity's note,
//! written first, does: it remembers the newest sequence number folded.

use jiff::Timestamp;

use super::note::{At, PendingNote, Tried};
use super::slot::Heard;
use super::store::PendingStore;
use crate::iothub::HubError;
use crate::model::{IdentityId, TwinDocument};
use crate::reconcile::{Cause, Look, Outcome, Reason, Stop, Work, in_words};

/// Rounds of one identity.
const ROUNDS: u32 = 6;

/// Notes what the source's events said, and applies all that is noted to the target. The identity stays pending until
/// the source can be read.
///
/// # Errors
/// When the target or storage give no answer, or there is no lease: nothing may be acknowledged then, unless what was
/// said is noted ([`Outcome::Pending`]).
pub(crate) async fn follow(
    work: &mut Work<'_>,
    store: &PendingStore,
    id: &IdentityId,
    heard: &[Heard],
    error: &HubError,
) -> Result<(), Outcome> {
    let cause = Cause::new(Reason::SourceUnreachable, in_words(error));
    for round in 0..ROUNDS {
        work.take_place().await;
        if round > 0 && !matches!(work.pass.source_twin(id).await, Look::Unreachable(_)) {
            // Whoever wrote meanwhile may have read it; the note is tried again, by looking.
            return Ok(());
        }
        match once(work, store, id, heard, &cause, round == 0).await {
            Ok(()) => return Ok(()),
            Err(Stop::Again) => {}
            Err(Stop::At(outcome)) => return Err(outcome),
        }
    }
    Err(Outcome::Pending(Cause::contended()))
}

async fn once(
    work: &mut Work<'_>,
    store: &PendingStore,
    id: &IdentityId,
    heard: &[Heard],
    cause: &Cause,
    is_first: bool,
) -> Result<(), Stop> {
    let target = work.target_or_stop(id).await?;
    let source = work.pass.source_role;
    let at = At { now: Timestamp::now(), epoch: work.pass.lease.lease().epoch };
    let noted = store.change(id, |before| {
        // What was kept for a rejoining that is over says nothing of what follows.
        let before = before.filter(|note| !note.is_of_an_ended_rejoining(at.epoch));
        let mut note = before.unwrap_or_else(|| PendingNote::blank(id, at));
        if is_first {
            note.slot_mut(source).drop_overtaken(target.as_ref());
        }
        note.hear(source, heard, at.now, true);
        if is_first {
            note.tried(&Tried { waits_for: Some(source), ..cause.clone().into() }, at);
            heard.iter().for_each(|heard| note.place(&heard.at));
        }
        note.slot_mut(source).stands_on(target.as_ref());
        Some(note)
    });
    let Some((note, _)) = noted.await? else { return Ok(()) };
    let slot = note.slot(source);
    match target {
        Some(target) if !slot.ended && !slot.writes.is_empty() => apply(work, id, &target, &note).await,
        // What was deleted, or is not there, cannot follow.
        _ => Ok(()),
    }
}

async fn apply(
    work: &mut Work<'_>,
    id: &IdentityId,
    target: &TwinDocument,
    note: &PendingNote,
) -> Result<(), Stop> {
    let mut wanted = target.clone();
    wanted.apply(&note.slot(work.pass.source_role).writes);
    match work.make_twin(id, target, wanted).await {
        // It is noted already, under a reason that says more.
        Err(Stop::At(Outcome::Pending(_))) => Ok(()),
        made => made,
    }
}
