//! The carried path: the source cannot be read, so the target follows what the events carried.
//!
//! It is how a backlog drains when the active hub is gone. There is no source to give it order, so
//! the identity's owed note, written first, does: it remembers the newest sequence number folded.

use super::debt::{Debt, Reason, in_words};
use super::execute::Basis;
use super::owed::{Era, OwedNote};
use super::pass::{Fate, Flow, Stop, Task, now};
use super::plan::{Registry, plan};
use super::want::Want;
use crate::iothub::{HubError, HubErrorKind};
use crate::model::{IdentityId, TwinDocument};

impl Flow<'_> {
    /// Follows what the events carried; the identity stays owed until the source can be read.
    pub(crate) async fn carried(
        &mut self,
        id: &IdentityId,
        target: Option<&TwinDocument>,
        task: &Task,
        error: &HubError,
    ) -> Result<Fate, Stop> {
        if self.pass.is_over() || error.kind == HubErrorKind::NoTurn {
            // The source may be well: it was this invocation that had no time left to hear it.
            return Ok(Fate::Owed(Debt::not_reached()));
        }
        let note = self.note_what_is_carried(id, task, error).await?;
        if note.is_of_the_other_direction(self.pass.source_role) {
            return Ok(Fate::Hold(of_another_time(id)));
        }
        if note.deleted || note.change.is_empty() || target.is_none() {
            return Ok(Fate::Carried);
        }
        let want = Want::carried(target, &note.change);
        let plan = plan(id, target, &want, Registry::Assumed);
        self.execute(id, plan.steps, Basis { source: None, source_entry: None }).await?;
        Ok(Fate::Carried)
    }

    /// The durable note first, once in this work.
    async fn note_what_is_carried(
        &mut self,
        id: &IdentityId,
        task: &Task,
        error: &HubError,
    ) -> Result<OwedNote, Stop> {
        if let Some((noted, note)) = &self.noted
            && noted == id
        {
            return Ok(note.clone());
        }
        let engine = self.pass.engine;
        let era = Era::from(self.pass.warrant.authority());
        let debt = Debt::new(Reason::SourceUnreachable, in_words(error));
        let now = now();
        let (note, news) = engine
            .owed
            .write(id, |before| {
                let mut note = match before {
                    Some(mut note) => {
                        note.owe(&debt, &task.at, era, now);
                        note
                    }
                    None => OwedNote::new(id, &debt, &task.at, era, now),
                };
                for (at, change, deleted) in &task.carried {
                    if !engine.followed.is_past(id, at) {
                        note.carry(era.active, at, change, *deleted);
                    }
                }
                note
            })
            .await?;
        if news {
            tracing::warn!(identity = %id, detail = debt.detail, "the source cannot be read: following its events");
        }
        engine.owes(id);
        self.noted = Some((id.clone(), note.clone()));
        Ok(note)
    }
}

/// Another process wrote the note while the other hub was active: only the next delivery knows of it, and brings what it
/// carries to safety first.
pub(crate) fn of_another_time(id: &IdentityId) -> String {
    format!("the note of {id} is of the time when the other hub was active")
}
