//! How work on an identity ended, and why it is not right yet.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::iothub::{HubError, HubErrorKind};
use crate::storage::StorageError;

/// How long after a creation or a deletion what a hub says of that identity may be older: a read that lags, or a create
/// that another process has under way.
pub(crate) const RECENT: SignedDuration = SignedDuration::from_secs(60);

/// When an identity that was created or deleted moments ago is looked at once more.
pub(crate) const ONCE_MORE: SignedDuration = SignedDuration::from_secs(15);

/// How work on an identity ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Equal already.
    Equal,
    /// Both hubs say that it is absent.
    Absent,
    /// Written, and right now.
    Written,
    /// The target has it, the source says that it is absent, and nobody has announced that it was deleted.
    OnlyOnTarget,
    /// The source could not be read.
    SourceSilent(HubError),
    /// Not right yet.
    Pending(Cause),
    /// The target gave no answer.
    TargetSilent(String),
    /// Storage, or the lease: nothing can be done now, whatever the identity.
    Held(String),
}

/// Why work on an identity stops, or begins again.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody wrote meanwhile: observe again.
    Again,
    /// This is how it ends.
    At(Outcome),
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Again => Self::Pending(Cause::contended()),
            Stop::At(outcome) => outcome,
        }
    }
}

impl Stop {
    /// Not right yet, for this cause.
    pub(crate) fn pending(cause: Cause) -> Self {
        Self::At(Outcome::Pending(cause))
    }

    /// Why the target refuses what it was sent.
    ///
    /// # Errors
    /// The stop itself when it is no refusal.
    pub(crate) fn refusal(self) -> Result<String, Self> {
        match self {
            Self::At(Outcome::Pending(cause)) if cause.reason == Reason::Rejected => Ok(cause.detail),
            stop => Err(stop),
        }
    }

    /// What a failed call to the target means.
    pub(crate) fn target(error: &HubError) -> Self {
        match error.kind {
            HubErrorKind::Absent | HubErrorKind::Exists | HubErrorKind::Stale => Self::Again,
            HubErrorKind::LeaseOver => Self::At(Outcome::Held(in_words(error))),
            HubErrorKind::Unavailable => Self::At(Outcome::TargetSilent(in_words(error))),
            _ => Self::pending(Cause::of(error)),
        }
    }
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Self::At(Outcome::Held(format!("storage: {error:?}")))
    }
}

/// Why an identity is not right yet.
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
    /// The target refuses some values, or the identity itself, and will refuse them again; or they cannot be sent.
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
    /// The work's time was over before it was reached.
    NotReached,
    /// The standby was changed by somebody else.
    Drift,
    /// The standby has it and the active hub does not; it is for a person to say whether it may go.
    OnlyOnStandby,
    /// What the former active hub said could not be brought to the active one yet.
    Backlog,
    /// A device that reported on the former active hub is about to move, and will report again.
    Moving,
    /// Created or deleted moments ago: looked at once more, because what was read may be older.
    Announced,
    /// Both hubs said something since their roles changed; kept until the rejoining ends.
    Rejoining,
}

impl Reason {
    /// Whether something is wrong with the identity, and not only kept in mind for a while.
    pub fn is_trouble(self) -> bool {
        !matches!(self, Self::Announced | Self::Rejoining)
    }

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
            Self::OnlyOnStandby => "only-on-standby",
            Self::Backlog => "backlog",
            Self::Moving => "moving",
            Self::Announced => "announced",
            Self::Rejoining => "rejoining",
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
pub(crate) struct Cause {
    /// Why.
    pub(crate) reason: Reason,
    /// In words.
    pub(crate) detail: String,
    /// Members that are refused, as JSON pointers from the twin's root.
    pub(crate) refused: Vec<String>,
}

impl Cause {
    /// A reason with particulars.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), refused: Vec::new() }
    }

    /// With another one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.detail = format!("{}; {}", self.detail, other.detail);
        self.refused.extend(other.refused);
        self
    }

    /// The work's time was over.
    pub(crate) fn not_reached() -> Self {
        Self::new(Reason::NotReached, "the time was over before it was reached")
    }

    /// What a failed call to the source leaves.
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

    /// What a failed call to the target leaves.
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
