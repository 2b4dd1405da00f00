//! What only replication needs of the settings, checked for presence and form.
//!
//! Nothing here ends the process. A handler that exits three times stops the host, and with it the router: a fleet would get no
//! answer because events cannot be read. A secret that cannot be resolved because its vault is in the lost region is just
//! such a case, at the worst moment. So the router answers on, the log names each fault as an error at every start, and
//! `check` fails. What the router itself cannot do without (both hubs, storage), or what has no sensible value (numbers, the
//! log), still ends it with exit code 64.
//!
//! The real host goes on without a function whose connection it cannot use (read), but a `%SETTING%` that has no value
//! ends it before any handler is started (observed): only `check` can name those in time.

use std::time::Duration;

use super::bad_settings::BadSetting;
use super::connection_kind::unresolved_reference;
use super::environment::{Environment, given};
use super::event_hubs;
use super::settings::{EVENT_HUBS, HUB1_NAME, HUB2_NAME, INVOCATION, REGISTRY_GROUP, Setting, TWIN_GROUP};
use crate::iothub::HubSettings;

/// The part of a setting's name that makes it an identity's (documented).
const NAMESPACE: &str = "__fullyQualifiedNamespace";

/// Longest name of a consumer group (documented).
const MAX_GROUP: usize = 50;

/// Everything that is wrong with what only the host reads.
pub(super) fn faults(environment: &Environment) -> Vec<BadSetting> {
    let connection = event_hubs_fault(environment).map(|why| BadSetting { name: EVENT_HUBS.name, why });
    let groups = [&REGISTRY_GROUP, &TWIN_GROUP].map(|setting| {
        let why = group_fault(given(environment, setting.name))?;
        Some(BadSetting { name: setting.name, why })
    });
    connection.into_iter().chain(groups.into_iter().flatten()).collect()
}

/// Whether it is the host's alone: never a reason to end.
pub(super) fn is_the_hosts(setting: &Setting) -> bool {
    [EVENT_HUBS.name, REGISTRY_GROUP.name, TWIN_GROUP.name].contains(&setting.name)
}

fn event_hubs_fault(environment: &Environment) -> Option<String> {
    let identity = given(environment, &format!("{}{NAMESPACE}", EVENT_HUBS.name));
    match (given(environment, EVENT_HUBS.name), identity) {
        (Some(text), _) => unresolved_reference(text).map(str::to_owned).or_else(|| event_hubs::fault(text)),
        (None, Some(namespace)) => unresolved_reference(namespace)
            .map(str::to_owned)
            .or_else(|| event_hubs::namespace_fault(namespace))
            .map(|why| format!("{NAMESPACE} {why}")),
        (None, None) => Some("is not set".to_owned()),
    }
}

fn group_fault(group: Option<&str>) -> Option<String> {
    let Some(group) = group else {
        return Some(
            "is not set: the Functions host ends at once without it ($Default is the group that every event hub has)"
                .to_owned(),
        );
    };
    let unresolved = unresolved_reference(group).map(str::to_owned);
    unresolved.or_else(|| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let is_name = group.chars().all(allowed) && group.len() <= MAX_GROUP;
        (!is_name && group != "$Default").then(|| {
            format!("is no name of a consumer group: up to {MAX_GROUP} letters, digits, '-', '.' and '_', or $Default")
        })
    })
}

/// A batch that may be worked on for longer than the host's patience with it allows.
pub(super) fn time_fault(invocation: Duration, timeout: Duration) -> Option<BadSetting> {
    (invocation > timeout / 2).then(|| {
        let (invocation, timeout) = (invocation.as_secs(), timeout.as_secs());
        let why = format!(
            "is {invocation}, and functionTimeout in host.json {timeout} s: more than half of it, and a host that runs out of \
             patience ends the handler for every partition"
        );
        BadSetting { name: INVOCATION.name, why }
    })
}

/// Two hubs that are called the same: the fault, and whether a setting made it so.
pub(super) fn name_fault(
    environment: &Environment,
    primary: &HubSettings,
    secondary: &HubSettings,
) -> Option<(BadSetting, bool)> {
    let same_hub = primary.host_name.eq_ignore_ascii_case(&secondary.host_name);
    if same_hub || !primary.name.eq_ignore_ascii_case(&secondary.name) {
        return None;
    }
    let name = &primary.name;
    let is_set = |setting: &Setting| given(environment, setting.name).is_some();
    let (setting, other) = match (is_set(&HUB1_NAME), is_set(&HUB2_NAME)) {
        (false, true) => (HUB2_NAME.name, HUB1_NAME.name),
        _ => (HUB1_NAME.name, HUB2_NAME.name),
    };
    let fault = |why| BadSetting { name: setting, why };
    if !is_set(&HUB1_NAME) && !is_set(&HUB2_NAME) {
        let why = format!("both hubs are called '{name}': set it and {other} to what their events say");
        return Some((fault(why), false));
    }
    let why =
        format!("is '{name}', and so is the other hub's name ({other}): whose an event is cannot be told");
    Some((fault(why), true))
}
