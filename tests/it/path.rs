//! `check --deep`: does what both hubs say come to the running app?

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::world::hub::Hub;
use crate::world::processes::{program, send_signal};
use crate::world::storage::container;
use crate::world::{Options, World};

/// Identities of a hub that are there for a moment only.
async fn passing(hub: &Hub) -> Vec<Value> {
    let all = hub.control_get("/state").await;
    let ids = all.as_array().unwrap().iter().map(|entry| entry["identity"]["deviceId"].clone());
    ids.filter(|id| id.as_str().unwrap().starts_with("hadr-probe-check-")).collect()
}

async fn assert_nothing_is_left(world: &World) {
    for hub in [&world.primary, &world.secondary] {
        assert_eq!(passing(hub).await, Vec::<Value>::new(), "{}", hub.name);
    }
    assert_eq!(container(world).list("passing/").await, Vec::<String>::new());
}

fn quickly(seconds: &'static str) -> [&'static str; 4] {
    ["check", "--deep", "--timeout-seconds", seconds]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_both_hubs_events_is_proved_and_what_does_not_run_or_is_not_read_is_named() {
    let mut world = World::with(Options { host: false, ..Options::default() }).await;
    let skipped = world.app(&quickly("2")).await;
    assert!(skipped.code == 1 && skipped.stderr.contains("not tried"), "{skipped:?}");
    let init = world.app(&["init"]).await;
    assert!(init.stdout.contains("check --deep"), "{init:?}");
    let idle = world.app(&quickly("2")).await;
    let named =
        idle.stdout.contains("no instance of the app runs") && idle.stdout.contains("func host start");
    assert!(idle.code == 1 && named, "{idle:?}");
    assert_nothing_is_left(&world).await;

    world.start_host(&Options::default()).await;
    let proved = world.app(&["check", "--deep"]).await;
    assert_eq!(proved.code, 0, "{proved:?}");
    for hub in ["primary", "secondary"] {
        let line =
            format!("ok      path of events, {hub} hub ({hub}): twin changes, creations and deletions");
        assert!(proved.stdout.contains(&line), "{proved:?}");
    }
    world.settle().await;
    assert_nothing_is_left(&world).await;
    assert!(world.pending().await.is_empty() && world.dead_letters().await.is_empty());
    assert_eq!(world.app(&["losses", "list"]).await.stdout, "0 loss reports\n");

    world.events(json!({"eventHub": "registry", "mode": "drop", "times": 1000})).await;
    let ran = world.app(&[&quickly("20")[..], &["--json"]].concat()).await;
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let wrong: Vec<&Value> =
        found.as_array().unwrap().iter().filter(|one| one["ok"] == json!(false)).collect();
    assert!(ran.code == 1 && wrong.len() == 1, "{found}");
    let (what, mend) = (wrong[0]["what"].as_str().unwrap(), wrong[0]["mend"][0].as_str().unwrap());
    assert!(what.contains("nothing came through the event hub registry to registry-sync"), "{found}");
    assert!(mend.starts_with("az eventhubs eventhub consumer-group create"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejoining_standby_s_path_is_tried_as_well_and_what_a_killed_check_left_is_removed() {
    let world = World::start().await;
    world.promote("secondary", &["--force"]).await;
    let left = "hadr-probe-check-1";
    world.primary.create(left).await;
    container(&world).put(&format!("passing/primary/{left}"), "{}").await;
    // Whatever is written there, no device of the fleet is removed for it.
    world.primary.create("pump").await;
    for other in ["pump", "hadr-probe-1"] {
        container(&world).put(&format!("passing/primary/{other}"), "{}").await;
    }
    let probe = world.primary.device("hadr-probe-1").await.unwrap();
    world.settle().await;
    let proved = world.app(&["check", "--deep"]).await;
    assert_eq!(proved.code, 0, "{proved:?}");
    assert_eq!(world.standby_state().await, "rejoining");
    assert_nothing_is_left(&world).await;
    assert!(world.primary.device("pump").await.is_some());
    assert_eq!(world.primary.device("hadr-probe-1").await.unwrap()["generationId"], probe["generationId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_called_otherwise_than_its_events_say_is_named_with_the_setting() {
    let environment = vec![("HADR_HUB2_NAME", "typo".to_owned())];
    let world = World::with(Options { environment, ..Options::default() }).await;
    let ran = world.app(&quickly("20")).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    // Event Grid and routes write it in different cases; whichever came first is shown.
    let said = ran.stdout.to_lowercase();
    assert!(said.contains("--settings hadr_hub2_name=secondary\n"), "{ran:?}");
    assert!(ran.stdout.contains("ok      path of events, primary hub"), "{ran:?}");
    assert_eq!(ran.stdout.matches("WRONG").count(), 1, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_check_leaves_nothing_behind() {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let mut command = Command::new(program("iot-hadr"));
    command.args(["check", "--deep"]).env_clear().envs(world.environment.iter().cloned());
    let mut check = command.stderr(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(check.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.starts_with("waiting, "), "{line}");
    send_signal(check.id().unwrap(), "INT");
    assert_eq!(check.wait().await.unwrap().code(), Some(130));
    assert_nothing_is_left(&world).await;
}
