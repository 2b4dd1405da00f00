//! The topics of the device twin protocol.

use std::fmt::Write;

/// What a published topic asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// The twin, desired and reported.
    GetTwin { rid: String },
    /// A patch of the reported properties, conditional when `version` is there.
    PatchReported { rid: String, version: Option<u64> },
    /// Telemetry, taken and dropped.
    Telemetry,
}

/// Reads a topic; `None` is not supported, and hubs close the connection for it (documented).
pub(super) fn parse(topic: &str, client_id: &str) -> Option<Request> {
    if let Some(query) = topic.strip_prefix("$iothub/twin/GET/?") {
        return Some(Request::GetTwin { rid: parameter(query, "$rid")?.to_owned() });
    }
    if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?") {
        let version = match parameter(query, "$version") {
            None => None,
            Some(text) => Some(text.parse().ok()?),
        };
        return Some(Request::PatchReported { rid: parameter(query, "$rid")?.to_owned(), version });
    }
    let device = match client_id.split_once('/') {
        Some((device, module)) => format!("devices/{device}/modules/{module}/messages/events/"),
        None => format!("devices/{client_id}/messages/events/"),
    };
    topic.starts_with(device.trim_end_matches('/')).then_some(Request::Telemetry)
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|pair| pair.1)
}

/// Where the answer to a twin request goes.
pub(super) fn response(status: u16, rid: &str, version: Option<u64>) -> String {
    let mut topic = format!("$iothub/twin/res/{status}/?$rid={rid}");
    if let Some(version) = version {
        let _infallible = write!(topic, "&$version={version}");
    }
    topic
}

/// Where a desired patch goes.
pub(super) fn desired(version: u64) -> String {
    format!("$iothub/twin/PATCH/properties/desired/?$version={version}")
}

/// What a device may subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// Answers to twin requests.
    Responses,
    /// Desired patches.
    Desired,
    /// Cloud-to-device messages and direct methods: granted, and nothing ever comes.
    Silent,
}

/// Reads a topic filter; `None` is refused in the SUBACK.
pub(super) fn filter(text: &str) -> Option<Filter> {
    match text {
        "$iothub/twin/res/#" => Some(Filter::Responses),
        "$iothub/twin/PATCH/properties/desired/#" => Some(Filter::Desired),
        "$iothub/methods/POST/#" => Some(Filter::Silent),
        other => {
            let of_device = other.starts_with("devices/") && other.ends_with('#');
            of_device.then_some(Filter::Silent)
        }
    }
}

/// The user name of a CONNECT: `{host}/{client id}/?api-version=…`; the host and whether a version is named.
pub(super) fn user_name<'a>(text: &'a str, client_id: &str) -> Option<(&'a str, bool)> {
    let (host, rest) = text.split_once('/')?;
    let rest = rest.strip_prefix(client_id)?;
    let query = rest.strip_prefix("/?").or_else(|| rest.strip_prefix('/').filter(|rest| rest.is_empty()));
    let query = query.or_else(|| rest.is_empty().then_some(""))?;
    Some((host, parameter(query, "api-version").is_some_and(|version| !version.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_patch_may_carry_the_version_it_was_made_for() {
        let parsed = parse("$iothub/twin/PATCH/properties/reported/?$rid=7&$version=3", "d");
        assert_eq!(parsed, Some(Request::PatchReported { rid: "7".to_owned(), version: Some(3) }));
        let parsed = parse("$iothub/twin/PATCH/properties/reported/?$rid=7", "d");
        assert_eq!(parsed, Some(Request::PatchReported { rid: "7".to_owned(), version: None }));
    }

    #[test]
    fn only_a_devices_own_telemetry_topic_is_known() {
        assert_eq!(parse("devices/d/messages/events/a=b", "d"), Some(Request::Telemetry));
        assert_eq!(parse("devices/other/messages/events/", "d"), None);
        assert_eq!(parse("anything", "d"), None);
    }

    #[test]
    fn a_user_name_names_host_identity_and_version() {
        assert_eq!(user_name("h:1/d/?api-version=2021-04-12&x=y", "d"), Some(("h:1", true)));
        assert_eq!(user_name("h/d/m/?api-version=2021-04-12", "d/m"), Some(("h", true)));
        assert_eq!(user_name("h/d", "d"), Some(("h", false)));
        assert_eq!(user_name("h/other/?api-version=1", "d"), None);
    }
}
