//! Bringing a former active's backlog to the active hub.
//!
//! The durable part comes first: a note with everything the backlog carried for the identity,
//! folded, then the report of what two hubs disagree on, then the write.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backlog::{Done, Loss, Settlement, settle};
use super::batch::Placed;
use super::debt::{Debt, Reason, in_words};
use super::observe::Look;
use super::owed::{OwedNote, note_id};
use super::pass::{Fate, Flow, Stop};
use crate::iothub::notification::HintKind;
use crate::iothub::{Deadline, HubClient, HubErrorKind, OperationClass};
use crate::model::{ETag, IdentityId, Object, TwinChange, TwinDocument};
use crate::storage::{Precondition, StorageError};

/// Rounds of compare-and-swap, and of observing the active hub again.
const ROUNDS: u32 = 6;

/// What the backlog of one identity carried before one cut.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BacklogNote {
    /// The newest sequence number folded, per `event hub/partition`.
    newest: BTreeMap<String, i64>,
    /// Since when the owed note was owed whose carried changes are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried_since: Option<Timestamp>,
    /// All of it, folded.
    change: TwinChange,
    /// What was done with it.
    #[serde(flatten)]
    done: Done,
}

/// What was lost on either side, and where it was kept.
#[derive(Debug, Serialize, Deserialize)]
struct LossReport {
    identity: IdentityId,
    epoch: u64,
    losses: Vec<Loss>,
}

impl BacklogNote {
    fn fold(&mut self, placed: &Placed) {
        if let Some(sequence) = placed.at.sequence {
            if self.newest.get(&placed.at.log).is_some_and(|newest| sequence <= *newest) {
                return;
            }
            self.newest.insert(placed.at.log.clone(), sequence);
        }
        self.change = std::mem::take(&mut self.change).then(placed.hint.change.clone());
    }

    /// What an owed note of an earlier epoch carried: the former active said it, before the cut.
    fn fold_carried(&mut self, carried: &OwedNote) {
        if self.carried_since == Some(carried.since) {
            return;
        }
        self.carried_since = Some(carried.since);
        for (log, sequence) in &carried.newest {
            let newest = self.newest.entry(log.clone()).or_insert(*sequence);
            *newest = (*newest).max(*sequence);
        }
        self.change = carried.change.clone().then(std::mem::take(&mut self.change));
    }
}

/// Where backlog comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backlog<'a> {
    /// Events of the former active from before the cut.
    Events(&'a [&'a Placed]),
    /// An owed note: what an earlier attempt left, or what was carried in an earlier epoch.
    Owed(&'a OwedNote),
}

impl Backlog<'_> {
    /// Whether both hubs must be asked if the identity is there at all.
    fn lifecycle(self) -> bool {
        match self {
            Self::Events(hints) => hints.iter().any(|p| !matches!(p.hint.kind, HintKind::Twin { .. })),
            Self::Owed(_) => true,
        }
    }

    /// The last event, as a file name.
    fn place(self) -> String {
        let last = match self {
            Self::Events(hints) => hints.last().map(|placed| (placed.at.log.clone(), placed.at.sequence)),
            Self::Owed(note) => {
                Some((format!("{}/{}", note.event_hub, note.partition), note.sequence_number))
            }
        };
        let (log, sequence) = last.unwrap_or_default();
        format!("{}-{:020}", log.replace('/', "-"), sequence.unwrap_or_default())
    }
}

