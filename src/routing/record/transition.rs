//! The steps that change the routing record. Pure: no I/O, no clock.

use std::fmt;

use jiff::Timestamp;

use super::diverged::Diverged;
use super::document::{Authorship, Phase, Promotion, PromotionKind, RoutingRecord};
use super::hub_names::HubNames;
use super::role::{HubRole, StandbyState};

/// Why a step cannot be taken from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitionError {
    /// That hub is active already.
    AlreadyActive,
    /// A promotion to this hub is under way.
    AlreadyPromoting(HubRole),
    /// No promotion is under way.
    NotPromoting,
    /// A planned promotion needs a standby in sync.
    StandbyRejoining,
    /// The standby is in sync: there is no rejoining to end.
    NotRejoining,
}

impl fmt::Display for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyActive => write!(f, "that hub is active already"),
            Self::AlreadyPromoting(to) => write!(f, "a promotion to {to} is under way"),
            Self::NotPromoting => write!(f, "no promotion is under way"),
            Self::StandbyRejoining => write!(
                f,
                "the standby is rejoining: what it said before its clients moved is still being brought to the \
                 active hub, and nothing is written to it; wait until `iot-hadr status` says in-sync, or --force"
            ),
            Self::NotRejoining => write!(f, "the standby is in sync: no rejoining is under way"),
        }
    }
}

impl std::error::Error for TransitionError {}

/// The first step: a new epoch in which nobody has a write lease yet; roles as before.
pub fn begin_promotion(
    record: &RoutingRecord,
    promotion: Promotion,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    match (record.phase, record.promotion) {
        (Phase::Promoting, Some(under_way)) => Err(TransitionError::AlreadyPromoting(under_way.to)),
        _ if record.active == promotion.to => Err(TransitionError::AlreadyActive),
        _ if promotion.kind == PromotionKind::Planned && record.standby_state == StandbyState::Rejoining => {
            Err(TransitionError::StandbyRejoining)
        }
        _ => Ok(RoutingRecord {
            epoch: record.epoch + 1,
            phase: Phase::Promoting,
            promotion: Some(promotion),
            ..record.clone()
        }
        .signed(authorship)),
    }
}

/// The second step, after every lease has run out: roles swapped, and the other hub is rejoining.
/// `cut` is storage's time of the first step.
pub fn finish(
    record: &RoutingRecord,
    cut: Timestamp,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    let promotion = under_way(record)?;
    Ok(RoutingRecord {
        active: promotion.to,
        standby: promotion.to.other(),
        phase: Phase::Steady,
        standby_state: StandbyState::Rejoining,
        cut: Some(cut),
        diverged: Some(parted(record, cut)),
        planned: promotion.kind == PromotionKind::Planned,
        rejoin_accepted: false,
        closing: false,
        compared: false,
        promotion: None,
        ..record.clone()
    }
    .signed(authorship))
}

/// A promotion during a rejoining changes nothing about when the hubs were last equal.
fn parted(record: &RoutingRecord, cut: Timestamp) -> Diverged {
    let now = Diverged::by_promotion(record.epoch, record.active, cut, record.lease());
    match record.standby_state {
        StandbyState::InSync => now,
        StandbyState::Rejoining => record.diverged.unwrap_or(now),
    }
}

/// Gives a promotion up: the old roles, in a new epoch. Safe at any time, because the direction of
/// writes stays what every lease still running says.
pub fn abort(record: &RoutingRecord, authorship: Authorship) -> Result<RoutingRecord, TransitionError> {
    under_way(record)?;
    Ok(RoutingRecord { epoch: record.epoch + 1, phase: Phase::Steady, promotion: None, ..record.clone() }
        .signed(authorship))
}

fn under_way(record: &RoutingRecord) -> Result<Promotion, TransitionError> {
    match (record.phase, record.promotion) {
        (Phase::Promoting, Some(promotion)) => Ok(promotion),
        _ => Err(TransitionError::NotPromoting),
    }
}

/// An operator has seen what the end of a rejoining does, and wants it.
pub fn accept_rejoin(
    record: &RoutingRecord,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    rejoining(record)?;
    Ok(RoutingRecord { rejoin_accepted: true, ..record.clone() }.signed(authorship))
}

/// The comparison that ends a rejoining begins: from now on what changes is listed apart, and compared after it.
pub fn begin_closing(
    record: &RoutingRecord,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    rejoining(record)?;
    Ok(RoutingRecord { closing: true, ..record.clone() }.signed(authorship))
}

/// The comparison has ended: events are held, until every lease that was taken before this is over and what was listed
/// meanwhile is compared, too. In sync, one process writes to the standby what another, under an older lease, would take
/// for a client's doing; and what is acknowledged must be on both hubs before roles can change again.
pub fn end_comparison(
    record: &RoutingRecord,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    rejoining(record)?;
    Ok(RoutingRecord { compared: true, ..record.clone() }.signed(authorship))
}

/// Both hubs say the same again: the standby follows the active hub from now on, in the same epoch.
pub fn end_rejoining(
    record: &RoutingRecord,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    rejoining(record)?;
    Ok(RoutingRecord {
        standby_state: StandbyState::InSync,
        diverged: None,
        closing: false,
        compared: false,
        ..record.clone()
    }
    .signed(authorship))
}

