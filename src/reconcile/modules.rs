//! Modules: the device first, because the registry answers 401 for modules of a device that is
//! missing or disabled (observed).

use super::observe::{Entries, Look};
use super::outcome::{Cause, Outcome, Reason, Stop};
use super::work::{Ask, Work};
use crate::iothub::{HubErrorKind, OperationClass};
use crate::model::{DeviceId, IdentityDocument, IdentityId, ModuleId, TwinDocument};

/// Whether a module's device was on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    There,
    MadeNow,
}

impl Work<'_> {
    /// On the target only. What the hub makes it also unmakes; and a device takes its modules along.
    pub(super) async fn module_gone(
        &mut self,
        id: &IdentityId,
        ask: Ask,
        target: &TwinDocument,
    ) -> Result<Outcome, Stop> {
        if id.module.as_ref().is_some_and(ModuleId::is_system) {
            return Ok(self.done());
        }
        match self.pass.source_twin(&id.owner()).await {
            Look::Absent => Ok(self.done()),
            Look::Present(_) => self.gone(id, ask, target).await,
            Look::Unreachable(error) => Ok(Outcome::Pending(Cause::of_source(&error))),
        }
    }

    /// On the source only.
    pub(super) async fn module_missing(
        &mut self,
        id: &IdentityId,
        ask: Ask,
        source: &TwinDocument,
    ) -> Result<Outcome, Stop> {
        let found = self.device_for(id, ask).await?;
        if id.module.as_ref().is_some_and(ModuleId::is_system) {
            if found == Owner::MadeNow {
                return Err(Stop::Again);
            }
            let cause = Cause::new(Reason::MadeByTheHub, "the hub has not made this module yet");
            return Ok(Outcome::Pending(cause));
        }
        let entries = self.source_entry(id).await?;
        if let Entries::Unreadable(cause) = entries {
            return Ok(Outcome::Pending(cause));
        }
        self.carry_out(id, None, source, &entries).await?;
        Ok(self.done())
    }

    /// Sees to it that the module's device is on the target and enabled there.
    async fn device_for(&mut self, id: &IdentityId, ask: Ask) -> Result<Owner, Stop> {
        let owner = id.owner();
        let missing = || Cause::new(Reason::DeviceMissing, "its device is not on the target");
        let (device, found) = match self.target_or_stop(&owner).await? {
            Some(device) => (device, Owner::There),
            // Whoever makes identities one by one looks first whether that one was deleted.
            None if ask.create_only => return Err(Stop::pending(missing())),
            None => {
                self.one_of(&owner, Ask { compare_registry: true, alone: true, ..Ask::default() }).await?;
                let made = self.target_or_stop(&owner).await?.ok_or_else(|| Stop::pending(missing()))?;
                (made, Owner::MadeNow)
            }
        };
        if device.is_enabled() {
            return Ok(found);
        }
        let disabled = "the registry does not answer for modules of a disabled device";
        Err(Stop::pending(Cause::new(Reason::DeviceDisabled, disabled)))
    }

    /// All modules of a device: those of the source, and those that only the target has.
    pub(crate) async fn modules_of(&mut self, device: &IdentityId, ask: Ask) -> Result<(), Stop> {
        self.step_aside();
        let source = match self.pass.turn(self.pass.source(), OperationClass::RegistryList).await {
            Ok(source) => source.modules(&device.device, self.pass.patience()).await,
            Err(late) => Err(late),
        };
        let source = match source {
            Ok(modules) => modules,
            // A disabled device's modules cannot be listed; each has events of its own.
            Err(error) if error.kind == HubErrorKind::Denied => return Ok(()),
            Err(error) => return Err(Stop::pending(Cause::of_source(&error))),
        };
        let Some(mut all) = self.target_modules(device).await? else { return Ok(()) };
        all.extend(source.iter().filter_map(|module| module_id(&device.device, module)));
        all.sort();
        all.dedup();
        let ask = Ask { compare_registry: true, only_created: false, ..ask };
        let mut left = None;
        for id in all {
            match self.one_of(&id, ask).await {
                Err(Stop::At(Outcome::Pending(cause))) => left = Some(cause),
                other => other?,
            }
        }
        left.map_or(Ok(()), |cause| Err(Stop::pending(cause)))
    }

    /// The modules of a device on the target; `None` of a disabled device, whose modules cannot be listed.
    pub(crate) async fn target_modules(
        &mut self,
        device: &IdentityId,
    ) -> Result<Option<Vec<IdentityId>>, Stop> {
        let modules = self.modules_there(device).await?;
        Ok(modules.map(|all| all.into_iter().map(|(id, _)| id).collect()))
    }

    /// The same with their registry entries.
    pub(crate) async fn modules_there(
        &mut self,
        device: &IdentityId,
    ) -> Result<Option<Vec<(IdentityId, IdentityDocument)>>, Stop> {
        let modules = match self.pass.turn(self.pass.target(), OperationClass::RegistryList).await {
            Ok(target) => target.modules(&device.device, self.pass.patience()).await,
            Err(late) => Err(late),
        };
        match modules {
            Ok(all) => {
                let named = |module: IdentityDocument| Some((module_id(&device.device, &module)?, module));
                Ok(Some(all.into_iter().filter_map(named).collect()))
            }
            Err(error) if error.kind == HubErrorKind::Denied => Ok(None),
            Err(error) => Err(Stop::target(&error)),
        }
    }

    /// The same of a disabled device, as a query shows them: those that have been there for a while (documented).
    pub(crate) async fn found_modules(&self, device: &IdentityId) -> Result<Vec<IdentityId>, Stop> {
        let id = device.device.as_str();
        if id.contains('\'') {
            let why = "no query can name it, and the modules of a disabled device cannot be listed";
            return Err(Stop::pending(Cause::new(Reason::DeviceDisabled, why)));
        }
        let query = format!("SELECT * FROM devices.modules WHERE deviceId = '{id}'");
        let (mut found, mut continuation) = (Vec::new(), None);
        loop {
            let target = self.pass.turn(self.pass.target(), OperationClass::Query).await;
            let target = target.map_err(|error| Stop::target(&error))?;
            let page = target.query(&query, continuation.as_deref(), self.pass.patience()).await;
            let page = page.map_err(|error| Stop::target(&error))?;
            let names = page.rows.iter().filter_map(|row| row.get("moduleId")?.as_str()?.parse().ok());
            found.extend(names.map(|module| IdentityId::module(device.device.clone(), module)));
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(found);
            }
        }
    }

    /// Another identity of the same device, within the same work.
    async fn one_of(&mut self, id: &IdentityId, ask: Ask) -> Result<(), Stop> {
        let before = (self.writes, std::mem::take(&mut self.wrote));
        let outcome = Box::pin(self.reconcile(id, ask)).await;
        let writes = self.writes;
        // What it wrote to the other one says nothing of this one's versions.
        (self.writes, self.wrote) = before;
        self.writes += writes;
        match outcome {
            Outcome::Equal | Outcome::Absent | Outcome::Written | Outcome::OnlyOnTarget => Ok(()),
            _ => Err(Stop::At(outcome)),
        }
    }
}

fn module_id(device: &DeviceId, document: &IdentityDocument) -> Option<IdentityId> {
    let module = document.members().get("moduleId")?.as_str()?.parse().ok()?;
    Some(IdentityId::module(device.clone(), module))
}