impl Flow<'_> {
    /// Settles what a note says of an earlier attempt, or of an epoch in which the other hub was active.
    pub(crate) async fn owed_backlog(&mut self, id: &IdentityId, note: &OwedNote) -> Fate {
        self.take_place().await;
        match self.backlog(id, Backlog::Owed(note)).await {
            Ok(fate) | Err(Stop::At(fate)) => fate,
            Err(Stop::Again) => Fate::Owed(Debt::new(Reason::Backlog, Debt::contended().detail)),
        }
    }

    /// Settles backlog of one identity with the active hub.
    pub(crate) async fn backlog(&mut self, id: &IdentityId, from: Backlog<'_>) -> Result<Fate, Stop> {
        let (mut note, mut etag) = self.fold_backlog(id, from).await?;
        for _ in 0..ROUNDS {
            match self.settle_once(id, &mut note, &mut etag, from).await {
                Ok(()) => {
                    return if from.lifecycle() { self.lifecycle(id).await } else { Ok(Fate::Backlog) };
                }
                Err(Stop::Again) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(Fate::Owed(Debt::new(Reason::Backlog, "the active hub's twin changed in every round")))
    }

    /// A creation or deletion on the former active is not brought over by itself: it needs the
    /// comparison that ends the rejoining.
    async fn lifecycle(&self, id: &IdentityId) -> Result<Fate, Stop> {
        let (active, former) = (self.pass.source_twin(id).await, self.pass.target_twin(id).await);
        if let (Look::Unreachable(error), _) | (_, Look::Unreachable(error)) = (&active, &former) {
            return Ok(Fate::Owed(Debt::new(Reason::Backlog, in_words(error))));
        }
        if matches!(active, Look::Absent) == matches!(former, Look::Absent) {
            return Ok(Fate::Backlog);
        }
        let why = "created or deleted on the former active before the cut";
        Ok(Fate::Owed(Debt::new(Reason::Backlog, why)))
    }

    async fn fold_backlog(
        &self,
        id: &IdentityId,
        from: Backlog<'_>,
    ) -> Result<(BacklogNote, Option<ETag>), Stop> {
        for _ in 0..ROUNDS {
            let (before, etag) = match self.pass.engine.store.get(&self.backlog_blob(id)).await? {
                Some(blob) => {
                    let note: BacklogNote = serde_json::from_slice(&blob.bytes)
                        .map_err(|error| StorageError::Rejected(format!("backlog note of {id}: {error}")))?;
                    (note, Some(blob.etag))
                }
                None => (BacklogNote::default(), None),
            };
            let mut note = before.clone();
            match from {
                Backlog::Events(hints) => hints.iter().for_each(|placed| note.fold(placed)),
                Backlog::Owed(owed) if owed.is_of_the_other_direction(self.pass.source_role) => {
                    note.fold_carried(owed);
                }
                Backlog::Owed(_) => {}
            }
            if note == before {
                return Ok((note, etag));
            }
            let mut etag = etag;
            match self.store_backlog(id, &note, &mut etag).await {
                Ok(()) => return Ok((note, etag)),
                Err(StorageError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::Unavailable(format!("the backlog note of {id} kept changing")).into())
    }

    async fn settle_once(
        &mut self,
        id: &IdentityId,
        note: &mut BacklogNote,
        etag: &mut Option<ETag>,
        from: Backlog<'_>,
    ) -> Result<(), Stop> {
        let Some(cut) = self.pass.warrant.authority().cut else { return Ok(()) };
        if note.change.is_empty() {
            return Ok(());
        }
        let active = match self.pass.source_twin(id).await {
            Look::Present(active) => active,
            // Nothing to write to: it is right when the former active has none either.
            Look::Absent => return Err(Stop::At(self.lifecycle(id).await?)),
            Look::Unreachable(error) => return Err(Stop::owe(Debt::new(Reason::Backlog, in_words(&error)))),
        };
        let mut settled = settle(&note.change, &note.done, &active, cut);
        self.leave_reported_to_a_connected_device(&active, &mut settled);
        self.report(id, &settled.losses, from).await?;
        if settled.writes_something() && note.done.begun != note.change {
            note.done.begun = note.change.clone();
            self.store_backlog(id, note, etag).await?;
        }
        let before = note.done.clone();
        let written = self.write(id, note, &active, &settled).await;
        if written.is_ok() {
            note.done = Done { applied: note.change.clone(), begun: TwinChange::default() };
        }
        if note.done != before {
            self.store_backlog(id, note, etag).await?;
        }
        written
    }

    /// Writes both parts, each noted as soon as it is there: what one of them is refused shall not bring the other
    /// over again.
    async fn write(
        &mut self,
        id: &IdentityId,
        note: &mut BacklogNote,
        active: &TwinDocument,
        settled: &Settlement,
    ) -> Result<(), Stop> {
        self.write_twin(id, active, settled).await?;
        note.done.applied.tags.clone_from(&note.change.tags);
        note.done.applied.desired.clone_from(&note.change.desired);
        self.write_reported(id, active, settled).await
    }

    fn leave_reported_to_a_connected_device(&self, active: &TwinDocument, settled: &mut Settlement) {
        if !active.is_connected() {
            return;
        }
        for (name, value) in std::mem::take(&mut settled.reported) {
            settled.losses.push(Loss {
                section: "reported".to_owned(),
                active: active.reported.values.get(&name).cloned().unwrap_or_default(),
                path: vec![name],
                former_active: value,
                kept: "active".to_owned(),
            });
        }
    }

    async fn write_twin(
        &mut self,
        id: &IdentityId,
        active: &TwinDocument,
        settled: &Settlement,
    ) -> Result<(), Stop> {
        let mut patch = Object::new();
        if !settled.tags.is_empty() {
            patch.insert("tags".to_owned(), Value::Object(settled.tags.clone()));
        }
        if !settled.desired.is_empty() {
            let desired = [("desired".to_owned(), Value::Object(settled.desired.clone()))];
            patch.insert("properties".to_owned(), Value::Object(desired.into_iter().collect()));
        }
        if patch.is_empty() {
            return Ok(());
        }
        let (active_hub, deadline) = self.for_backlog(OperationClass::TwinWrite).await?;
        let written = active_hub.patch_twin(id, &patch, &active.etag, deadline).await;
        self.backlog_written(written.map(|_| ()))
    }

    async fn write_reported(
        &mut self,
        id: &IdentityId,
        active: &TwinDocument,
        settled: &Settlement,
    ) -> Result<(), Stop> {
        if settled.reported.is_empty() {
            return Ok(());
        }
        let (hub, deadline) = self.for_backlog(OperationClass::ReportedWrite).await?;
        let version = active.reported.version;
        let written = hub.patch_reported(id, &settled.reported, version, deadline).await;
        self.backlog_written(written.map(|_| ()))
    }

    /// The active hub to write to. Without a turn it stays backlog: under any other reason the next attempt would
    /// overwrite the former active's change with what the active hub has.
    async fn for_backlog(&self, class: OperationClass) -> Result<(HubClient, Deadline), Stop> {
        self.pass.for_write(self.pass.source(), class).await.map_err(still_backlog)
    }

    fn backlog_written(&mut self, written: Result<(), crate::iothub::HubError>) -> Result<(), Stop> {
        match written {
            Ok(()) => {
                self.writes += 1;
                Ok(())
            }
            Err(error) if matches!(error.kind, HubErrorKind::Stale | HubErrorKind::Absent) => {
                Err(Stop::Again)
            }
            Err(error) => Err(Stop::owe(Debt::new(Reason::Backlog, in_words(&error)))),
        }
    }

    /// Both values, durable before either is overwritten; named by the last event, so that a
    /// redelivery writes the same report.
    async fn report(&self, id: &IdentityId, losses: &[Loss], from: Backlog<'_>) -> Result<(), Stop> {
        if losses.is_empty() {
            return Ok(());
        }
        let place = from.place();
        let epoch = self.pass.warrant.authority().epoch;
        let name = format!("losses/{epoch:010}/{}/{place}.json", note_id(id));
        // An attempt that got half way has reported what it then replaced.
        let mut all: Vec<Loss> = match self.pass.engine.store.get(&name).await? {
            Some(before) => {
                serde_json::from_slice::<LossReport>(&before.bytes).map_or_else(|_| Vec::new(), |r| r.losses)
            }
            None => Vec::new(),
        };
        let is_new = |loss: &&Loss| !all.iter().any(|l| (&l.section, &l.path) == (&loss.section, &loss.path));
        let new: Vec<Loss> = losses.iter().filter(is_new).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        tracing::warn!(identity = %id, fields = new.len(), report = name, "two hubs changed the same fields");
        all.extend(new);
        let report = LossReport { identity: id.clone(), epoch, losses: all };
        let bytes = serde_json::to_vec(&report).map_err(|e| StorageError::Rejected(e.to_string()))?;
        self.pass.engine.store.put(&name, Bytes::from(bytes), Precondition::None).await?;
        Ok(())
    }

    async fn store_backlog(
        &self,
        id: &IdentityId,
        note: &BacklogNote,
        etag: &mut Option<ETag>,
    ) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(note).map_err(|e| StorageError::Rejected(e.to_string()))?;
        let at = etag.clone().map_or(Precondition::Absent, Precondition::At);
        let written = self.pass.engine.store.put(&self.backlog_blob(id), Bytes::from(bytes), at).await?;
        *etag = Some(written.etag);
        Ok(())
    }

    /// By the cut and not by the epoch: a promotion that is given up makes new epochs and leaves the cut.
    fn backlog_blob(&self, id: &IdentityId) -> String {
        let cut = self.pass.warrant.authority().cut.unwrap_or_default();
        format!("backlog/{}/{}.json", cut.strftime("%Y%m%dT%H%M%S.%6fZ"), note_id(id))
    }
}

fn still_backlog(stop: Stop) -> Stop {
    match stop {
        Stop::At(Fate::Owed(debt)) => Stop::owe(Debt::new(Reason::Backlog, debt.detail)),
        other => other,
    }
}