/// The record is about these hubs from now on; roles, epoch and leases stay.
pub fn name_hubs(
    record: &RoutingRecord,
    hubs: HubNames,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    match record.promotion {
        Some(promotion) => Err(TransitionError::AlreadyPromoting(promotion.to)),
        None => Ok(RoutingRecord { hubs: Some(hubs), ..record.clone() }.signed(authorship)),
    }
}

fn rejoining(record: &RoutingRecord) -> Result<(), TransitionError> {
    match (record.promotion, record.standby_state) {
        (Some(promotion), _) => Err(TransitionError::AlreadyPromoting(promotion.to)),
        (None, StandbyState::InSync) => Err(TransitionError::NotRejoining),
        (None, StandbyState::Rejoining) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    const PLANNED: PromotionKind = PromotionKind::Planned;
    const FORCED: PromotionKind = PromotionKind::Forced;

    fn by(nonce: &str) -> Authorship {
        Authorship { by: "me".into(), reason: "why".into(), at: Timestamp::UNIX_EPOCH, nonce: nonce.into() }
    }

    fn first() -> RoutingRecord {
        RoutingRecord::genesis(1, HubRole::Primary, Duration::from_secs(15), by("1"))
    }

    fn to_secondary(kind: PromotionKind) -> Promotion {
        Promotion { to: HubRole::Secondary, kind }
    }

    fn cut() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn promoted(record: &RoutingRecord, to: HubRole, kind: PromotionKind) -> RoutingRecord {
        let begun = begin_promotion(record, Promotion { to, kind }, by("2")).unwrap();
        finish(&begun, cut(), by("3")).unwrap()
    }

    #[test]
    fn a_promotion_swaps_the_roles_and_leaves_the_other_hub_rejoining_planned_or_not() {
        let begun = begin_promotion(&first(), to_secondary(PLANNED), by("2")).unwrap();
        assert_eq!((begun.epoch, begun.active, begun.serving_epoch()), (2, HubRole::Primary, 1));
        for kind in [PLANNED, FORCED] {
            let done = promoted(&first(), HubRole::Secondary, kind);
            assert_eq!((done.epoch, done.active, done.standby), (2, HubRole::Secondary, HubRole::Primary));
            assert_eq!((done.phase, done.promotion, done.cut), (Phase::Steady, None, Some(cut())));
            assert_eq!((done.standby_state, done.planned), (StandbyState::Rejoining, kind == PLANNED));
            let diverged = Diverged::by_promotion(2, HubRole::Primary, cut(), first().lease());
            assert_eq!((done.diverged, done.rejoin_accepted), (Some(diverged), false));
        }
    }

    #[test]
    fn only_force_promotes_a_rejoining_hub_and_the_hubs_parted_where_they_parted_first() {
        let done = promoted(&first(), HubRole::Secondary, FORCED);
        let planned = Promotion { to: HubRole::Primary, kind: PLANNED };
        assert_eq!(begin_promotion(&done, planned, by("4")), Err(TransitionError::StandbyRejoining));
        let back = promoted(&accept_rejoin(&done, by("4")).unwrap(), HubRole::Primary, FORCED);
        assert_eq!(
            (back.epoch, back.active, back.standby_state),
            (3, HubRole::Primary, StandbyState::Rejoining)
        );
        assert_eq!((back.diverged, back.rejoin_accepted), (done.diverged, false));
    }

    #[test]
    fn the_end_of_a_rejoining_makes_the_hubs_one_again_in_the_same_epoch() {
        let done = promoted(&first(), HubRole::Secondary, FORCED);
        let accepted = accept_rejoin(&done, by("4")).unwrap();
        assert!(accepted.rejoin_accepted && accepted.diverged == done.diverged);
        let ended = end_rejoining(&accepted, by("5")).unwrap();
        assert_eq!((ended.epoch, ended.standby_state, ended.diverged), (2, StandbyState::InSync, None));
        assert_eq!(promoted(&ended, HubRole::Primary, PLANNED).diverged.unwrap().epoch, 3);
    }

    #[test]
    fn no_rejoining_ends_that_is_not_there_or_while_roles_change() {
        for step in [accept_rejoin, end_rejoining] {
            assert_eq!(step(&first(), by("2")), Err(TransitionError::NotRejoining));
            let done = promoted(&first(), HubRole::Secondary, FORCED);
            let back = Promotion { to: HubRole::Primary, kind: FORCED };
            let begun = begin_promotion(&done, back, by("4")).unwrap();
            assert_eq!(step(&begun, by("5")), Err(TransitionError::AlreadyPromoting(HubRole::Primary)));
        }
    }

    #[test]
    fn an_aborted_promotion_has_used_up_its_epoch() {
        let begun = begin_promotion(&first(), to_secondary(PLANNED), by("2")).unwrap();
        let back = abort(&begun, by("3")).unwrap();
        assert_eq!((back.epoch, back.active, back.phase), (3, HubRole::Primary, Phase::Steady));
        assert_eq!(abort(&back, by("4")), Err(TransitionError::NotPromoting));
    }

    #[test]
    fn one_promotion_at_a_time_and_never_to_the_active_hub() {
        let home = Promotion { to: HubRole::Primary, kind: PromotionKind::Forced };
        assert_eq!(begin_promotion(&first(), home, by("2")), Err(TransitionError::AlreadyActive));
        let begun = begin_promotion(&first(), to_secondary(PLANNED), by("2")).unwrap();
        assert_eq!(
            begin_promotion(&begun, to_secondary(PromotionKind::Forced), by("3")),
            Err(TransitionError::AlreadyPromoting(HubRole::Secondary))
        );
    }
}
