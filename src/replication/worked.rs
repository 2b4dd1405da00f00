//! One device's work, and what its end means for the batch.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::batch::{DeviceWork, IdentityWork, Placed};
use super::carried::of_another_time;
use super::debt::{Debt, Reason};
use super::owed::{Era, OwedBacklog, OwedNote, Position};
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
    /// What became of the backlog that the note stood for.
    pub(crate) owed_backlog: OwedBacklog,
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

    /// How it ends while backlog is still owed, whatever else was reached.
    pub(crate) fn stays_backlog(&mut self, still_owed: Option<Debt>) {
        if let Some(debt) = still_owed
            && !matches!(self.fate, Fate::Hold(_) | Fate::Noted)
        {
            self.fate = Fate::Owed(debt);
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
            owed_backlog: OwedBacklog::Untouched,
            unread: Vec::new(),
        };
        let noted = match self.note_of(&worked.id).await {
            Ok(note) => note,
            Err(why) => return Worked { fate: Fate::Hold(why), ..worked },
        };
        worked.note = noted;
        let still_owed = match self.backlog_before_events(flow, &mut worked).await {
            Ok(still_owed) => still_owed,
            Err(why) => return Worked { fate: Fate::Hold(why), ..worked },
        };
        flow.begin_identity();
        if !active.is_empty() {
            worked.fate = self.active_hints(flow, &worked.id, &active, worked.note.is_some()).await;
        }
        worked.source_read = flow.source_read;
        if worked.is_unsure() && !worked.source_read {
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
        worked.stays_backlog(still_owed);
        worked
    }

    async fn backlog_before_events(
        &self,
        flow: &mut Flow<'a>,
        worked: &mut Worked,
    ) -> Result<Option<Debt>, String> {
        let folded = worked.note.as_ref().is_some_and(|(note, _)| note.is_folded(self.source_role));
        if folded && self.warrant.authority().standby_state == StandbyState::Rejoining {
            // Nothing is overwritten on that hub, which may be down: the sweep asks it.
            return Ok(None);
        }
        self.backlog_first(flow, worked).await
    }

    /// What a note says of a former active hub goes to the active one before that one's own changes overwrite it on the
    /// standby. Gives what of it is still owed; by then it is durable where backlog is kept, and the note says so.
    ///
    /// # Errors
    /// The batch must be held.
    pub(crate) async fn backlog_first(
        &self,
        flow: &mut Flow<'a>,
        worked: &mut Worked,
    ) -> Result<Option<Debt>, String> {
        let backlog = worked.note.as_ref().filter(|(note, _)| note.is_backlog(self.source_role));
        let Some((note, _)) = backlog else { return Ok(None) };
        let says_so = note.is_folded(self.source_role);
        match flow.owed_backlog(&worked.id, note).await {
            Fate::Hold(why) => Err(why),
            Fate::Owed(debt) => {
                worked.owed_backlog = OwedBacklog::Folded;
                if !says_so {
                    self.owe(worked, &debt).await?;
                }
                Ok(Some(debt))
            }
            _ => {
                worked.owed_backlog = OwedBacklog::Settled;
                Ok(None)
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
        let (note, news) = self
            .engine
            .owed
            .write(&one.id, |before| {
                let mut note = match before {
                    Some(mut note) => {
                        // Another process may have written to it since.
                        if one.note.as_ref().is_some_and(|(was, _)| *was == note) {
                            match one.owed_backlog {
                                OwedBacklog::Untouched => {}
                                OwedBacklog::Folded => note.forget_folded(era.active),
                                OwedBacklog::Settled => note.settle_backlog(era.active),
                            }
                            if one.source_read {
                                note.source_was_read(era.active);
                            }
                        }
                        note.owe(debt, &one.at, era, now);
                        note
                    }
                    None => OwedNote::new(&one.id, debt, &one.at, era, now),
                };
                for (at, change, deleted) in &one.unread {
                    if !self.engine.followed.is_past(&one.id, at) {
                        note.carry(era.active, at, change, *deleted);
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
        if note.is_of_the_other_direction(era.active) && !one.unread.is_empty() {
            return Err(of_another_time(&one.id));
        }
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
