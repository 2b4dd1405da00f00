//! `Data` of a timer trigger.

use jiff::Timestamp;

use super::Schedule;
use crate::app::Function;
use crate::dotnet;
use crate::invocation::{Envelope, sys};
use crate::json::Json;

/// When a timer ran and will run. The host keeps it in storage; this one keeps it in memory.
#[derive(Clone, Debug)]
pub(super) struct ScheduleStatus {
    /// `None`: never.
    pub(super) last: Option<Timestamp>,
    pub(super) next: Timestamp,
    pub(super) updated: Option<Timestamp>,
}

impl ScheduleStatus {
    pub(super) fn new(schedule: &Schedule, now: Timestamp) -> Self {
        Self { last: None, next: schedule.next_after(now), updated: None }
    }

    fn to_json(&self) -> Json {
        // A time is written with its offset; the default value has none.
        let time = |at: Option<Timestamp>| {
            at.map_or_else(
                || "0001-01-01T00:00:00".to_owned(),
                |at| format!("{}+00:00", dotnet::date_time(at)),
            )
        };
        Json::object([
            ("Last", Json::from(time(self.last))),
            ("Next", Json::from(time(Some(self.next)))),
            ("LastUpdated", Json::from(time(self.updated))),
        ])
    }
}

/// The request for one run. Without a status the member is null, as for schedules below a minute. The input of a run by hand is
/// shown under the binding's name (observed).
pub(super) fn envelope(
    function: &Function,
    schedule: &Schedule,
    status: Option<&ScheduleStatus>,
    input: Option<&str>,
) -> Envelope {
    let data = Json::object([
        ("Schedule", Json::object([("AdjustForDST", Json::from(schedule.is_cron()))])),
        ("ScheduleStatus", status.map_or(Json::Null, ScheduleStatus::to_json)),
        ("IsPastDue", Json::from(false)),
    ]);
    let input = input.map(|input| (function.binding.clone(), Json::from(input).on_the_wire()));
    let metadata = input.into_iter().chain([sys(&function.name)]).collect();
    Envelope::new(&function.binding, data, metadata)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::app::{TimerTrigger, Trigger};

    fn function(name: &str, binding: &str) -> Function {
        let trigger = TimerTrigger { schedule: String::new(), use_monitor: true, run_on_startup: false };
        Function {
            name: name.to_owned(),
            binding: binding.to_owned(),
            trigger: Trigger::Timer(trigger),
            http_output: None,
            retry: None,
        }
    }

    fn assert_built(golden: &str, function: &Function, status: Option<&ScheduleStatus>, input: Option<&str>) {
        let golden: Value = serde_json::from_str(golden).unwrap();
        let schedule = Schedule::parse("0 */5 * * * *").unwrap();
        let built = envelope(function, &schedule, status, input).body(&function.name, None);
        let mut built: Value = serde_json::from_slice(&built).unwrap();
        for pointer in ["/Metadata/sys/UtcNow", "/Metadata/sys/RandGuid"] {
            *built.pointer_mut(pointer).unwrap() = golden.pointer(pointer).unwrap().clone();
        }
        assert_eq!(built, golden);
    }

    #[test]
    fn the_documented_timer_request_is_built() {
        let last = Some("2022-06-01T22:25:00.0052371Z".parse().unwrap());
        let status = ScheduleStatus { last, next: "2022-06-01T22:30:00Z".parse().unwrap(), updated: last };
        let golden = include_str!("../../tests/golden/timer.request.json");
        assert_built(golden, &function("Tick", "tick"), Some(&status), None);
    }

    #[test]
    fn the_requests_of_the_real_host_are_built() {
        let body = |request: &'static str| request.split_once("\r\n\r\n").unwrap().1;
        let by_schedule = include_str!("../../../../tests/payloads/observed/timer.http");
        let by_hand = include_str!("../../../../tests/payloads/observed/admin-run-timer.http");
        let function = function("fleet-sweep", "timer");
        assert_built(body(by_schedule), &function, None, None);
        assert_built(body(by_hand), &function, None, Some(""));
    }
}
