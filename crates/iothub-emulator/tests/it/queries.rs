//! `POST /devices/query`.

use super::*;
use iothub_emulator::store::{Page, Query};

fn fleet(devices: usize) -> Arc<Hub> {
    let hub = hub();
    for n in 0..devices {
        let id = format!("d{n:04}");
        hub.put_device(&id, &json!({}), &Precondition::Absent).unwrap();
        patch(&hub, &id, &json!({"tags": {"site": if n % 2 == 0 { "A" } else { "B" }, "n": n}}));
    }
    hub
}

fn page(hub: &Hub, text: &str, size: usize, continuation: Option<&str>) -> Page {
    hub.query(&Query::parse(text).unwrap(), Some(size), continuation).unwrap()
}

fn all(hub: &Hub, text: &str, size: usize) -> Vec<Value> {
    let mut first = page(hub, text, size, None);
    while let Some(next) = first.continuation.take() {
        let more = page(hub, text, size, Some(&next));
        assert!(!more.rows.is_empty() && more.rows.len() <= size);
        first.rows.extend(more.rows);
        first.continuation = more.continuation;
    }
    first.rows
}

#[test]
fn pages_together_hold_every_device_once_whatever_their_size() {
    let hub = fleet(600);
    for size in [1, 7, 100, 255, 256, 257, 599, 600, 1000] {
        let rows = all(&hub, "SELECT deviceId FROM devices", size);
        let ids: Vec<&str> = rows.iter().map(|row| row["deviceId"].as_str().unwrap()).collect();
        assert!(ids.len() == 600 && ids.is_sorted(), "{size}");
    }
}

#[test]
fn conditions_choose() {
    let hub = fleet(10);
    let count = |condition: &str| all(&hub, &format!("SELECT * FROM devices WHERE {condition}"), 3).len();
    assert_eq!(count("tags.site = 'A'"), 5);
    assert_eq!(count("tags['site'] != 'A' AND tags.n >= 5"), 3);
    assert_eq!(count("deviceId = 'd0003'"), 1);
    assert_eq!(count("properties.desired.$version = properties.reported.$version"), 10);
    assert_eq!(count("tags.n > properties.reported.$version AND tags.n != tags.other"), 0);
    assert_eq!(count("devices.deviceId IN ['d0003', 'd0004', 'none']"), 2);
    assert_eq!(count("NOT IS_DEFINED(tags.other) and (tags.n < 2 OR tags.n = 9)"), 3);
    assert_eq!(count("properties.desired.x = 1"), 0);
}

#[test]
fn counting_and_projecting_give_raw_rows_and_everything_else_gives_twins() {
    let hub = fleet(3);
    let counted = page(&hub, "SELECT COUNT() AS total FROM devices WHERE tags.site = 'A'", 10, None);
    assert_eq!((counted.rows, counted.item_type), (vec![json!({"total": 2})], "Raw"));
    let projected = page(&hub, "select top 1 deviceId, tags.n as number from devices", 10, None);
    assert_eq!(
        (projected.rows, projected.item_type),
        (vec![json!({"deviceId": "d0000", "number": 0})], "Raw")
    );
    assert_eq!(page(&hub, "SELECT * FROM devices", 10, None).item_type, "Twin");
}

#[test]
fn top_holds_across_pages() {
    assert_eq!(all(&fleet(10), "SELECT TOP 5 * FROM devices", 2).len(), 5);
}

#[test]
fn modules_are_a_collection_of_their_own() {
    let hub = fleet(3);
    for (device, module) in [("d0000", "m1"), ("d0000", "m2"), ("d0002", "m1")] {
        hub.put_module(device, module, &json!({}), &Precondition::Absent).unwrap();
    }
    assert_eq!(all(&hub, "SELECT * FROM devices.modules", 1).len(), 3);
    assert_eq!(all(&hub, "SELECT * FROM devices.modules WHERE deviceId = 'd0000'", 1).len(), 2);
    assert_eq!(all(&hub, "SELECT * FROM devices.modules WHERE moduleId = 'm1'", 5).len(), 2);
}

#[test]
fn names_of_functions_and_clauses_are_names_where_they_are_neither() {
    let hub = hub_with("d");
    patch(&hub, "d", &json!({"tags": {"min": 1, "order": "x", "group": {"length": 2}}}));
    let found = |condition: &str| all(&hub, &format!("SELECT * FROM devices WHERE {condition}"), 3).len();
    assert_eq!(found("tags.min = 1 AND tags.order = 'x' AND tags.group.length = 2"), 1);
    assert_eq!(found("configurations.[[some-id]].status = 'Applied'"), 0);
}

#[test]
fn a_bad_query_is_the_callers_fault_and_an_unsupported_one_says_so() {
    for bad in [
        "",
        "SELECT",
        "SELECT * FROM devices WHERE",
        "SELECT * FROM jobs",
        "SELECT * FROM devices WHERE a = 'x",
    ] {
        assert_eq!(Query::parse(bad).unwrap_err().code.status(), 400, "{bad}");
    }
    for unsupported in [
        "SELECT tags.site, COUNT() FROM devices GROUP BY tags.site",
        "SELECT AVG(properties.reported.x) FROM devices",
        "SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'd'",
        "SELECT * FROM devices WHERE STARTSWITH(deviceId, 'd')",
        "SELECT * FROM devices WHERE is_null(tags.a)",
        "SELECT * FROM devices WHERE tags.a + 1 > 2",
        "SELECT * FROM devices JOIN x IN devices.y",
    ] {
        assert_eq!(Query::parse(unsupported).unwrap_err().code.status(), 501, "{unsupported}");
    }
    let deep = format!("SELECT * FROM devices WHERE {}a = 1{}", "(".repeat(1000), ")".repeat(1000));
    assert_eq!(Query::parse(&deep).unwrap_err().code.status(), 400);
}
