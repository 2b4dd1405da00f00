//! Whose event is it?

use crate::iothub::HubSettings;
use crate::routing::HubRole;

/// The configured hub that an event names, in any case, by its short or its full name; `None` when
/// it names neither, or when one name would fit both.
pub(crate) fn whose(hub: Option<&str>, primary: &HubSettings, secondary: &HubSettings) -> Option<HubRole> {
    let hub = hub.map(str::trim).filter(|hub| !hub.is_empty())?;
    only_one(|settings| is_called(settings, hub), primary, secondary)
        // A hub reached by address, or by another name than its own, is still known by its label.
        .or_else(|| only_one(|settings| label(&settings.name) == label(hub), primary, secondary))
}

fn only_one(
    fits: impl Fn(&HubSettings) -> bool,
    primary: &HubSettings,
    secondary: &HubSettings,
) -> Option<HubRole> {
    match (fits(primary), fits(secondary)) {
        (true, false) => Some(HubRole::Primary),
        (false, true) => Some(HubRole::Secondary),
        _ => None,
    }
}

fn is_called(settings: &HubSettings, hub: &str) -> bool {
    let host = settings.host_name.as_str();
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    [settings.name.as_str(), host, without_port].iter().any(|name| name.eq_ignore_ascii_case(hub))
}

/// The first label; an address has none, and is taken whole.
pub(crate) fn label(name: &str) -> String {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let label = name.split_once('.').filter(|_| !is_address).map_or(name, |(label, _)| label);
    label.to_ascii_lowercase()
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
        let (primary, secondary) = (hub("one.a.net", "one"), hub("one.b.net", "one"));
        assert_eq!(whose(Some("one.b.net"), &primary, &secondary), Some(HubRole::Secondary));
        assert_eq!(whose(Some("one"), &primary, &secondary), None);
        let (primary, secondary) = (hub("127.0.0.1:1", "one.a.net"), hub("127.0.0.1:2", "two.a.net"));
        assert_eq!(whose(Some("ONE"), &primary, &secondary), Some(HubRole::Primary));
    }
}
