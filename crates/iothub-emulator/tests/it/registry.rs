//! Identities: keys, generations, edge devices, modules.

use super::*;

fn keys(identity: &Value) -> (String, String) {
    let key = |name: &str| identity["authentication"]["symmetricKey"][name].as_str().unwrap().to_owned();
    (key("primaryKey"), key("secondaryKey"))
}

fn update(hub: &Hub, device: &str, body: &Value) -> Result<Value, u16> {
    hub.put_device(device, body, &Precondition::Any).map_err(|error| error.code.status())
}

#[test]
fn an_update_without_authentication_rotates_the_keys() {
    let hub = hub_with("d");
    let before = keys(&hub.get_device("d").unwrap());
    let after = keys(&update(&hub, "d", &json!({"deviceId": "d", "status": "disabled"})).unwrap());
    assert_ne!(before, after);
}

#[test]
fn empty_keys_are_minted_and_one_key_alone_is_refused() {
    let hub = hub_with("d");
    let with = |primary: &str, secondary: &str| json!({"authentication": {"type": "sas", "symmetricKey": {"primaryKey": primary, "secondaryKey": secondary}}});
    assert_eq!(keys(&update(&hub, "d", &with("", "")).unwrap()).0.len(), 44);
    assert_eq!(update(&hub, "d", &with("c2l4dGVlbiBieXRlcyE=", "")), Err(400));
    assert_eq!(update(&hub, "d", &with("c2hvcnQ=", "c2hvcnQ=")), Err(400));
}

#[test]
fn a_read_identity_can_be_put_back_and_unknown_members_survive() {
    let hub = hub_with("d");
    let mut body = hub.get_device("d").unwrap();
    body["etag"] = "nonsense".into();
    body["generationId"] = "0".into();
    body["vendorNote"] = json!({"kept": true});
    let after = update(&hub, "d", &body).unwrap();
    assert_eq!(after["vendorNote"], json!({"kept": true}));
    assert_ne!(after["generationId"], "0");
    assert_eq!(keys(&after), keys(&body));
}

#[test]
fn a_re_created_device_is_a_new_generation_with_fresh_counters() {
    let hub = hub_with("d");
    let first = hub.get_device("d").unwrap();
    patch(&hub, "d", &json!({"tags": {"n": 1}}));
    hub.delete_device("d", &Precondition::Any).unwrap();
    hub.put_device("d", &json!({"deviceId": "d"}), &Precondition::Absent).unwrap();
    assert_ne!(hub.get_device("d").unwrap()["generationId"], first["generationId"]);
    assert_eq!(counters(&twin(&hub, "d")), [1, 2, 1, 1]);
}

#[test]
fn ids_with_percent_hash_question_mark_plus_and_quote_are_ids_and_slashes_are_not() {
    let hub = hub();
    for id in ["a%41", "a#b", "a?b", "a+b", "a'b", "Å"] {
        let created = hub.put_device(id, &json!({"deviceId": id}), &Precondition::Absent);
        assert_eq!(created.is_ok(), id != "Å", "{id}");
    }
    assert!(hub.get_device("a%41").is_ok() && hub.get_device("aA").is_err());
}

#[test]
fn an_edge_device_gets_its_scope_and_runtime_modules_and_keeps_the_scope() {
    let hub = hub();
    let edge = json!({"deviceId": "e", "capabilities": {"iotEdge": true}});
    let created = hub.put_device("e", &edge, &Precondition::Absent).unwrap();
    let scope = created["deviceScope"].as_str().unwrap();
    assert!(scope.starts_with("ms-azure-iot-edge://e-"), "{scope}");
    let modules = hub.list_modules("e").unwrap();
    let names: Vec<&str> = modules.iter().map(|module| module["moduleId"].as_str().unwrap()).collect();
    assert_eq!(names, ["$edgeAgent", "$edgeHub"]);
    assert_eq!(modules[0]["authentication"]["type"], "none");
    assert_eq!(update(&hub, "e", &edge), Err(400));
    assert!(update(&hub, "e", &hub.get_device("e").unwrap()).is_ok());
    let leaf = json!({"deviceId": "l", "deviceScope": scope});
    let leaf = hub.put_device("l", &leaf, &Precondition::Absent).unwrap();
    assert_eq!(leaf["parentScopes"], json!([scope]));
}

#[test]
fn a_scope_must_be_that_of_an_edge_device_here_or_the_one_that_the_device_has() {
    let hub = hub();
    let edge = json!({"capabilities": {"iotEdge": true}});
    let scope = hub.put_device("e-1", &edge, &Precondition::Absent).unwrap()["deviceScope"].clone();
    let strange = scope.as_str().unwrap().replace("e-1", "e-2");
    let create = |id: &str, body: Value| hub.put_device(id, &body, &Precondition::Absent);
    for scope in ["", "x", &strange, "ms-azure-iot-edge://l-1"] {
        let refused = create("l", json!({ "deviceScope": scope })).map_err(|error| error.code.status());
        assert_eq!(refused.err(), (!scope.is_empty()).then_some(400), "{scope}");
        let _there = hub.delete_device("l", &Precondition::Any);
    }
    let mut leaf = create("l", json!({ "deviceScope": scope })).unwrap();
    leaf["deviceScope"] = strange.as_str().into();
    assert_eq!(update(&hub, "l", &leaf), Err(400));
    let nested = json!({"capabilities": {"iotEdge": true}, "parentScopes": [strange]});
    assert_eq!(create("n", nested.clone()).unwrap_err().code.status(), 400);
    hub.delete_device("e-1", &Precondition::Any).unwrap();
    leaf["deviceScope"] = scope;
    assert!(update(&hub, "l", &leaf).is_ok(), "its parent is gone");
    hub.switches().set("unknownScopesRefused", false).unwrap();
    assert!(create("n", nested).is_ok());
}

#[test]
fn authentication_none_is_refused_for_devices_and_becomes_sas_for_modules() {
    let hub = hub_with("d");
    let none = json!({"authentication": {"type": "none"}});
    assert_eq!(update(&hub, "d", &none), Err(400));
    let module = hub.put_module("d", "m", &none, &Precondition::Absent).unwrap();
    assert_eq!(module["authentication"]["type"], "sas");
    assert!(hub.put_module("d", "$own", &json!({}), &Precondition::Absent).is_err());
}

#[test]
fn module_calls_on_a_missing_or_disabled_device_answer_401_but_its_module_twin_is_there() {
    let hub = hub_with("d");
    hub.put_module("d", "m", &json!({}), &Precondition::Absent).unwrap();
    update(&hub, "d", &json!({"status": "disabled"})).unwrap();
    assert_eq!(hub.get_module("d", "m").unwrap_err().code.status(), 401);
    assert_eq!(hub.list_modules("missing").unwrap_err().code.status(), 401);
    assert!(hub.get_twin(&Id::module("d", "m")).is_ok());
}

#[tokio::test]
async fn a_second_connection_closes_the_first_and_deletion_closes_both() {
    let hub = hub_with("d");
    let id = Id::device("d");
    let first = hub.register_session(&id);
    let second = hub.register_session(&id);
    first.closed().await;
    drop(first);
    assert_eq!(twin(&hub, "d")["connectionState"], "Connected");
    assert!(!second.is_closed());
    update(&hub, "d", &json!({"status": "disabled"})).unwrap();
    second.closed().await;
    drop(second);
    assert_eq!(twin(&hub, "d")["connectionState"], "Disconnected");
}
