//! One device's work, and what its end means for the batch.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::batch::{DeviceWork, IdentityWork, Placed};
use super::debt::{Debt, Reason};
use super::owed::{Era, OwedNote, Position};
use super::pass::{Fate, Flow, Pass, Task, now};
use super::standby::is_backlog;
use super::tally::Tally;
use crate::iothub::HubErrorKind;
use crate::iothub::notification::HintKind;
use crate::model::{ETag, IdentityId, TwinChange};
use crate::routing::{StandbyState, probe_identity};

/// Owed notes written at a time, by one batch.
const WRITTEN_AT_A_TIME: usize = 16;

/// How one identity ended, and what must be remembered of it.
#[derive(Debug)]
pub(crate) struct Worked {
    /// Which.
    pub(crate) id: IdentityId,
    /// How it ended.
    pub(crate) fate: Fate,
    /// The last event about it.
    pub(crate) at: Position,
    /// Whether the source answered for it.
    pub(crate) source_read: bool,
    /// The owed note as it was before.
    pub(crate) note: Option<(OwedNote, ETag)>,
    /// Whether the backlog that the note stood for is with the active hub now.
    pub(crate) backlog_settled: bool,
    /// What its events carry, when there was no time to find out whether the source can be read.
    pub(crate) unread: Vec<(Position, TwinChange, bool)>,
}

impl Worked {
    fn is_unsure(&self) -> bool {
        matches!(self.fate, Fate::Owed(_) | Fate::NoAnswer(_))
    }

    /// Whether how the standby's events ended says more than how those of the active hub did.
    fn is_outweighed_by(&self, of_standby: &Fate) -> bool {
        match of_standby {
            Fate::Hold(_) => true,
            Fate::Echo | Fate::Noted => false,
            Fate::Owed(debt) if debt.reason == Reason::Backlog => true,
            _ => !self.is_unsure(),
        }
    }

    /// Whether it is owed for this reason.
    pub(crate) fn is_owed_for(&self, reason: Reason) -> bool {
        matches!(&self.fate, Fate::Owed(debt) if debt.reason == reason)
    }
}

impl<'a> Pass<'a> {
    /// Observes an identity again whose work has ended without success.
    pub(crate) async fn once_more(&'a self, before: Worked) -> Worked {
        let id = before.id.clone();
        let _held = self.engine.locks.hold(&id.device).await;
        let mut flow = Flow::new(self);
        let fate = flow.reconcile(&id, &Task { compare_registry: true, ..Task::default() }).await;
        Worked { fate, source_read: flow.source_read, ..before }
    }

    /// Works one device off, itself first and then its modules.
    pub(crate) async fn device_work(&'a self, work: DeviceWork) -> Vec<Worked> {
        let _held = self.engine.locks.hold(&work.device).await;
        let mut flow = Flow::new(self);
        let mut worked = Vec::new();
        for identity in work.identities {
            worked.push(self.identity_work(&mut flow, identity).await);
        }
        worked
    }

    async fn identity_work(&self, flow: &mut Flow<'a>, work: IdentityWork) -> Worked {
        let at = work.hints.last().map(|placed| placed.at.clone()).unwrap_or_default();
        let (active, standby): (Vec<&Placed>, Vec<&Placed>) =
            work.hints.iter().partition(|placed| placed.hub == self.source_role);
        let mut worked = Worked {
            id: work.id,
            fate: Fate::Ignored,
            at,
            source_read: false,
            note: None,
            backlog_settled: false,
            unread: Vec::new(),
        };
        if let Err(why) = self.owed_before(flow, &mut worked).await {
            worked.fate = Fate::Hold(why);
            return worked;
        }
        let before = std::mem::replace(&mut worked.fate, Fate::Ignored);
        flow.begin_identity();
        if !active.is_empty() {
            worked.fate = self.active_hints(flow, &worked.id, &active, worked.note.is_some()).await;
        }
        worked.source_read = flow.source_read;
        if worked.is_owed_for(Reason::NotReached) && !worked.source_read {
            worked.unread = carried_by(&active);
        }
        // Of all that the standby says, only a change from before the cut is in nobody else's keeping.
        let heard = !worked.is_unsure() || standby.iter().any(|placed| self.is_backlog(placed));
        if !standby.is_empty() && heard && !matches!(worked.fate, Fate::Hold(_)) {
            // What was only remembered to be equal may have been changed by just these events.
            let equal = worked.source_read && matches!(worked.fate, Fate::Equal | Fate::Written);
            let of_standby = flow.standby(&worked.id, &standby, equal).await;
            if active.is_empty() || worked.is_outweighed_by(&of_standby) {
                worked.fate = of_standby;
            }
        }
        if matches!(before, Fate::Owed(_)) && !matches!(worked.fate, Fate::Hold(_)) {
            worked.fate = before;
        }
        worked
    }

