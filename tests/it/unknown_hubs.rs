//! Events of a hub that is neither of the two configured.

use serde_json::{Value, json};

use crate::secrets::handler_log;
use crate::world::World;
use crate::world::handler::{LATER, grid_event, twin_event, with_a_device};
use crate::world::storage::container;

/// Where it is kept for `status`.
const KEPT: &str = "unknown-hubs.json";

/// A world whose primary hub is expected under a wrong name.
async fn misnamed() -> World {
    with_a_device("d", vec![("HADR_HUB1_NAME", "typo".to_owned())]).await
}

fn changes(hub: &str, numbers: std::ops::Range<i64>) -> Vec<Value> {
    numbers.map(|n| twin_event(hub, "d", &json!({"version": n, "tags": {"n": n}}), LATER, n)).collect()
}

/// Lines of what is said at once, in which both the name and what was expected stand.
fn lines_with<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    let all = |line: &&str| [name, "typo", "secondary"].iter().all(|word| line.contains(word));
    said.lines().filter(all).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_of_a_hub_is_said_once_and_loudly_by_the_log_and_by_status() {
    let world = misnamed().await;
    assert_eq!(world.app_json(&["status", "--json"]).await["unknownHubs"], json!([]));
    let handler = world.handler("first").await;
    world.hand_over(&handler, "devicetwin", &changes("primary", 1..2)).await;
    let kept = container(&world).get(KEPT).await.unwrap();
    for n in 2..20 {
        assert_eq!(handler.deliver("devicetwin", 0, &changes("primary", n..n + 1)).await.0, 200);
    }
    assert_eq!(
        handler.deliver("registry", 0, &[grid_event("primary", "d", "DeviceCreated", 1)]).await.0,
        200
    );
    assert_eq!(world.dead_letters().await.len(), 20, "each event is kept");
    let said = handler_log("first");
    let loud: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(loud.len(), 1, "{loud:#?}");
    assert_eq!(lines_with(&said, "\"primary\"").len(), 1, "{said}");
    assert!(loud[0].contains("HADR_HUB1_NAME") && loud[0].contains("primary"), "{loud:?}");
    assert_eq!(container(&world).get(KEPT).await.unwrap(), kept, "no write for each event");

    let status = world.app(&["status"]).await;
    assert_eq!(lines_with(&status.stdout, "\"primary\"").len(), 1, "{status:?}");
    let unknown = world.app_json(&["status", "--json"]).await["unknownHubs"].clone();
    assert_eq!(
        (unknown[0]["name"].clone(), unknown.as_array().unwrap().len()),
        (json!("primary"), 1),
        "{unknown}"
    );
    assert_eq!(unknown[0]["expected"], json!(["typo", "secondary"]), "{unknown}");

    // Another process says it in its own log, and status once.
    let second = world.handler("second").await;
    world.hand_over(&second, "devicetwin", &changes("PRIMARY.azure-devices.net", 30..40)).await;
    world.hand_over(&second, "devicetwin", &changes("primary", 40..50)).await;
    assert_eq!(handler_log("second").lines().filter(|line| line.contains("ERROR")).count(), 1);
    let status = world.app(&["status"]).await;
    assert_eq!(status.stdout.matches("HADR_HUB1_NAME").count(), 1, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_right_name_nothing_is_said_any_more() {
    let mut world = misnamed().await;
    let handler = world.handler("wrong").await;
    world.hand_over(&handler, "devicetwin", &changes("primary", 1..3)).await;
    assert!(world.app(&["status"]).await.stdout.contains("HADR_HUB1_NAME"));
    world.set_variable("HADR_HUB1_NAME", "primary");
    let status = world.app(&["status"]).await;
    assert!(!status.stdout.contains("HADR_HUB1_NAME"), "{status:?}");
    assert_eq!(world.app_json(&["status", "--json"]).await["unknownHubs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_names_from_outside_is_said_and_kept_in_a_bound() {
    let world = misnamed().await;
    let handler = world.handler("many").await;
    let long = "x".repeat(100_000);
    for n in 0..60 {
        let name = format!("stranger-{n}; b\nERROR {long}");
        world.hand_over(&handler, "devicetwin", &changes(&name, n * 10..n * 10 + 2)).await;
    }
    let nameless = json!({"opType": "updateTwin", "deviceId": "d"});
    let mut event = changes("x", 900..901);
    event[0]["properties"] = nameless;
    world.hand_over(&handler, "devicetwin", &event).await;
    for word in ["HADR_HUB1_NAME", "ERROR"] {
        let loud = handler_log("many").lines().filter(|line| line.contains(word)).count();
        assert!((1..=12).contains(&loud), "{loud} {word}");
    }
    let kept = container(&world).get(KEPT).await.unwrap();
    assert!(kept.len() < 16_000, "{}", kept.len());
    let status = world.app(&["status"]).await;
    assert!(status.stdout.lines().count() <= 40 && status.stdout.len() < 16_000, "{}", status.stdout.len());
}
