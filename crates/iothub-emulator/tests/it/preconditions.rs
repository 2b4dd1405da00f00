//! The `If-Match` matrix.

use super::*;

fn put(hub: &Hub, device: &str, header: Option<&str>) -> Result<Value, u16> {
    let demand = Precondition::for_identity(header);
    hub.put_device(device, &json!({"deviceId": device}), &demand).map_err(|error| error.code.status())
}

fn delete(hub: &Hub, device: &str, header: Option<&str>) -> Result<(), u16> {
    hub.delete_device(device, &Precondition::for_identity(header)).map_err(|error| error.code.status())
}

#[test]
fn without_a_precondition_a_put_only_creates_even_when_the_body_has_the_current_etag() {
    let hub = hub_with("d");
    let current = hub.get_device("d").unwrap();
    for header in [None, Some(""), Some("\"\"")] {
        assert_eq!(put(&hub, "d", header).unwrap_err(), 409);
        let refused = hub.put_device("d", &current, &Precondition::for_identity(header)).unwrap_err();
        assert_eq!(refused.code.status(), 409);
    }
}

#[test]
fn a_star_only_updates() {
    let hub = hub_with("d");
    for header in ["*", "\"*\""] {
        assert!(put(&hub, "d", Some(header)).is_ok());
        assert_eq!(put(&hub, "missing", Some(header)).unwrap_err(), 404);
    }
}

#[test]
fn a_matching_identity_etag_updates_quoted_or_not_and_a_stale_one_does_not() {
    let hub = hub_with("d");
    let first = hub.get_device("d").unwrap()["etag"].as_str().unwrap().to_owned();
    let second = put(&hub, "d", Some(&first)).unwrap()["etag"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(put(&hub, "d", Some(&first)).unwrap_err(), 412);
    assert!(put(&hub, "d", Some(&format!("\"{second}\""))).is_ok());
}

#[test]
fn a_delete_needs_a_precondition() {
    let hub = hub_with("d");
    assert_eq!(delete(&hub, "d", None).unwrap_err(), 412);
    assert_eq!(delete(&hub, "d", Some("\"stale\"")).unwrap_err(), 412);
    assert_eq!(delete(&hub, "missing", Some("*")).unwrap_err(), 404);
    let etag = hub.get_device("d").unwrap()["etag"].as_str().unwrap().to_owned();
    assert!(delete(&hub, "d", Some(&etag)).is_ok());
}

#[test]
fn a_twin_etag_only_protects_when_it_is_quoted() {
    let hub = hub_with("d");
    let stale = twin(&hub, "d")["etag"].as_str().unwrap().to_owned();
    patch(&hub, "d", &json!({"tags": {"n": 1}}));
    let write = TwinWrite::read(&json!({"tags": {"n": 2}})).unwrap();
    let send = |header: &str| {
        let demand = Precondition::for_twin(Some(header));
        hub.write_twin(&Id::device("d"), &write, TwinVerb::Merge, &demand)
            .map_err(|error| error.code.status())
    };
    assert_eq!(send(&format!("\"{stale}\"")).unwrap_err(), 412);
    assert!(send(&stale).is_ok());
}

#[test]
fn a_report_never_makes_a_twin_etag_stale() {
    let hub = hub_with("d");
    let etag = twin(&hub, "d")["etag"].as_str().unwrap().to_owned();
    hub.patch_reported(&Id::device("d"), json!({"fw": 2}), None).unwrap();
    let write = TwinWrite::read(&json!({"tags": {"n": 2}})).unwrap();
    let demand = Precondition::for_twin(Some(&format!("\"{etag}\"")));
    assert!(hub.write_twin(&Id::device("d"), &write, TwinVerb::Merge, &demand).is_ok());
}
