//! The registry entry, created and changed: all of it, or what the target takes.

use super::super::outcome::Stop;
use super::super::parts::{Part, Refused};
use super::super::plan;
use super::super::work::Work;
use super::Basis;
use crate::iothub::OperationClass;
use crate::model::{ETag, IdentityDocument, IdentityId, Object};

/// How much of an identity the target took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// All of it, with its twin.
    Whole,
    /// Its registry entry.
    Alone,
    /// What it cannot be without.
    InPart,
}

impl Work<'_> {
    /// Whether both hubs must be looked at again.
    pub(super) async fn create_device(
        &mut self,
        id: &IdentityId,
        item: Object,
        basis: Basis<'_>,
    ) -> Result<bool, Stop> {
        // Whether a bulk create honours reported properties is unproven: look.
        let has_reported = basis.source.is_some_and(|twin| !twin.reported.values.is_empty());
        let made = self.create_what_is_taken(item).await?;
        self.made();
        let (shared, target) = (self.pass.shared, self.pass.target_role());
        shared.echoes.created(target, id);
        if basis.source.is_some() && made != Made::InPart {
            shared.pairs.made(id, self.pass.source_role, basis.source_entry);
        }
        self.writes += 1;
        Ok(has_reported || made != Made::Whole)
    }

    /// Whatever the target refuses of its twin, the device itself shall be there; the rest follows in parts.
    async fn create_what_is_taken(&mut self, item: Object) -> Result<Made, Stop> {
        let alone = plan::without_twin(&item);
        let essential = plan::essentials(&alone);
        match self.create(item).await {
            Ok(()) => return Ok(Made::Whole),
            Err(stop) if self.whole => return Err(stop),
            Err(stop) => stop.refusal()?,
        };
        let has_more = essential.len() < alone.len();
        match self.create(alone).await {
            Err(stop) if has_more => stop.refusal()?,
            made => return made.map(|()| Made::Alone),
        };
        self.create(essential).await.map(|()| Made::InPart)
    }

    /// Whether both hubs must be looked at again.
    pub(super) async fn create_alone(
        &mut self,
        id: &IdentityId,
        body: &Object,
        basis: Basis<'_>,
    ) -> Result<bool, Stop> {
        self.step_aside();
        let essential = plan::essentials(body);
        let (created, basis) = match self.put_new(id, body).await {
            Err(stop) if essential.len() < body.len() => {
                stop.refusal()?;
                (self.put_new(id, &essential).await?, Basis { source_entry: None, ..basis })
            }
            created => (created?, basis),
        };
        self.made();
        self.pass.shared.echoes.created(self.pass.target_role(), id);
        self.remember(id, basis, created.etag());
        Ok(true)
    }

    async fn put_new(&mut self, id: &IdentityId, body: &Object) -> Result<IdentityDocument, Stop> {
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::RegistryCreate).await?;
        self.answered(target.create_identity(id, body, deadline).await)
    }

    /// Makes the registry entry `body`; gives what the target refuses. Then only what it cannot be without (its keys,
    /// whether it is enabled) is written, if that differs (`is_urgent`).
    pub(super) async fn update_identity(
        &mut self,
        id: &IdentityId,
        (body, is_urgent): (&Object, bool),
        etag: &ETag,
        basis: Basis<'_>,
    ) -> Result<Vec<Refused>, Stop> {
        let part = Part { path: vec!["identity".to_owned()], value: body.clone().into() };
        let (worth, known) = self.worth_sending(id, vec![part]);
        let Some(part) = worth.into_iter().next() else { return Ok(known) };
        let why = match self.put_again(id, body, etag, basis).await {
            Ok(()) => return Ok(Vec::new()),
            Err(stop) => stop.refusal()?.into(),
        };
        let essential = plan::essentials(body);
        if is_urgent && essential.len() < body.len() {
            let basis = Basis { source_entry: None, ..basis };
            match self.put_again(id, &essential, etag, basis).await {
                Ok(()) => {}
                Err(stop) => drop(stop.refusal()?),
            }
        }
        let refused = vec![Refused { part, why, alone: true }];
        self.refuses(id, &refused);
        Ok(refused)
    }

    async fn put_again(
        &mut self,
        id: &IdentityId,
        body: &Object,
        etag: &ETag,
        basis: Basis<'_>,
    ) -> Result<(), Stop> {
        self.step_aside();
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::RegistryUpdate).await?;
        let updated = target.update_identity(id, body, etag, deadline).await;
        self.take_place().await;
        let updated = self.answered(updated)?;
        if let Some(etag) = updated.etag() {
            self.moved(id, |target| target.device_etag = etag);
        }
        self.remember(id, basis, updated.etag());
        Ok(())
    }
}
