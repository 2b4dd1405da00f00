//! What the hubs say about one identity now.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::iothub::{HubError, HubErrorKind};

/// One hub's answer. Only the hub's own not-found is `Absent`: absence of evidence is never
/// evidence of absence.
#[derive(Debug)]
pub(crate) enum Look<T> {
    /// It is there.
    Present(T),
    /// The hub says that there is none.
    Absent,
    /// Everything else.
    Unreachable(HubError),
}

impl<T> Look<T> {
    /// For the log.
    pub(crate) fn in_a_word(&self) -> &'static str {
        match self {
            Self::Present(_) => "present",
            Self::Absent => "absent",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

impl<T> From<Result<T, HubError>> for Look<T> {
    fn from(result: Result<T, HubError>) -> Self {
        match result {
            Ok(it) => Self::Present(it),
            Err(error) if error.kind == HubErrorKind::Absent => Self::Absent,
            Err(error) => Self::Unreachable(error),
        }
    }
}

/// Calls without any answer, one after the other, after which a batch stops asking that hub:
/// otherwise an outage costs every identity of the batch a whole time-out.
const PATIENCE: u32 = 6;

/// Whether a hub answers, as one batch sees it.
#[derive(Debug, Default)]
pub(crate) struct Health {
    answered: AtomicBool,
    silent: AtomicU32,
}

impl Health {
    /// Takes note of how a call ended.
    pub(crate) fn note<T>(&self, result: &Result<T, HubError>) {
        match result {
            Err(error) if error.kind == HubErrorKind::Unavailable => {
                self.silent.fetch_add(1, Ordering::Relaxed);
            }
            // Never sent: it says nothing of the hub.
            Err(error) if matches!(error.kind, HubErrorKind::NoTurn | HubErrorKind::LeaseOver) => {}
            _ => {
                self.answered.store(true, Ordering::Relaxed);
                self.silent.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Whether it gave any definite answer in this batch.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The error that stands for a call not made, when asking again is of no use now.
    pub(crate) fn given_up(&self) -> Option<HubError> {
        (self.silent.load(Ordering::Relaxed) >= PATIENCE).then(|| HubError {
            kind: HubErrorKind::Unavailable,
            code: None,
            tracking_id: None,
            message: "not asked: the hub has stopped answering".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: HubErrorKind) -> Result<(), HubError> {
        Err(HubError { kind, code: None, tracking_id: None, message: String::new() })
    }

    #[test]
    fn a_call_that_was_never_sent_tells_nothing_of_the_hub() {
        let health = Health::default();
        (0..PATIENCE).for_each(|_| health.note(&failed(HubErrorKind::NoTurn)));
        assert!(!health.has_answered() && health.given_up().is_none());
        (0..PATIENCE).for_each(|_| health.note(&failed(HubErrorKind::Unavailable)));
        health.note(&failed(HubErrorKind::NoTurn));
        assert!(!health.has_answered() && health.given_up().is_some());
        health.note(&failed(HubErrorKind::Absent));
        assert!(health.has_answered() && health.given_up().is_none());
    }
}
