//! Registry entries: read only when something suggests that they differ.

use super::super::memory::Known;
use super::super::outcome::{Cause, Reason, Stop};
use super::super::plan::{self, Registry};
use super::super::work::{Ask, Work};
use super::look::Look;
use super::scope;
use crate::iothub::HubErrorKind;
use crate::model::{DeviceId, IdentityDocument, IdentityId, Object, TwinDocument};

/// What was read of the two registry entries.
#[derive(Debug)]
pub(crate) enum Entries {
    /// Not needed.
    Assumed,
    /// The source's, with the scope members mapped for the target.
    Source(IdentityDocument, Object),
    /// Both, with the scope members mapped for the target.
    Both(IdentityDocument, IdentityDocument, Object),
    /// A parent is not on the target.
    ParentMissing(DeviceId),
    /// They could not be read; the twin can still follow.
    Unreadable(Cause),
}

impl Entries {
    /// As the plan wants it.
    pub(crate) fn registry(&self) -> Registry<'_> {
        match self {
            Self::Assumed | Self::Unreadable(_) => Registry::Assumed,
            Self::Source(source, scopes) => Registry::Source(source, scopes),
            Self::Both(source, target, scopes) => Registry::Both(source, target, scopes),
            Self::ParentMissing(parent) => Registry::ParentMissing(parent),
        }
    }

    /// The source's entry.
    pub(crate) fn source(&self) -> Option<&IdentityDocument> {
        match self {
            Self::Source(source, _) | Self::Both(source, ..) => Some(source),
            _ => None,
        }
    }
}

impl Work<'_> {
    /// Both entries, if they must be compared: a lifecycle event, a moved ETag, or a twin that shows
    /// a difference. A pair known equal is not read again.
    pub(crate) async fn entries(
        &mut self,
        id: &IdentityId,
        ask: Ask,
        source: &TwinDocument,
        target: &TwinDocument,
    ) -> Result<Entries, Stop> {
        if id.module.as_ref().is_some_and(|module| module.is_system()) {
            return Ok(Entries::Assumed);
        }
        let known = self.pass.shared.pairs.check(id, (self.pass.source_role, source), target);
        let compare = match known {
            Known::Equal => false,
            Known::Moved => true,
            Known::Nothing => ask.compare_registry || plan::entries_visibly_differ(source, target),
        };
        if !compare {
            return Ok(Entries::Assumed);
        }
        self.read_both(id).await
    }

    /// Both entries, read now.
    pub(crate) async fn read_both(&mut self, id: &IdentityId) -> Result<Entries, Stop> {
        self.step_aside();
        let there = match self.pass.target_identity(id).await {
            Look::Present(there) => there,
            Look::Absent => return Err(Stop::Again),
            Look::Unreachable(error) if refused_for_its_device(id, error.kind) => {
                return Ok(Entries::Unreadable(device_disabled()));
            }
            Look::Unreachable(error)
                if matches!(error.kind, HubErrorKind::NoTurn | HubErrorKind::Throttled) =>
            {
                self.take_place().await;
                return Ok(Entries::Unreadable(Cause::of(&error)));
            }
            Look::Unreachable(error) => return Err(Stop::target(&error)),
        };
        match self.source_entry(id).await? {
            Entries::Source(source, scopes) => Ok(Entries::Both(source, there, scopes)),
            other => Ok(other),
        }
    }

    /// The source's entry with its scopes mapped.
    pub(crate) async fn source_entry(&mut self, id: &IdentityId) -> Result<Entries, Stop> {
        self.step_aside();
        let look = self.pass.source_identity(id).await;
        self.take_place().await;
        self.mapped(id, look).await
    }

    /// An entry that was read from the source, with its scopes mapped.
    pub(crate) async fn mapped(
        &self,
        id: &IdentityId,
        look: Look<IdentityDocument>,
    ) -> Result<Entries, Stop> {
        let source = match look {
            Look::Present(source) => source,
            Look::Absent => return Err(Stop::Again),
            Look::Unreachable(error) if refused_for_its_device(id, error.kind) => {
                return Ok(Entries::Unreadable(device_disabled()));
            }
            Look::Unreachable(error) => {
                return Ok(Entries::Unreadable(Cause::of_source(&error)));
            }
        };
        let mut scopes = scope::Scopes::new();
        for parent in scope::parents(source.members()) {
            if let Some(scope) = self.scope_on_target(&parent).await? {
                scopes.insert(parent, scope);
            }
        }
        Ok(match scope::mapped(source.members(), &scopes) {
            Ok(mapped) => Entries::Source(source, mapped),
            Err(parent) => Entries::ParentMissing(parent),
        })
    }

    /// The scope that a parent has on the target; its twin repeats it.
    async fn scope_on_target(&self, parent: &DeviceId) -> Result<Option<String>, Stop> {
        match self.pass.target_twin(&IdentityId::device(parent.clone())).await {
            Look::Present(twin) => {
                let scope = twin.other.get("deviceScope").and_then(serde_json::Value::as_str);
                Ok(scope.filter(|scope| !scope.is_empty()).map(str::to_owned))
            }
            Look::Absent => Ok(None),
            Look::Unreachable(error) => Err(Stop::target(&error)),
        }
    }
}

/// Module calls of the registry answer 401 when the device is missing or disabled (observed).
fn refused_for_its_device(id: &IdentityId, kind: HubErrorKind) -> bool {
    id.module.is_some() && kind == HubErrorKind::Denied
}

fn device_disabled() -> Cause {
    Cause::new(Reason::DeviceDisabled, "the registry does not answer for modules of a disabled device")
}
