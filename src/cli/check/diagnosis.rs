//! From what has not come through to what is wrong. Pure.
//!
//! An event hub of which something came is read by the host, so what else is missing there was not sent to it. An event
//! hub of which nothing came may be read by nobody, or nobody may send to it: both are named.

use std::time::Duration;

use super::finding::Finding;
use crate::fleet::{Pipe, REGISTRY_EVENTS, Seen, TWIN_EVENTS};
use crate::replication::UnknownHub;
use crate::routing::{HubRole, MarkKind};

/// What else is known.
#[derive(Debug)]
pub(super) struct Around<'a> {
    /// Both hubs' names as events say them, the primary's first.
    pub(super) names: [&'a str; 2],
    /// Whether some process of the app does its duties.
    pub(super) runs: bool,
    /// Hubs that events name, and that are neither of the two.
    pub(super) unknown_hubs: Vec<UnknownHub>,
}

/// Kinds of events of one hub, by event hub.
const OF_EACH_HUB: usize = 5;

const ROLES: [HubRole; 2] = [HubRole::Primary, HubRole::Secondary];

/// What is wrong, or for each hub that nothing is.
pub(super) fn diagnose(seen: &Seen, around: &Around<'_>, elapsed: Duration) -> Vec<Finding> {
    if !around.runs && seen.read.is_empty() {
        return vec![nothing_runs()];
    }
    let mut findings: Vec<Finding> = Vec::new();
    let unread = |event_hub: &&'static str| {
        !seen.read.contains(event_hub) && seen.missing.iter().any(|pipe| pipe.event_hub == *event_hub)
    };
    let unread: Vec<&str> = [TWIN_EVENTS, REGISTRY_EVENTS].into_iter().filter(unread).collect();
    findings.extend(unread.iter().map(|event_hub| nothing_comes(event_hub, around, unread.len() == 2)));
    let named: Vec<&UnknownHub> = around.unknown_hubs.iter().filter(|hub| hub.name.is_some()).collect();
    for (role, name) in ROLES.into_iter().zip(around.names) {
        let missing = of(role, seen);
        // Events under another name are why all of a hub is missing.
        let is_misnamed = !named.is_empty() && missing.len() == OF_EACH_HUB;
        match missing.is_empty() {
            true => findings.push(came_through(role, name, elapsed)),
            false if is_misnamed => {}
            false => findings.extend(of_one_hub(role, name, &missing, &unread)),
        }
    }
    let [primary, secondary] = ROLES.map(|role| of(role, seen).len());
    let setting = if secondary > primary { "HADR_HUB2_NAME" } else { "HADR_HUB1_NAME" };
    let unknown = named.iter().filter(|_| primary + secondary > 0).map(|hub| unknown_hub(hub, setting));
    unknown.chain(findings).collect()
}

fn of(role: HubRole, seen: &Seen) -> Vec<&Pipe> {
    seen.missing.iter().filter(|pipe| pipe.hub == role).collect()
}

fn came_through(role: HubRole, name: &str, elapsed: Duration) -> Finding {
    Finding::fine(format!(
        "path of events, {role} hub ({name}): twin changes, creations and deletions came to the app through both event \
         hubs within {:.0} s",
        elapsed.as_secs_f64().ceil()
    ))
}

fn nothing_runs() -> Finding {
    Finding::wrong(
        "path of events: no instance of the app runs, or none with this storage account and container: nobody does its \
         duties, and no event was applied",
    )
    .mend("func host start")
    .mend("az functionapp start --resource-group \"$GROUP\" --name \"$APP\"")
    .mend("az webapp log tail --resource-group \"$GROUP\" --name \"$APP\"")
}

/// Nothing at all came through this event hub, or through both.
fn nothing_comes(event_hub: &str, around: &Around<'_>, both: bool) -> Finding {
    let (function, group) = match event_hub {
        TWIN_EVENTS => ("twin-sync", "HADR_TWIN_CONSUMER_GROUP"),
        _ => ("registry-sync", "HADR_REGISTRY_CONSUMER_GROUP"),
    };
    let cause = match both {
        true => {
            "the Functions host does not run, or cannot read it (myEventHubReadConnectionAppSetting, the consumer group)"
        }
        false => "its consumer group is missing (the other event hub is read, so the host runs)",
    };
    let [primary, _] = around.names;
    let show = match event_hub {
        TWIN_EVENTS => format!("az iot hub message-route list --hub-name {primary} --output table"),
        _ => format!(
            "az eventgrid event-subscription list --source-resource-id \"$(az iot hub show --name {primary} --query id \
             --output tsv)\" --output table"
        ),
    };
    Finding::wrong(format!(
        "path of events: nothing came through the event hub {event_hub} to {function}: {cause}; or neither hub sends to it"
    ))
    .mend(format!(
        "az eventhubs eventhub consumer-group create --resource-group \"$GROUP\" --namespace-name \"$NAMESPACE\" \
         --eventhub-name {event_hub} --name \"${group}\""
    ))
    .mend(show)
}

