//! The topics of the device twin protocol, and the user name of a CONNECT.

use percent_encoding::percent_decode_str;
use std::fmt::Write;

/// The reported `$version` that a patch was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// None given: unconditional.
    Any,
    /// This one.
    Exactly(u64),
    /// Given, and no number.
    Unreadable,
}

/// What a published topic asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// The twin, desired and reported.
    GetTwin { rid: String },
    /// A patch of the reported properties.
    PatchReported { rid: String, version: Expected },
    /// Telemetry, taken and dropped.
    Telemetry,
}

/// Longest request id taken, in bytes; it comes back in the answer's topic.
const MAX_REQUEST_ID: usize = 1024;

/// Reads a topic; `None` is not supported, and hubs close the connection for it (documented).
pub(super) fn parse(topic: &str, client_id: &str) -> Option<Request> {
    if let Some(query) = topic.strip_prefix("$iothub/twin/GET/?") {
        return Some(Request::GetTwin { rid: request_id(query)? });
    }
    if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?") {
        let version = match parameter(query, "$version") {
            None => Expected::Any,
            Some(text) => text.parse().map_or(Expected::Unreadable, Expected::Exactly),
        };
        return Some(Request::PatchReported { rid: request_id(query)?, version });
    }
    let rest = own(topic, client_id)?.strip_prefix("messages/events")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(Request::Telemetry)
}

/// What follows `devices/{device}/` or `devices/{device}/modules/{module}/`.
fn own<'a>(topic: &'a str, client_id: &str) -> Option<&'a str> {
    let (device, module) = match client_id.split_once('/') {
        Some((device, module)) => (device, Some(module)),
        None => (client_id, None),
    };
    let rest = topic.strip_prefix("devices/")?.strip_prefix(device)?.strip_prefix('/')?;
    match module {
        Some(module) => rest.strip_prefix("modules/")?.strip_prefix(module)?.strip_prefix('/'),
        None => Some(rest),
    }
}

fn request_id(query: &str) -> Option<String> {
    parameter(query, "$rid").filter(|rid| rid.len() <= MAX_REQUEST_ID).map(str::to_owned)
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

/// What a device may want to subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// Answers to twin requests.
    Responses,
    /// Desired patches.
    Desired,
    /// Something of a real hub that is not done here, by its name.
    Unsupported(&'static str),
    /// Nothing of a hub's.
    Unknown,
}

/// Reads a topic filter. Only the first two are granted. No official client is stopped by that: those of Node and
/// Python ask for the others only when told to and do not look at the code of a SUBACK (tried), the one of Java asks
/// for messages whenever it connects and goes on (read).
pub(super) fn filter(text: &str, client_id: &str) -> Filter {
    let rest = own(text, client_id).unwrap_or_default();
    match text {
        "$iothub/twin/res/#" => Filter::Responses,
        "$iothub/twin/PATCH/properties/desired/#" => Filter::Desired,
        _ if text.starts_with("$iothub/methods/") => Filter::Unsupported("direct methods"),
        _ if rest.starts_with("messages/devicebound/") => Filter::Unsupported("cloud-to-device messages"),
        _ if rest.starts_with("inputs/") => Filter::Unsupported("module inputs"),
        _ => Filter::Unknown,
    }
}

/// The first version in which twins are documented. Without a version a hub speaks an older protocol, in which
/// reported patches fail (reported by others); this emulator does not speak it.
const FIRST_VERSION: &str = "2016-11-14";

/// What the user name of a CONNECT says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserName<'a> {
    /// The host that is meant.
    pub(super) host: &'a str,
    /// It names an API version that there may be.
    pub(super) versioned: bool,
    /// `model-id`, decoded; empty when there is none.
    pub(super) model: String,
}

/// Reads `{host}/{client id}/?api-version=…`. Device SDKs 1.1 to 1.4 write no question mark, and some of that time a slash
/// before the next parameter (seen in logs and tests of clients).
pub(super) fn user_name<'a>(text: &'a str, client_id: &str) -> Option<UserName<'a>> {
    let (host, rest) = text.split_once('/')?;
    let rest = rest.strip_prefix(client_id)?;
    let query = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
    let query = query.strip_prefix('?').unwrap_or(query);
    let version = parameter(query, "api-version").and_then(|text| text.split('/').next());
    let model = percent_decode_str(parameter(query, "model-id").unwrap_or_default());
    let model = model.decode_utf8_lossy().into_owned();
    Some(UserName { host, versioned: version.is_some_and(is_version), model })
}

