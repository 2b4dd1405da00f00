//! Shared access signatures.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use iothub_emulator::sas::{ServiceGate, authorise_device};
use iothub_emulator::store::Permission;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

pub(crate) fn in_seconds(offset: i64) -> i64 {
    jiff::Timestamp::now().as_second() + offset
}

/// A token over `resource` exactly as given.
pub(crate) fn token(resource: &str, key: &str, expiry: i64, policy: Option<&str>) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    let signature =
        STANDARD.encode(mac.chain_update(format!("{resource}\n{expiry}")).finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    let policy = policy.map(|name| format!("&skn={name}")).unwrap_or_default();
    format!("SharedAccessSignature sr={resource}&sig={signature}{policy}&se={expiry}")
}

fn policy_key(hub: &Hub, policy: &str) -> String {
    hub.policy(policy).unwrap().keys.primary.clone()
}

fn allowed(hub: &Hub, policy: &str, permission: Permission, resource: &str, path: &[&str]) -> bool {
    let token = token(resource, &policy_key(hub, policy), in_seconds(60), Some(policy));
    ServiceGate::default().check(hub, &token, permission, path).is_ok()
}

const HOST: &str = "contoso.azure-devices.net";

#[test]
fn each_policy_allows_what_it_says() {
    let hub = hub();
    let allows = |policy: &str, permission| allowed(&hub, policy, permission, HOST, &["devices"]);
    assert!(allows("iothubowner", Permission::RegistryWrite));
    assert!(allows("service", Permission::ServiceConnect));
    assert!(!allows("service", Permission::RegistryRead));
    assert!(!allows("registryReadWrite", Permission::ServiceConnect));
    assert!(!allows("registryRead", Permission::RegistryWrite));
}

#[test]
fn a_resource_covers_whole_segments_and_the_host_in_any_case() {
    let hub = hub();
    let covers = |resource: &str, path: &[&str]| {
        allowed(&hub, "iothubowner", Permission::RegistryRead, resource, path)
    };
    assert!(covers("CONTOSO.azure-devices.net", &["devices", "x"]));
    assert!(covers("contoso.azure-devices.net%2fdevices", &["devices", "x"]));
    assert!(covers("contoso.azure-devices.net%2Fdevices%2Fx", &["devices", "x"]));
    assert!(!covers("contoso.azure-devices.net%2Fdevices%2Fx", &["devices", "xy"]));
    assert!(!covers("contoso.azure-devices.net%2Fdevices%2Fx", &["devices"]));
    assert!(!covers("other.azure-devices.net", &["devices"]));
}

#[test]
fn a_token_lives_five_minutes_longer_than_it_says_and_both_keys_count() {
    let hub = hub();
    let keys = &hub.policy("iothubowner").unwrap().keys;
    let gate = ServiceGate::default();
    let check = |key: &str, expiry| {
        let token = token(HOST, key, expiry, Some("iothubowner"));
        gate.check(&hub, &token, Permission::RegistryRead, &["devices"]).is_ok()
    };
    assert!(check(&keys.primary, in_seconds(-200)) && !check(&keys.primary, in_seconds(-400)));
    assert!(check(&keys.secondary, in_seconds(60)));
    assert!(!check(&STANDARD.encode([7_u8; 32]), in_seconds(60)));
}

#[test]
fn a_device_connects_with_its_own_key_or_a_policys_and_never_with_anothers() {
    let hub = hub_with("d");
    hub.put_device("e", &json!({}), &Precondition::Absent).unwrap();
    let key = |device: &str| {
        let identity = hub.get_device(device).unwrap();
        identity["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().to_owned()
    };
    let resource = format!("{HOST}%2Fdevices%2Fd");
    let connects = |key: &str, resource: &str, policy: Option<&str>| {
        authorise_device(&hub, &Id::device("d"), &token(resource, key, in_seconds(60), policy)).is_ok()
    };
    assert!(connects(&key("d"), &resource, None));
    assert!(!connects(&key("e"), &resource, None));
    assert!(connects(&policy_key(&hub, "device"), HOST, Some("device")));
    assert!(connects(&policy_key(&hub, "iothubowner"), &resource, Some("iothubowner")));
    assert!(!connects(&policy_key(&hub, "service"), HOST, Some("service")));
    assert!(!connects(&policy_key(&hub, "iothubowner"), &resource, None));
    hub.put_device("d", &json!({"status": "disabled"}), &Precondition::Any).unwrap();
    assert!(!connects(&policy_key(&hub, "device"), HOST, Some("device")));
}

#[test]
fn a_policys_token_does_not_stand_in_for_a_certificate() {
    let hub = hub();
    let body = json!({"authentication": {"type": "certificateAuthority"}});
    hub.put_device("x", &body, &Precondition::Absent).unwrap();
    let token = token(HOST, &policy_key(&hub, "iothubowner"), in_seconds(60), Some("iothubowner"));
    assert!(authorise_device(&hub, &Id::device("x"), &token).is_err());
    hub.switches().set("policyTokenRefusedForX509Device", false).unwrap();
    assert!(authorise_device(&hub, &Id::device("x"), &token).is_ok());
}

#[test]
fn an_id_with_a_percent_sign_is_found_in_a_resource_escaped_once_or_twice() {
    let hub = hub();
    let id = "a%41#";
    let identity = hub.put_device(id, &json!({}), &Precondition::Absent).unwrap();
    let key = identity["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    for path in [format!("{HOST}/devices/{id}"), format!("{HOST}/devices/{}", escape(id))] {
        let token = token(&escape(&path), key, in_seconds(60), None);
        assert!(authorise_device(&hub, &Id::device(id), &token).is_ok(), "{path}");
    }
}
