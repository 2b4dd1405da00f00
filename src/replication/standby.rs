//! Events of the hub that is not active: compared, never copied, never blindly ignored.

use jiff::{SignedDuration, Timestamp};

use super::backlog_flow::Backlog;
use super::batch::Placed;
use super::debt::{Debt, Reason, in_words};
use super::entries::Entries;
use super::observe::Look;
use super::pass::{Fate, Flow, Stop};
use super::plan::{Registry, plan};
use super::want::{self, Want};
use crate::iothub::notification::HintKind;
use crate::model::IdentityId;
use crate::routing::{StandbyState, WriteLease};

/// Clocks of two hubs and of storage are compared: in doubt an event counts as backlog, because a
/// backlog is brought to the active hub and drift is overwritten.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Whether an event of the former active is from before the cut.
pub(crate) fn is_backlog(occurred: Option<Timestamp>, authority: &WriteLease) -> bool {
    match (occurred, authority.cut) {
        (Some(occurred), Some(cut)) if authority.epoch > 1 => occurred.duration_since(cut) < MARGIN,
        _ => false,
    }
}

impl Flow<'_> {
    /// What the standby's own events of one identity mean; `equal` when it has just been found, or
    /// made, equal.
    pub(crate) async fn standby(&mut self, id: &IdentityId, hints: &[&Placed], equal: bool) -> Fate {
        self.begin_identity();
        let engine = self.pass.engine;
        let target = self.pass.target_role();
        let strange: Vec<&Placed> =
            hints.iter().copied().filter(|placed| !engine.echoes.is_echo(target, &placed.hint)).collect();
        if strange.is_empty() {
            return Fate::Echo;
        }
        if strange.iter().any(|p| matches!(p.hint.kind, HintKind::Created | HintKind::Deleted)) {
            // Somebody else made or unmade it: its counters begin again.
            engine.echoes.forget(target, id);
            engine.pairs.forget(id);
        }
        let rejoining = self.pass.warrant.authority().standby_state == StandbyState::Rejoining;
        if equal && !rejoining {
            return Fate::Echo;
        }
        let result =
            if rejoining { self.rejoining(id, &strange).await } else { self.in_sync(id, &strange).await };
        match result {
            Ok(fate) | Err(Stop::At(fate)) => fate,
            Err(Stop::Again) => Fate::Owed(Debt::contended()),
        }
    }

    async fn in_sync(&mut self, id: &IdentityId, hints: &[&Placed]) -> Result<Fate, Stop> {
        let equal = self.is_equal(id, hints).await;
        if matches!(equal, Ok(true)) {
            return Ok(Fate::Echo);
        }
        let authority = self.pass.warrant.authority();
        let (backlog, drift): (Vec<&Placed>, Vec<&Placed>) =
            hints.iter().partition(|placed| is_backlog(placed.hint.occurred, authority));
        // Also when it cannot be told whether they are equal: owed for that, a change from before the cut would be
        // overwritten by the next comparison.
        if !backlog.is_empty() {
            let fate = self.backlog(id, Backlog::Events(&backlog)).await?;
            if drift.is_empty() || matches!(fate, Fate::Owed(_)) {
                return Ok(fate);
            }
        }
        equal?;
        tracing::warn!(identity = %id, events = drift.len(), "drift: the standby was changed by somebody else");
        Ok(Fate::Owed(Debt::new(Reason::Drift, "the standby was changed by somebody else")))
    }

    async fn rejoining(&mut self, id: &IdentityId, hints: &[&Placed]) -> Result<Fate, Stop> {
        let authority = self.pass.warrant.authority();
        let backlog: Vec<&Placed> =
            hints.iter().copied().filter(|placed| is_backlog(placed.hint.occurred, authority)).collect();
        if backlog.is_empty() { Ok(Fate::Noted) } else { self.backlog(id, Backlog::Events(&backlog)).await }
    }

    /// Whether both hubs say the same of the twin, and of what a twin shows of its registry entry.
    ///
    /// A twin shows no keys: one that somebody else deleted and that is there again is never taken
    /// for equal by its twin alone.
    async fn is_equal(&mut self, id: &IdentityId, hints: &[&Placed]) -> Result<bool, Stop> {
        let remade = hints.iter().any(|placed| placed.hint.kind == HintKind::Deleted);
        let target = self.target_or_stop(id).await?;
        match (target, self.pass.source_twin(id).await) {
            (_, Look::Unreachable(error)) => {
                Err(Stop::owe(Debt::new(Reason::SourceUnreachable, in_words(&error))))
            }
            (None, Look::Absent) => Ok(true),
            (Some(target), Look::Present(source)) => {
                let plan = plan(id, Some(&target), &Want::Source(&source), Registry::Assumed);
                let alike = plan.steps.is_empty()
                    && plan.owed.is_none()
                    && !want::entries_visibly_differ(&source, &target);
                if alike && remade { self.has_equal_entries(id).await } else { Ok(alike) }
            }
            _ => Ok(false),
        }
    }
}

impl Flow<'_> {
    async fn has_equal_entries(&mut self, id: &IdentityId) -> Result<bool, Stop> {
        Ok(match self.read_both(id).await? {
            Entries::Both(source, target, scopes) => want::same_identity(&source, &target, &scopes),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::iothub::Deadline;
    use crate::routing::HubRole;

    #[test]
    fn events_are_backlog_up_to_the_cut_and_its_margin_and_never_in_the_first_epoch() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let mut authority = WriteLease {
            epoch: 2,
            active: HubRole::Secondary,
            standby_state: StandbyState::Rejoining,
            cut: at("2026-11-24T01:00:00Z"),
            diverged: None,
            planned: false,
            rejoin_accepted: false,
            length: Duration::from_secs(15),
            ends: Deadline::after(Duration::from_secs(1)),
        };
        assert!(is_backlog(at("2026-11-24T00:59:59Z"), &authority));
        assert!(is_backlog(at("2026-11-24T01:00:04Z"), &authority));
        assert!(!is_backlog(at("2026-11-24T01:00:05Z"), &authority));
        assert!(!is_backlog(None, &authority));
        authority.epoch = 1;
        assert!(!is_backlog(at("2026-11-24T00:59:59Z"), &authority));
    }
}
