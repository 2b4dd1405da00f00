#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

const KEY: &str = "AAECAwQFBgc=";

fn hub(host: &str) -> String {
    format!("HostName={host};SharedAccessKeyName=hadr;SharedAccessKey={KEY}")
}

fn event_hubs(more: &str) -> String {
    format!("Endpoint=sb://ns.example/;SharedAccessKeyName=listen;SharedAccessKey={KEY}{more}")
}

fn environment(more: &[(&str, &str)]) -> Environment {
    let base = [
        ("iothub1", hub("one.azure-devices.net")),
        ("iothub2", hub("two.azure-devices.net")),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true".to_owned()),
        ("myEventHubReadConnectionAppSetting", event_hubs("")),
        ("HADR_REGISTRY_CONSUMER_GROUP", "iot-hadr".to_owned()),
        ("HADR_TWIN_CONSUMER_GROUP", "$Default".to_owned()),
    ];
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    base.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn names(bad: &BadSettings) -> Vec<&str> {
    bad.0.iter().map(|bad| bad.name).collect()
}

#[test]
fn six_settings_are_enough() {
    let config = Config::read(&environment(&[("HADR_MAX_IN_FLIGHT", " ")])).unwrap();
    assert_eq!((config.primary.name.as_str(), config.primary.mqtt_port), ("one", 8883));
    assert_eq!((config.max_in_flight, config.mqtt_sessions, config.deletes_per_hour), (64, 16, 100));
    assert_eq!((config.lease.as_secs(), config.record_refresh.as_secs()), (15, 3));
    assert_eq!((config.container.as_str(), config.log.as_str()), ("iot-hadr", "info"));
    assert_eq!((config.primary_tier, config.secondary_tier, config.left_to_owner), (None, None, 0.5));
    assert_eq!((config.max_event_batch_size, config.faults, config.events_held), (200, vec![], None));
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
fn what_only_the_host_reads_is_named_and_ends_nothing() {
    let iot_hub = hub("one.azure-devices.net");
    let with_path = event_hubs(";EntityPath=registry");
    for (name, value, said) in [
        ("myEventHubReadConnectionAppSetting", "", "is not set"),
        ("myEventHubReadConnectionAppSetting", iot_hub.as_str(), "IoT Hub"),
        ("myEventHubReadConnectionAppSetting", with_path.as_str(), "EntityPath"),
        ("myEventHubReadConnectionAppSetting", "@Microsoft.KeyVault(SecretUri=https://v/)", "Key Vault"),
        ("HADR_REGISTRY_CONSUMER_GROUP", " ", "is not set"),
        ("HADR_TWIN_CONSUMER_GROUP", "@Microsoft.KeyVault(VaultName=v;SecretName=s)", "Key Vault"),
        ("HADR_TWIN_CONSUMER_GROUP", "iot hadr", "no name"),
        ("HADR_HUB1_NAME", "TWO", "HADR_HUB2_NAME"),
        ("HADR_HUB2_NAME", "one", "HADR_HUB1_NAME"),
    ] {
        let config = Config::read(&environment(&[(name, value)])).unwrap();
        let [fault] = &config.faults[..] else { panic!("{name}: {:?}", config.faults) };
        assert!(fault.name == name && fault.why.contains(said) && !fault.why.contains(KEY), "{fault:?}");
        let held = name.starts_with("HADR_HUB");
        assert_eq!(config.events_held.is_some_and(|why| why.contains(name)), held, "{name}");
    }
    let identity = [
        ("myEventHubReadConnectionAppSetting", ""),
        ("myEventHubReadConnectionAppSetting__fullyQualifiedNamespace", "ns.servicebus.windows.net"),
    ];
    assert_eq!(Config::read(&environment(&identity)).unwrap().faults, []);
}

#[test]
fn a_batch_ends_within_half_of_the_hosts_patience_or_the_setting_is_named() {
    let faults = |more: &[(&str, &str)]| Config::read(&environment(more)).unwrap().faults;
    assert_eq!(faults(&[("HADR_INVOCATION_SECONDS", "300")]), [], "host.json says ten minutes");
    let shorter = faults(&[("AzureFunctionsJobHost__functionTimeout", "00:05:00")]);
    assert!(shorter.len() == 1 && shorter[0].name == "HADR_INVOCATION_SECONDS", "{shorter:?}");
    assert_eq!(faults(&[("AzureFunctionsJobHost__functionTimeout", "-1")]), []);
}

#[test]
fn a_storage_account_by_identity_is_refused_in_words_that_help() {
    let by_identity = [("AzureWebJobsStorage", ""), ("AzureWebJobsStorage__accountName", "hadr")];
    let bad = Config::read(&environment(&by_identity)).unwrap_err();
    assert!(bad.to_string().contains("connection string"), "{bad}");
}

#[test]
fn a_reference_that_was_not_resolved_is_called_that_in_every_setting() {
    for setting in settings::ALL {
        let value = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s/)";
        let faults = match Config::read(&environment(&[(setting.name, value)])) {
            Ok(config) => config.faults,
            Err(BadSettings(bad)) => bad,
        };
        let [fault] = &faults[..] else { panic!("{}: {faults:?}", setting.name) };
        assert!(fault.name == setting.name && fault.why.contains("Key Vault"), "{fault:?}");
    }
}

#[test]
fn a_connection_string_in_the_place_of_another_is_called_what_it_is() {
    for (name, value, said) in [
        ("iothub1", event_hubs(""), "Event Hubs"),
        ("iothub2", "UseDevelopmentStorage=true".to_owned(), "storage"),
        ("AzureWebJobsStorage", hub("h"), "IoT Hub"),
    ] {
        let bad = Config::read(&environment(&[(name, &value)])).unwrap_err();
        assert!(bad.to_string().contains(said) && names(&bad) == [name], "{bad}");
    }
}

#[test]
fn what_the_host_reads_is_named_together_with_what_ends_the_process() {
    let bad = Config::read(&environment(&[
        ("iothub2", ""),
        ("myEventHubReadConnectionAppSetting", ""),
        ("HADR_TWIN_CONSUMER_GROUP", ""),
    ]))
    .unwrap_err();
    assert_eq!(names(&bad), ["iothub2", "myEventHubReadConnectionAppSetting", "HADR_TWIN_CONSUMER_GROUP"]);
}

#[test]
fn one_hub_twice_is_refused_and_two_of_one_name_are_not() {
    let twice = environment(&[("iothub2", &hub("ONE.azure-devices.net"))]);
    assert_eq!(names(&Config::read(&twice).unwrap_err()), ["iothub2"]);
    let same_name = [("iothub1", &*hub("127.0.0.1:1")), ("iothub2", &*hub("127.0.0.1:2"))];
    let same_name = Config::read(&environment(&same_name)).unwrap();
    assert_eq!(same_name.events_held, None, "full host names still tell them apart");
    assert!(same_name.faults.iter().any(|fault| fault.name == "HADR_HUB1_NAME"), "but short ones do not");
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
