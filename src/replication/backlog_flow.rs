//! Bringing a former active's backlog to the active hub.
//!
//! The durable part comes first: a note with everything the backlog carried for the identity,
//! folded, then the report of what two hubs disagree on, then the write.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backlog::{Loss, Settlement, settle};
use super::batch::Placed;
use super::debt::{Debt, Reason, in_words};
use super::owed::note_id;
use super::pass::{Fate, Flow, Stop};
use crate::iothub::HubErrorKind;
use crate::iothub::notification::HintKind;
use crate::model::{ETag, IdentityId, Object, TwinChange, TwinDocument};
use crate::storage::{Precondition, StorageError};

/// Rounds of compare-and-swap, and of observing the active hub again.
const ROUNDS: u32 = 6;

/// What the backlog of one identity carried in one epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BacklogNote {
    /// The newest sequence number folded, per `event hub/partition`.
    newest: BTreeMap<String, i64>,
    /// All of it, folded.
    change: TwinChange,
    /// What of it was written to the active.
    applied: TwinChange,
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
}

impl Flow<'_> {
    /// Settles backlog events of one identity with the active hub; without events, what an earlier
    /// attempt left.
    pub(crate) async fn backlog(&mut self, id: &IdentityId, hints: &[&Placed]) -> Result<Fate, Stop> {
        let (note, mut etag) = self.fold_backlog(id, hints).await?;
        for _ in 0..ROUNDS {
            match self.settle_once(id, &note, hints).await {
                Ok(()) => {
                    let done = BacklogNote { applied: note.change.clone(), ..note };
                    if let Some(etag) = etag.take() {
                        self.store_backlog(id, &done, Precondition::At(etag)).await?;
                    }
                    let lifecycle = hints.iter().any(|p| !matches!(p.hint.kind, HintKind::Twin { .. }));
                    return if lifecycle { self.lifecycle(id).await } else { Ok(Fate::Backlog) };
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
        let active = self.pass.source().twin(id, self.pass.work_ends).await.is_ok();
        let former = self.pass.target().twin(id, self.pass.work_ends).await.is_ok();
        if active && former {
            return Ok(Fate::Backlog);
        }
        let why = "created or deleted on the former active before the cut";
        Ok(Fate::Owed(Debt::new(Reason::Backlog, why)))
    }

    async fn fold_backlog(
        &self,
        id: &IdentityId,
        hints: &[&Placed],
    ) -> Result<(BacklogNote, Option<ETag>), Stop> {
        for _ in 0..ROUNDS {
            let (before, precondition) = match self.pass.engine.store.get(&self.backlog_blob(id)).await? {
                Some(blob) => {
                    let note = serde_json::from_slice(&blob.bytes)
                        .map_err(|error| StorageError::Rejected(format!("backlog note of {id}: {error}")))?;
                    (note, Precondition::At(blob.etag))
                }
                None => (BacklogNote::default(), Precondition::Absent),
            };
            let mut note: BacklogNote = before;
            hints.iter().for_each(|placed| note.fold(placed));
            match self.store_backlog(id, &note, precondition).await {
                Ok(etag) => return Ok((note, Some(etag))),
                Err(StorageError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::Unavailable(format!("the backlog note of {id} kept changing")).into())
    }

    async fn settle_once(
        &mut self,
        id: &IdentityId,
        note: &BacklogNote,
        hints: &[&Placed],
    ) -> Result<(), Stop> {
        if note.change.is_empty() {
            return Ok(());
        }
        let Some(cut) = self.pass.warrant.authority().cut else { return Ok(()) };
        let active = match self.pass.source().twin(id, self.pass.work_ends).await {
            Ok(active) => active,
            Err(error) => {
                return Err(Stop::owe(Debt::new(Reason::Backlog, in_words(&error))));
            }
        };
        let mut settled = settle(&note.change, &note.applied, &active, cut);
        self.leave_reported_to_a_connected_device(&active, &mut settled);
        self.report(id, &settled.losses, hints).await?;
        self.write_twin(id, &active, &settled).await?;
        self.write_reported(id, &active, &settled).await
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
        let deadline = self.pass.for_write().await?;
        let written = self.pass.source().patch_twin(id, &patch, &active.etag, deadline).await;
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
        let deadline = self.pass.for_write().await?;
        let version = active.reported.version;
        let written = self.pass.source().patch_reported(id, &settled.reported, version, deadline).await;
        self.backlog_written(written.map(|_| ()))
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
    async fn report(&self, id: &IdentityId, losses: &[Loss], hints: &[&Placed]) -> Result<(), Stop> {
        if losses.is_empty() {
            return Ok(());
        }
        let at = hints.last().map(|placed| &placed.at);
        let place = at.map_or_else(
            || "again".to_owned(),
            |at| format!("{}-{:020}", at.log.replace('/', "-"), at.sequence.unwrap_or_default()),
        );
        let epoch = self.pass.warrant.authority().epoch;
        let name = format!("losses/{epoch:010}/{}/{place}.json", note_id(id));
        let report = serde_json::json!({"identity": id, "epoch": epoch, "losses": losses});
        tracing::warn!(identity = %id, fields = losses.len(), report = name, "two hubs changed the same fields");
        self.pass.engine.store.put(&name, Bytes::from(report.to_string()), Precondition::None).await?;
        Ok(())
    }

    async fn store_backlog(
        &self,
        id: &IdentityId,
        note: &BacklogNote,
        precondition: Precondition,
    ) -> Result<ETag, StorageError> {
        let bytes = serde_json::to_vec(note).map_err(|e| StorageError::Rejected(e.to_string()))?;
        let written =
            self.pass.engine.store.put(&self.backlog_blob(id), Bytes::from(bytes), precondition).await?;
        Ok(written.etag)
    }

    fn backlog_blob(&self, id: &IdentityId) -> String {
        format!("backlog/{:010}/{}.json", self.pass.warrant.authority().epoch, note_id(id))
    }
}
