//! Faults by matching request.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

use super::verdict::{Planned, Verdict};

/// What is to go wrong, for which requests, how often.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// `GET`, …, `MQTT-CONNECT`, `MQTT-PATCH`, `MQTT-GET`; any when absent.
    #[serde(default)]
    method: Option<String>,
    /// Part of the path, as it is sent or decoded; of MQTT, of the client id.
    #[serde(default)]
    path_contains: String,
    /// The answer's status; needed unless the connection is dropped or the write is late.
    #[serde(default)]
    status: Option<u16>,
    /// The answer's body, a text as it is; the hub's usual one for the status when absent.
    #[serde(default)]
    body: Option<Value>,
    /// How many requests; one when absent.
    #[serde(default = "once")]
    times: u64,
    /// Do it, then answer otherwise.
    #[serde(default)]
    after_apply: bool,
    /// Never answer.
    #[serde(default)]
    hang: bool,
    /// Milliseconds before anything else.
    #[serde(default)]
    delay_ms: u64,
    /// Close the connection instead of answering.
    #[serde(default)]
    drop_connection: bool,
    /// Close the connection now and do it so many milliseconds later.
    #[serde(default)]
    apply_late_ms: Option<u64>,
    /// Close the connection now and do it when released.
    #[serde(default)]
    hold_until_released: bool,
}

fn once() -> u64 {
    1
}

/// Faults with their ids, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults {
    next_id: u64,
    active: Vec<(u64, Fault)>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) -> u64 {
        self.next_id += 1;
        if fault.times > 0 {
            self.active.push((self.next_id, fault));
        }
        self.next_id
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
    }

    /// The first fault that matches, used once: how long to wait, then what to do.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<(Duration, Verdict)> {
        let at = self.active.iter().position(|(_, fault)| fault.matches(method, path))?;
        let (_, fault) = self.active.get_mut(at)?;
        let struck = (Duration::from_millis(fault.delay_ms), fault.verdict());
        fault.times -= 1;
        if fault.times == 0 {
            self.active.remove(at);
        }
        Some(struck)
    }
}

impl Fault {
    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && (path.contains(&self.path_contains)
                || percent_decode_str(path).decode_utf8_lossy().contains(&self.path_contains))
    }

    fn verdict(&self) -> Verdict {
        if self.hold_until_released {
            return Verdict::Hold;
        }
        if self.hang {
            return Verdict::Hang;
        }
        if let Some(milliseconds) = self.apply_late_ms {
            return Verdict::ApplyLate(Duration::from_millis(milliseconds));
        }
        match (self.drop_connection, self.status, self.after_apply) {
            (true, _, true) => Verdict::DropAfterApply,
            (true, _, false) => Verdict::Drop,
            (false, Some(status), after_apply) => {
                let planned = Planned { status, body: self.body.clone() };
                if after_apply { Verdict::AnswerAfterApply(planned) } else { Verdict::Answer(planned) }
            }
            // Only a delay was asked for.
            (false, None, _) => Verdict::Proceed,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_strikes_as_often_as_it_was_asked_to() {
        let mut faults = Faults::default();
        let fault = json!({"method": "PATCH", "pathContains": "/twins/x", "status": 500, "times": 2});
        faults.add(serde_json::from_value(fault).unwrap());
        assert!(faults.strike("GET", "/twins/x").is_none());
        assert!(faults.strike("PATCH", "/twins/y").is_none());
        for _ in 0..2 {
            let planned = Planned { status: 500, body: None };
            assert_eq!(faults.strike("PATCH", "/twins/x").unwrap().1, Verdict::Answer(planned));
        }
        assert!(faults.strike("PATCH", "/twins/x").is_none());
    }
}
