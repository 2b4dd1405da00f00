//! Settings that name other hubs than the routing record does.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::handler::{grid_event, with_a_device};
use crate::world::storage::container;
use crate::world::{Options, World};

/// The settings of both hubs in each other's places.
fn swap(world: &mut World) {
    for name in ["iothub1", "HADR_HUB1_NAME", "HADR_HUB1_MQTT_PORT"] {
        let other = name.replace('1', "2");
        let (one, two) = (world.variable(name).to_owned(), world.variable(&other).to_owned());
        for (key, value) in &mut world.environment {
            if key == name {
                value.clone_from(&two);
            } else if *key == other {
                value.clone_from(&one);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_swapped_settings_nothing_is_written_or_answered_and_every_command_says_why() {
    let mut world = with_a_device("live", Vec::new()).await;
    world.secondary.create("stray").await;
    swap(&mut world);
    let handler = world.handler("swapped").await;
    world.primary.forget_requests().await;
    world.secondary.forget_requests().await;
    for (n, (hub, device)) in [("primary", "live"), ("secondary", "stray")].into_iter().enumerate() {
        let event = grid_event(hub, device, "DeviceCreated", i64::try_from(n).unwrap());
        let (status, answer) = handler.deliver("registry", 0, &[event]).await;
        assert_eq!(status, 503, "{answer}");
        assert!(answer.to_string().contains("swapped"), "{answer}");
    }
    let asked = world.http.get(format!("{}/api/hub-router/live", handler.url)).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(world.primary.writes().await.is_empty() && world.secondary.writes().await.is_empty());
    let promote = ["promote", "--to", "secondary", "--reason", "by mistake", "--force"];
    for arguments in [&["check"][..], &promote, &["init"], &["init", "--hubs-replaced"], &["status"]] {
        let ran = world.app(arguments).await;
        assert_eq!(ran.code, if arguments == ["status"] { 2 } else { 1 }, "{arguments:?} {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("iothub1 and iothub2 are swapped"), "{arguments:?} {ran:?}");
    }
    swap(&mut world);
    assert_eq!(world.app(&["check"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_really_replaced_is_named_anew_and_then_all_goes_on() {
    let world = with_a_device("live", Vec::new()).await;
    let other = |record: &mut Value| record["hubs"]["secondary"] = json!("lost.azure-devices.net");
    container(&world).edit_record(other).await;
    let handler = world.handler("replaced").await;
    let event = [grid_event("primary", "live", "DeviceCreated", 0)];
    assert_eq!(handler.deliver("registry", 0, &event).await.0, 503);
    let refused = world.app(&["init"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("iothub2 is "), "{refused:?}");
    assert!(refused.stderr.contains("`iot-hadr init --hubs-replaced`"), "{refused:?}");
    let told = world.app(&["init", "--hubs-replaced"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    let said = format!(
        "the secondary hub, the standby, was lost.azure-devices.net and is {} now",
        world.secondary.host_name
    );
    assert!(told.stdout.contains(&said), "{told:?}");
    world
        .eventually("the handler writes again", || async {
            handler.deliver("registry", 0, &event).await.0 == 200
        })
        .await;
    assert!(world.secondary.device("live").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_says_so_when_the_standby_has_devices_that_the_active_hub_lacks() {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    for id in ["both", "only-here"] {
        world.secondary.create(id).await;
    }
    world.primary.create("both").await;
    world.eventually("queries show it", || async { world.secondary.is_listed("only-here").await }).await;
    let ran = world.app(&["init"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("(secondary) has 1 device that the active hub lacks: only-here"), "{ran:?}");
}