/// `2021-04-12`, `2020-05-31-preview`: versions later than today's are taken, what is no date is not.
fn is_version(text: &str) -> bool {
    let (date, rest) = text.split_at_checked(FIRST_VERSION.len()).unwrap_or_default();
    date.parse::<jiff::civil::Date>().is_ok() && date >= FIRST_VERSION && matches!(rest, "" | "-preview")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_patch_may_carry_the_version_it_was_made_for() {
        for (suffix, version) in [
            ("&$version=3", Expected::Exactly(3)),
            ("", Expected::Any),
            ("&$version=x", Expected::Unreadable),
        ] {
            let parsed = parse(&format!("$iothub/twin/PATCH/properties/reported/?$rid=7{suffix}"), "d");
            assert_eq!(parsed, Some(Request::PatchReported { rid: "7".to_owned(), version }));
        }
    }

    #[test]
    fn only_a_devices_own_telemetry_topic_is_known() {
        assert_eq!(parse("devices/d/messages/events/a=b", "d"), Some(Request::Telemetry));
        assert_eq!(parse("devices/d/modules/m/messages/events/", "d/m"), Some(Request::Telemetry));
        assert_eq!(parse("devices/other/messages/events/", "d"), None);
        assert_eq!(parse("devices/d/messages/eventsx", "d"), None);
        assert_eq!(parse("anything", "d"), None);
    }

    #[test]
    fn a_filter_is_granted_refused_by_name_or_unknown() {
        assert_eq!(filter("$iothub/twin/res/#", "d"), Filter::Responses);
        let messages = Filter::Unsupported("cloud-to-device messages");
        assert_eq!(filter("devices/d/messages/devicebound/#", "d"), messages);
        assert_eq!(filter("$iothub/methods/POST/#", "d"), Filter::Unsupported("direct methods"));
        assert_eq!(filter("devices/d/modules/m/inputs/#", "d/m"), Filter::Unsupported("module inputs"));
        for unknown in ["devices/e/messages/devicebound/#", "#", "$iothub/twin/res/+", ""] {
            assert_eq!(filter(unknown, "d"), Filter::Unknown);
        }
    }

    #[test]
    fn a_user_name_names_host_identity_and_version() {
        let read = |text, client_id| user_name(text, client_id).map(|read| (read.host, read.versioned));
        assert_eq!(read("h:1/d/?api-version=2021-04-12&x=y", "d"), Some(("h:1", true)));
        assert_eq!(read("h/d/m/?api-version=2021-04-12", "d/m"), Some(("h", true)));
        assert_eq!(read("h/d", "d"), Some(("h", false)));
        assert_eq!(read("h/other/?api-version=2021-04-12", "d"), None);
        assert_eq!(read("h/dx?api-version=2021-04-12", "d"), None);
    }

    #[test]
    fn a_user_name_of_an_old_sdk_has_no_question_mark() {
        for rest in ["", "&DeviceClientType=iothubclient%2f1.2.1", "/DeviceClientType=x%2f1.2.2"] {
            let text = format!("h/d/api-version=2016-11-14{rest}");
            assert!(user_name(&text, "d").is_some_and(|read| read.versioned && read.host == "h"), "{text}");
        }
    }

    #[test]
    fn a_user_name_may_name_a_model() {
        let text = "h/d/?api-version=2021-04-12&model-id=dtmi%3acontoso%3Apump%3B1";
        assert_eq!(user_name(text, "d").map(|read| read.model), Some("dtmi:contoso:pump;1".to_owned()));
    }

    #[test]
    fn what_is_no_date_is_no_version() {
        assert!(is_version("2021-04-12") && is_version("2020-05-31-preview"));
        for text in ["", "1", "latest", "2016-02-03", "2021-13-12", "2021-04-12x", "2021-04-1é"] {
            assert!(!is_version(text), "{text}");
        }
    }
}
