//! Why an identity is not right yet.

use serde::{Deserialize, Serialize};

use crate::iothub::{HubError, HubErrorKind};

/// Why an identity is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The source could not be read.
    SourceUnreachable,
    /// The target gave no answer for this identity, though it answers for others.
    TargetUnreachable,
    /// The target throttled longer than the invocation lasts.
    Throttled,
    /// 401 or 403 for this identity.
    Denied,
    /// The target refuses the write and will refuse it again.
    Rejected,
    /// An answer that cannot be understood.
    Malformed,
    /// The device is connected to the target: its reported properties are its own business there.
    Connected,
    /// The device is disabled, so its reported properties cannot be written.
    Disabled,
    /// The module's device is disabled, so the registry does not answer for the module.
    DeviceDisabled,
    /// The module's device is not on the target yet.
    DeviceMissing,
    /// A parent is not on the target yet.
    ParentMissing,
    /// The source shows an identity without its `authentication`; writing it would rotate keys.
    NoAuthentication,
    /// The module is made by the hub itself, and is not there yet.
    MadeByTheHub,
    /// A delete, and the active hub did not answer `Present` for the app's own probe identity.
    ProbeMissing,
    /// A delete beyond the budget.
    DeleteBudget,
    /// Somebody else kept writing it meanwhile.
    Contended,
    /// The invocation ended before it was reached.
    NotReached,
    /// The standby was changed by somebody else after the cut.
    Drift,
    /// The former active's event could not be brought to the active yet.
    Backlog,
}

impl Reason {
    /// As it is written in notes and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceUnreachable => "source-unreachable",
            Self::TargetUnreachable => "target-unreachable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::Malformed => "malformed",
            Self::Connected => "connected",
            Self::Disabled => "disabled",
            Self::DeviceDisabled => "device-disabled",
            Self::DeviceMissing => "device-missing",
            Self::ParentMissing => "parent-missing",
            Self::NoAuthentication => "no-authentication",
            Self::MadeByTheHub => "made-by-the-hub",
            Self::ProbeMissing => "probe-missing",
            Self::DeleteBudget => "delete-budget",
            Self::Contended => "contended",
            Self::NotReached => "not-reached",
            Self::Drift => "drift",
            Self::Backlog => "backlog",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reason with its particulars, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Debt {
    /// Why.
    pub(crate) reason: Reason,
    /// In words.
    pub(crate) detail: String,
}

impl Debt {
    /// A reason with particulars.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The invocation's time was over.
    pub(crate) fn not_reached() -> Self {
        Self::new(Reason::NotReached, "the invocation ended before it was reached")
    }

    /// The debt that a failed call to the source leaves.
    pub(crate) fn of_source(error: &HubError) -> Self {
        let reason = match error.kind {
            HubErrorKind::NoTurn => Reason::NotReached,
            _ => Reason::SourceUnreachable,
        };
        Self::new(reason, in_words(error))
    }

    /// Every round found it changed.
    pub(crate) fn contended() -> Self {
        Self::new(Reason::Contended, "it changed in every round")
    }

    /// The debt that a failed call to the target leaves.
    pub(crate) fn of(error: &HubError) -> Self {
        let reason = match error.kind {
            HubErrorKind::Absent | HubErrorKind::Exists | HubErrorKind::Stale => Reason::Contended,
            HubErrorKind::Throttled => Reason::Throttled,
            HubErrorKind::NoTurn | HubErrorKind::LeaseOver => Reason::NotReached,
            HubErrorKind::Unavailable => Reason::TargetUnreachable,
            HubErrorKind::Denied => Reason::Denied,
            HubErrorKind::Rejected => Reason::Rejected,
            HubErrorKind::Malformed => Reason::Malformed,
        };
        Self::new(reason, in_words(error))
    }
}

/// What a hub said, with its tracking id.
pub(crate) fn in_words(error: &HubError) -> String {
    let code = error.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
    let tracking = error.tracking_id.as_deref().map(|id| format!(", tracking id {id}")).unwrap_or_default();
    format!("{}{code}{tracking}", error.message)
}