/// What one hub does not send to event hubs that are read.
fn of_one_hub(role: HubRole, name: &str, missing: &[&Pipe], unread: &[&str]) -> Vec<Finding> {
    let lacks = |event_hub: &str, is_twin: bool| {
        let of = |pipe: &&&Pipe| pipe.event_hub == event_hub && (pipe.kind == MarkKind::Twin) == is_twin;
        let kinds: Vec<MarkKind> = missing.iter().filter(of).map(|pipe| pipe.kind).collect();
        (!kinds.is_empty() && !unread.contains(&event_hub)).then_some(kinds)
    };
    let twin =
        lacks(TWIN_EVENTS, true).map(|_| route(role, name, "twin changes", "twin", "TwinChangeEvents"));
    let lifecycle = lacks(TWIN_EVENTS, false)
        .map(|kinds| route(role, name, in_words(&kinds), "lifecycle", "DeviceLifecycleEvents"));
    let grid = lacks(REGISTRY_EVENTS, false).map(|kinds| subscription(role, name, in_words(&kinds)));
    [twin, lifecycle, grid].into_iter().flatten().collect()
}

fn in_words(kinds: &[MarkKind]) -> &'static str {
    match (kinds.contains(&MarkKind::Created), kinds.contains(&MarkKind::Deleted)) {
        (true, true) => "creations and deletions",
        (true, false) => "creations",
        _ => "deletions",
    }
}

fn route(role: HubRole, name: &str, what: &str, route: &str, source: &str) -> Finding {
    Finding::wrong(format!(
        "path of events, {role} hub ({name}): its {what} did not come through the event hub {TWIN_EVENTS}, which is read: \
         the route for {source} is missing, off, or has a condition; or its endpoint may not send"
    ))
    .mend(format!(
        "az iot hub message-route create --resource-group \"$GROUP\" --hub-name {name} --route-name {route} \
         --endpoint-name twin --source-type {source}"
    ))
    .mend(format!("az iot hub show --name {name} --query properties.routing"))
}

fn subscription(role: HubRole, name: &str, what: &str) -> Finding {
    Finding::wrong(format!(
        "path of events, {role} hub ({name}): its {what} did not come through the event hub {REGISTRY_EVENTS}, which is \
         read: the Event Grid subscription is missing or leaves them out"
    ))
    .mend(format!(
        "az eventgrid event-subscription create --name deviceregistration --source-resource-id \"$(az iot hub show --name \
         {name} --query id --output tsv)\" --endpoint-type eventhub --endpoint \"$REGISTRY_EVENT_HUB\" \
         --included-event-types Microsoft.Devices.DeviceCreated Microsoft.Devices.DeviceDeleted"
    ))
}

