//! Whether a failover would work now, in one line.

use std::fmt;

use jiff::Timestamp;

use super::seen::{Status, is_silent};
use crate::cli::output::counted;
use crate::routing::{Phase, StandbyState};

/// The verdict, with every reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// Devices have a hub, and the other one is as good.
    Healthy,
    /// Devices have a hub; a failover now would cost something.
    Degraded(Vec<String>),
    /// Devices have no hub, or nobody can give them another.
    Broken(Vec<String>),
}

impl Health {
    /// Of what was seen.
    pub(super) fn of(status: &Status, now: Timestamp) -> Self {
        let broken = broken(status);
        if !broken.is_empty() {
            return Self::Broken(broken);
        }
        let degraded = degraded(status, now);
        if degraded.is_empty() { Self::Healthy } else { Self::Degraded(degraded) }
    }

    /// 0, 1 or 2, as monitoring plugins say it.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded(_) => 1,
            Self::Broken(_) => 2,
        }
    }

    /// The word alone.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded(_) => "DEGRADED",
            Self::Broken(_) => "BROKEN",
        }
    }

    /// The reasons; none when all is well.
    pub(super) fn reasons(&self) -> &[String] {
        match self {
            Self::Healthy => &[],
            Self::Degraded(reasons) | Self::Broken(reasons) => reasons,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.reasons();
        if reasons.is_empty() {
            f.write_str(self.word())
        } else {
            write!(f, "{}: {}", self.word(), reasons.join("; "))
        }
    }
}

fn broken(status: &Status) -> Vec<String> {
    let kept = match &status.kept {
        Ok(kept) => kept,
        Err(error) => return vec![format!("storage: {error}")],
    };
    let Some(stored) = &kept.record else {
        return vec!["there is no routing record; `iot-hadr init` makes one".to_owned()];
    };
    let active = stored.record.active;
    let silent = status.hubs.iter().filter(|(role, _, answer)| *role == active && answer.is_err());
    let silent = silent.map(|(role, ..)| format!("the active hub ({role}) does not answer"));
    silent.chain(kept.other_hubs.clone()).collect()
}

fn degraded(status: &Status, now: Timestamp) -> Vec<String> {
    let Ok(kept) = &status.kept else { return Vec::new() };
    let Some(stored) = &kept.record else { return Vec::new() };
    let record = &stored.record;
    let mut reasons = Vec::new();
    let silent = status.hubs.iter().filter(|(role, _, answer)| *role == record.standby && answer.is_err());
    reasons.extend(silent.map(|(role, ..)| format!("the standby ({role}) does not answer")));
    if record.phase == Phase::Promoting {
        reasons.push("a promotion is under way".to_owned());
    } else if record.standby_state != StandbyState::InSync {
        reasons.push(format!("the {} hub is rejoining", record.standby));
    }
    if kept.pending > 0 {
        reasons.push(format!("{} pending", counted(kept.pending)));
    }
    if kept.unreadable > 0 {
        reasons.push(format!("{} set aside unreadable", counted(kept.unreadable)));
    }
    if kept.unknown_hubs.iter().any(|hub| hub.name.is_some()) {
        reasons.push("events come in of a hub that is neither of the two".to_owned());
    }
    let idle = kept.duties.iter().filter(|duty| is_silent(duty, now));
    reasons.extend(idle.map(|duty| format!("nobody does the duty {}", duty.name)));
    reasons
}