    /// Reads the note of an identity that is owed. What it says of a former active hub goes to the active one before
    /// that one's own changes overwrite it on the standby; `fate` is how that ended.
    async fn owed_before(&self, flow: &mut Flow<'a>, worked: &mut Worked) -> Result<(), String> {
        worked.note = self.note_of(&worked.id).await?;
        if self.warrant.authority().standby_state == StandbyState::Rejoining {
            return Ok(());
        }
        let backlog = worked.note.as_ref().filter(|(note, _)| note.is_backlog(self.source_role));
        let Some((note, _)) = backlog else { return Ok(()) };
        let reason = note.reason;
        worked.fate = flow.owed_backlog(&worked.id, note).await;
        match &worked.fate {
            Fate::Hold(why) => Err(why.clone()),
            // The note must say so before anything else is written to it.
            Fate::Owed(debt) if reason != Reason::Backlog => self.owe(worked, debt).await,
            fate => {
                worked.backlog_settled = *fate == Fate::Backlog;
                Ok(())
            }
        }
    }

    fn is_backlog(&self, placed: &Placed) -> bool {
        is_backlog(placed.hint.occurred, self.warrant.authority())
    }

    /// The note of an identity that is known to be owed, as it was before this work.
    async fn note_of(&self, id: &IdentityId) -> Result<Option<(OwedNote, ETag)>, String> {
        if !self.engine.is_owed(id) {
            return Ok(None);
        }
        self.engine.owed.of(id).await.map_err(|error| format!("storage: {error:?}"))
    }

    async fn active_hints(
        &self,
        flow: &mut Flow<'a>,
        id: &IdentityId,
        hints: &[&Placed],
        owed: bool,
    ) -> Fate {
        if self.warrant.authority().standby_state == StandbyState::Rejoining {
            return Fate::Noted;
        }
        if !owed && self.says_nothing_new(id, hints) {
            return Fate::Equal;
        }
        if hints.iter().any(|placed| placed.hint.kind == HintKind::Deleted) {
            self.engine.pairs.forget(id);
        }
        let task = task_of(hints, owed);
        flow.reconcile(id, &task).await
    }

    /// A creation arrives twice, through Event Grid and as a routed message: the second notice of
    /// what was read when we made it needs no read. A deletion in between is announced by itself.
    fn says_nothing_new(&self, id: &IdentityId, hints: &[&Placed]) -> bool {
        hints.iter().all(|placed| {
            placed.hint.kind == HintKind::Created
                && placed
                    .hint
                    .version
                    .is_some_and(|version| self.engine.pairs.was_made_at(id, self.source_role, version))
        })
    }

    /// What the ends mean together: hold, or write down what is owed and clear what no longer is.
    pub(crate) async fn settle(&self, worked: Vec<Worked>, tally: &mut Tally) -> Result<(), String> {
        if let Some(why) = worked.iter().find_map(|w| match &w.fate {
            Fate::Hold(why) => Some(why.clone()),
            _ => None,
        }) {
            return Err(why);
        }
        let silent = worked.iter().find_map(|w| match &w.fate {
            Fate::NoAnswer(why) => Some(why.clone()),
            _ => None,
        });
        if let Some(why) = silent
            && !self.target_answers().await
        {
            return Err(format!("the target hub gives no answer: {why}"));
        }
        if worked.iter().any(|w| w.fate == Fate::Noted) {
            self.note_comparison_owed().await?;
        }
        let mut writing = FuturesUnordered::new();
        let mut waiting = worked.iter();
        loop {
            while writing.len() < WRITTEN_AT_A_TIME
                && let Some(one) = waiting.next()
            {
                writing.push(self.write_down(one));
            }
            match writing.next().await {
                Some(written) => written?,
                None => break,
            }
        }
        worked.iter().for_each(|one| tally.count(one));
        Ok(())
    }

