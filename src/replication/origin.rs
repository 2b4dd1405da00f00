//! Whose event is it?

use crate::iothub::HubSettings;
use crate::routing::HubRole;

/// The configured hub that an event names, in any case, by its short or its full name; `None` when
/// it names neither, or when one name would fit both.
pub(crate) fn whose(hub: Option<&str>, primary: &HubSettings, secondary: &HubSettings) -> Option<HubRole> {
    let hub = hub?.trim();
    match (is_called(primary, hub), is_called(secondary, hub)) {
        (true, false) => Some(HubRole::Primary),
        (false, true) => Some(HubRole::Secondary),
        _ => None,
    }
}

fn is_called(settings: &HubSettings, hub: &str) -> bool {
    let host = settings.host_name.as_str();
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    // A hub reached by address, or by another name than its own, is still known by its set name.
    let short = hub.split_once('.').map_or(hub, |(label, _)| label);
    let fits = |name: &&str| name.eq_ignore_ascii_case(hub);
    let is_address = hub.parse::<std::net::IpAddr>().is_ok();
    !hub.is_empty()
        && ([settings.name.as_str(), host, without_port].iter().any(fits)
            || (!is_address && settings.name.eq_ignore_ascii_case(short)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn hub(host: &str, name: &str) -> HubSettings {
        HubSettings {
            host_name: host.to_owned(),
            name: name.to_owned(),
            policy: "iothubowner".to_owned(),
            key: Secret::new(""),
            mqtt_port: 8883,
        }
    }

    #[test]
    fn an_event_is_of_the_hub_it_names_in_any_case_short_or_full_and_else_of_none() {
        let primary = hub("contoso-west.azure-devices.net", "contoso-west");
        let secondary = hub("contoso-east.azure-devices.net", "contoso-east");
        let table = [
            (Some("contoso-west"), Some(HubRole::Primary)),
            (Some("CONTOSO-EAST"), Some(HubRole::Secondary)),
            (Some("Contoso-West.Azure-Devices.net"), Some(HubRole::Primary)),
            (Some("contoso"), None),
            (Some(""), None),
            (None, None),
        ];
        for (said, expected) in table {
            assert_eq!(whose(said, &primary, &secondary), expected, "{said:?}");
        }
    }

    #[test]
    fn hubs_reached_by_address_are_told_apart_by_their_set_names() {
        let (primary, secondary) = (hub("127.0.0.1:4431", "primary"), hub("127.0.0.1:4432", "secondary"));
        assert_eq!(whose(Some("Primary"), &primary, &secondary), Some(HubRole::Primary));
        assert_eq!(whose(Some("127.0.0.1:4432"), &primary, &secondary), Some(HubRole::Secondary));
        assert_eq!(whose(Some("127.0.0.1"), &primary, &secondary), None);
        assert_eq!(whose(Some("Primary.azure-devices.net"), &primary, &secondary), Some(HubRole::Primary));
    }
}