fn unknown_hub(hub: &UnknownHub, setting: &str) -> Finding {
    let name = hub.name.as_deref().unwrap_or_default();
    // A name comes from outside: it stands in no command unless it is one that a hub can have.
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let finding = Finding::wrong(format!("path of events: {}", hub.in_words()));
    if !is_plain {
        return finding;
    }
    finding.mend(format!(
        "az functionapp config appsettings set --resource-group \"$GROUP\" --name \"$APP\" --output none --settings \
         {setting}={name}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn around(runs: bool) -> Around<'static> {
        Around { names: ["west", "east"], runs, unknown_hubs: Vec::new() }
    }

    fn said(missing: &[(HubRole, &'static str, MarkKind)], read: &[&'static str], runs: bool) -> Vec<String> {
        let pipes = missing.iter().map(|&(hub, event_hub, kind)| Pipe { hub, event_hub, kind });
        let seen = Seen { missing: pipes.collect(), read: read.to_vec() };
        let findings = diagnose(&seen, &around(runs), Duration::from_millis(1200));
        findings.iter().map(|finding| finding.lines().join("\n")).collect()
    }

    const ALL: [&str; 2] = [TWIN_EVENTS, REGISTRY_EVENTS];

    fn everything(of: &str) -> Vec<(HubRole, &'static str, MarkKind)> {
        let kinds = [MarkKind::Twin, MarkKind::Created, MarkKind::Deleted];
        let all = ROLES.into_iter().flat_map(|role| ALL.map(|event_hub| (role, event_hub)));
        let all = all.flat_map(|(role, event_hub)| kinds.map(|kind| (role, event_hub, kind)));
        all.filter(|(_, event_hub, kind)| *event_hub == of && (of == TWIN_EVENTS || *kind != MarkKind::Twin))
            .collect()
    }

    #[test]
    fn what_came_through_is_said_of_each_hub_in_a_line() {
        let fine = said(&[], &ALL, true);
        assert_eq!(fine.len(), 2);
        assert!(
            fine[0].starts_with("ok      path of events, primary hub (west):")
                && fine[0].ends_with("within 2 s")
        );
        assert!(fine[1].starts_with("ok      path of events, secondary hub (east):"));
    }

    #[test]
    fn a_missing_route_or_subscription_is_named_with_its_hub_and_the_command_that_makes_it() {
        use HubRole::{Primary, Secondary};
        let twin = said(&[(Secondary, TWIN_EVENTS, MarkKind::Twin)], &ALL, true);
        assert!(twin[0].starts_with("ok ") && twin[1].contains("twin changes did not come"), "{twin:#?}");
        assert!(twin[1].contains("message-route create") && twin[1].contains("--hub-name east"), "{twin:#?}");
        assert!(twin[1].contains("--source-type TwinChangeEvents"), "{twin:#?}");
        let lifecycle = [MarkKind::Created, MarkKind::Deleted].map(|kind| (Primary, TWIN_EVENTS, kind));
        let lifecycle = said(&lifecycle, &ALL, true);
        assert!(
            lifecycle[0].contains("creations and deletions")
                && lifecycle[0].contains("DeviceLifecycleEvents")
        );
        let grid = said(&[(Primary, REGISTRY_EVENTS, MarkKind::Deleted)], &ALL, true);
        assert!(
            grid[0].contains("its deletions did not come") && grid[0].contains("event-subscription create")
        );
        assert!(grid[0].contains("--name west"), "{grid:#?}");
    }

    #[test]
    fn of_an_event_hub_that_nothing_comes_through_the_consumer_group_is_named_once_and_no_route() {
        let registry = said(&everything(REGISTRY_EVENTS), &[TWIN_EVENTS], true);
        assert_eq!(registry.len(), 1, "{registry:#?}");
        assert!(
            registry[0].contains("its consumer group is missing (the other event hub is read"),
            "{registry:#?}"
        );
        assert!(registry[0].contains("--name \"$HADR_REGISTRY_CONSUMER_GROUP\""), "{registry:#?}");
        let both = [everything(TWIN_EVENTS), everything(REGISTRY_EVENTS)].concat();
        let running = said(&both, &[], true);
        assert_eq!(running.len(), 2, "{running:#?}");
        assert!(
            running.iter().all(|line| line.contains("myEventHubReadConnectionAppSetting")),
            "{running:#?}"
        );
        let down = said(&both, &[], false);
        assert!(down.len() == 1 && down[0].contains("no instance of the app runs"), "{down:#?}");
    }

    #[test]
    fn a_name_that_events_have_and_no_hub_comes_first_and_into_no_command_unless_a_hub_can_be_called_so() {
        let hub = |name: &str| UnknownHub {
            name: Some(name.to_owned()),
            expected: ["typo".to_owned(), "east".to_owned()],
            first_heard: jiff::Timestamp::UNIX_EPOCH,
            last_heard: jiff::Timestamp::UNIX_EPOCH,
        };
        let missing = vec![Pipe { hub: HubRole::Primary, event_hub: TWIN_EVENTS, kind: MarkKind::Twin }];
        let seen = Seen { missing, read: ALL.to_vec() };
        let unknown_hubs = vec![hub("west"), hub("$(reboot)")];
        let found = diagnose(&seen, &Around { unknown_hubs, ..around(true) }, Duration::ZERO);
        assert!(found[0].lines()[1].ends_with("HADR_HUB1_NAME=west"), "{found:#?}");
        assert_eq!(found[1].lines().len(), 1, "{found:#?}");
        assert!(found[2].lines()[0].contains("twin changes"), "{found:#?}");
    }
}