    /// Whether the target answers anything at all.
    async fn target_answers(&self) -> bool {
        if self.target_health.has_answered() {
            return true;
        }
        let Some(id) = probe_identity() else { return false };
        match self.target().twin(&id, self.work_ends).await {
            Ok(_) => true,
            Err(error) => !matches!(error.kind, HubErrorKind::Unavailable | HubErrorKind::NoTurn),
        }
    }

    async fn write_down(&self, one: &Worked) -> Result<(), String> {
        match &one.fate {
            Fate::Owed(debt) => self.owe(one, debt).await,
            Fate::NoAnswer(why) => self.owe(one, &Debt::new(Reason::TargetUnreachable, why.as_str())).await,
            Fate::Equal | Fate::Written if one.source_read => {
                self.engine.followed.reached(&one.id, &one.at);
                self.clear(one).await
            }
            // Only a retry of the note itself says so with its note at hand.
            Fate::Backlog if one.at == Position::default() => self.clear(one).await,
            _ => Ok(()),
        }
    }

    async fn owe(&self, one: &Worked, debt: &Debt) -> Result<(), String> {
        let (era, now) = (Era::from(self.warrant.authority()), now());
        let (_, news) = self
            .engine
            .owed
            .write(&one.id, |before| {
                let mut note = match before {
                    Some(mut note) => {
                        if one.backlog_settled && one.note.as_ref().is_some_and(|(was, _)| *was == note) {
                            note.backlog_is_settled();
                        }
                        if one.source_read {
                            note.source_was_read();
                        }
                        note.owe(debt, &one.at, era, now);
                        note
                    }
                    None => OwedNote::new(&one.id, debt, &one.at, era, now),
                };
                for (at, change, deleted) in &one.unread {
                    if !self.engine.followed.is_past(&one.id, at) {
                        note.carry(at, change, *deleted);
                    }
                }
                note
            })
            .await
            .map_err(|error| format!("storage: {error:?}"))?;
        if news {
            tracing::warn!(identity = %one.id, reason = %debt.reason, detail = debt.detail, "owed");
        }
        self.engine.owes(&one.id);
        Ok(())
    }

    /// Clears the note that was there before the work, unless it has changed since.
    async fn clear(&self, one: &Worked) -> Result<(), String> {
        let Some((note, etag)) = &one.note else { return Ok(()) };
        match self.engine.owed.resolve(note, etag).await {
            Ok(()) => {
                tracing::info!(identity = %one.id, reason = %note.reason, "no longer owed");
                self.engine.owes_no_more(&one.id);
                Ok(())
            }
            Err(crate::storage::StorageError::Conflict) => Ok(()),
            Err(error) => Err(format!("storage: {error:?}")),
        }
    }
}

/// What the events carry. A deletion out of order may be of an earlier life: it is only a hint.
fn carried_by(hints: &[&Placed]) -> Vec<(Position, TwinChange, bool)> {
    let deletes = |p: &Placed| p.hint.ordered && p.hint.kind == HintKind::Deleted;
    hints.iter().map(|p| (p.at.clone(), p.hint.change.clone(), deletes(p))).collect()
}

fn task_of(hints: &[&Placed], owed: bool) -> Task {
    let is = |kind: &HintKind| hints.iter().any(|placed| placed.hint.kind == *kind);
    let (created, deleted) = (is(&HintKind::Created), is(&HintKind::Deleted));
    Task {
        compare_registry: created || deleted || owed,
        only_created: !owed && hints.iter().all(|placed| placed.hint.kind == HintKind::Created),
        deleted,
        alone: false,
        carried: carried_by(hints),
        at: hints.last().map(|placed| placed.at.clone()).unwrap_or_default(),
    }
}
