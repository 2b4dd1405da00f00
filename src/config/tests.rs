#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const KEY: &str = "AAECAwQFBgc=";

fn hub(host: &str) -> String {
    format!("HostName={host};SharedAccessKeyName=hadr;SharedAccessKey={KEY}")
}

fn environment(more: &[(&str, &str)]) -> Environment {
    let base = [
        ("iothub1", hub("one.azure-devices.net")),
        ("iothub2", hub("two.azure-devices.net")),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true".to_owned()),
    ];
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    base.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn names(bad: &BadSettings) -> Vec<&str> {
    bad.0.iter().map(|bad| bad.name).collect()
}

#[test]
fn three_settings_are_enough() {
    let config = Config::read(&environment(&[("HADR_MAX_IN_FLIGHT", " ")])).unwrap();
    assert_eq!((config.primary.name.as_str(), config.primary.mqtt_port), ("one", 8883));
    assert_eq!((config.max_in_flight, config.mqtt_sessions, config.deletes_per_hour), (64, 16, 100));
    assert_eq!((config.lease.as_secs(), config.record_refresh.as_secs()), (15, 3));
    assert_eq!((config.container.as_str(), config.log.as_str()), ("iot-hadr", "info"));
    assert_eq!((config.primary_tier, config.secondary_tier, config.left_to_owner), (None, None, 0.5));
}

#[test]
fn a_setting_that_is_set_is_taken() {
    let config = Config::read(&environment(&[
        ("HADR_HUB2_NAME", "other"),
        ("HADR_HUB2_MQTT_PORT", "40001"),
        ("HADR_ROUTER_VALID_SECONDS", "5"),
        ("HADR_CONTAINER", "hadr-7"),
        ("HADR_HUB1_TIER", "s2x3"),
        ("HADR_ACTIVE_LEFT_PERCENT", "25"),
    ]))
    .unwrap();
    let tier = config.primary_tier.map(|tier| tier.to_string());
    assert_eq!((tier.as_deref(), config.left_to_owner), (Some("S2x3"), 0.25));
    assert_eq!((config.secondary.name.as_str(), config.secondary.mqtt_port), ("other", 40001));
    assert_eq!((config.router_valid.as_secs(), config.container.as_str()), (5, "hadr-7"));
}

#[test]
fn everything_bad_is_named_at_once_and_no_secret_is_shown() {
    let bad = Config::read(&environment(&[
        ("iothub1", "HostName=h;SharedAccessKeyName=p;SharedAccessKey=never-shown"),
        ("iothub2", ""),
        ("AzureWebJobsStorage", "AccountName=a;AccountKey=never+shown!"),
        ("HADR_MAX_IN_FLIGHT", "many"),
        ("HADR_HUB2_TIER", "S7x1"),
        ("HADR_ACTIVE_LEFT_PERCENT", "100"),
        ("HADR_LEASE_SECONDS", "0"),
        ("HADR_HUB1_MQTT_PORT", "65536"),
        ("HADR_INVOCATION_SECONDS", "301"),
        ("HADR_CONTAINER", "Big"),
        ("HADR_LOG", "a=b=c"),
    ]))
    .unwrap_err();
    assert_eq!(
        names(&bad),
        [
            "HADR_HUB1_MQTT_PORT",
            "iothub1",
            "iothub2",
            "AzureWebJobsStorage",
            "HADR_MAX_IN_FLIGHT",
            "HADR_HUB2_TIER",
            "HADR_ACTIVE_LEFT_PERCENT",
            "HADR_LEASE_SECONDS",
            "HADR_INVOCATION_SECONDS",
            "HADR_CONTAINER",
            "HADR_LOG"
        ]
    );
    assert_eq!(bad.to_string().lines().count(), 11);
    assert!(!bad.to_string().contains("never"), "{bad}");
}

#[test]
fn one_hub_twice_is_refused_and_two_of_one_name_are_not() {
    let twice = environment(&[("iothub2", &hub("ONE.azure-devices.net"))]);
    assert_eq!(names(&Config::read(&twice).unwrap_err()), ["iothub2"]);
    let same_name = [("iothub1", &*hub("127.0.0.1:1")), ("iothub2", &*hub("127.0.0.1:2"))];
    assert!(Config::read(&environment(&same_name)).is_ok(), "full host names still tell them apart");
}

#[test]
fn every_setting_is_described_once_and_its_default_is_in_its_range() {
    for (index, setting) in settings::ALL.iter().enumerate() {
        assert!(!setting.meaning.is_empty() && !setting.meaning.contains(['|', '\n']), "{}", setting.name);
        assert!(settings::ALL.iter().skip(index + 1).all(|other| other.name != setting.name));
        if let settings::Default::Number(number) = setting.default {
            assert!(setting.range.contains(&number) && !setting.unit.is_empty(), "{}", setting.name);
        }
    }
}

#[test]
fn the_readme_shows_every_setting_as_it_is() {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once("<!-- settings -->").unwrap();
    let (shown, _) = after.split_once("<!-- /settings -->").unwrap();
    let mut table = "\n| setting | default | unit | meaning |\n|---|---|---|---|\n".to_owned();
    for setting in settings::ALL {
        let (default, unit) = (setting.default.in_words(), setting.unit);
        table.push_str(&format!("| `{}` | {default} | {unit} | {} |\n", setting.name, setting.meaning));
    }
    assert_eq!(shown, table, "the table in the README should be:\n{table}");
}
