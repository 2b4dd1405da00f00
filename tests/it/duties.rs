//! What happens by itself, in one process at a time.

use serde_json::{Value, json};

use crate::world::processes::root;
use crate::world::relay::Relay;
use crate::world::{Options, World};

/// As the setting has it, at its shortest.
const EVERY_SECOND: (&str, &str) = ("HADR_SWEEP_EVERY_SECONDS", "1");

fn quick(more: &[(&'static str, String)]) -> Options {
    let mut environment = more.to_vec();
    environment.push((EVERY_SECOND.0, EVERY_SECOND.1.to_owned()));
    Options { environment, host: false, partitions: 1, ..Options::default() }
}

impl World {
    /// Who does the duty, as `status` has it.
    async fn holder(&self) -> Value {
        self.app_json(&["status", "--json"]).await["duties"][0]["holder"].clone()
    }

    async fn eventually_held_by(&self, process: u32) {
        let named = format!("iot-hadr {process} on ");
        self.eventually("the duty is taken", || async {
            self.holder().await.as_str().is_some_and(|holder| holder.starts_with(&named))
        })
        .await;
    }
}

#[test]
fn the_app_has_no_function_that_a_timer_starts() {
    let folders = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path().join("function.json"));
    let functions: Vec<_> = folders.filter(|file| file.exists()).collect();
    assert_eq!(functions.len(), 3, "registry-sync, twin-sync, hub-router: {functions:?}");
    for file in functions {
        let function: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let bindings = function["bindings"].as_array().unwrap();
        assert!(bindings.iter().all(|binding| binding["type"] != "timerTrigger"), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_tried_again_without_an_event_or_a_hand() {
    let environment = vec![(EVERY_SECOND.0, EVERY_SECOND.1.to_owned())];
    let world = World::with(Options { environment, ..Options::default() }).await;
    world.primary.create("bad").await;
    world.settle().await;
    let refusal = json!({"method": "PATCH", "pathContains": "/twins/bad", "status": 400, "times": 2});
    world.secondary.fault(refusal).await;
    world.primary.patch_twin("bad", json!({"tags": {"n": 1}})).await;
    world
        .eventually("the standby has it", || async {
            world.secondary.twin("bad").await.is_some_and(|twin| twin["tags"]["n"] == 1)
        })
        .await;
    world.eventually("nothing is pending", || async { world.pending().await.is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_holds_the_duty_and_status_says_which_until_another_follows() {
    let world = World::with(quick(&[])).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let one = world.handler("one").await;
    world.eventually_held_by(one.process.id()).await;
    let shown = world.app(&["status"]).await.stdout;
    assert!(shown.contains(&format!("duty pending  iot-hadr {} on ", one.process.id())), "{shown}");
    let mut other = world.handler("other").await;
    one.process.signal("KILL");
    world.eventually_held_by(other.process.id()).await;
    // A process that is told to end gives it back.
    other.process.signal("TERM");
    other.process.exit_code().await;
    assert_eq!(world.holder().await, Value::Null);
    assert!(world.app(&["status"]).await.stdout.contains("duty pending  nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_frozen_is_followed_and_does_not_take_the_duty_back() {
    let world = World::with(quick(&[])).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let frozen = world.handler("frozen").await;
    world.eventually_held_by(frozen.process.id()).await;
    let other = world.handler("other").await;
    frozen.process.signal("STOP");
    world.eventually_held_by(other.process.id()).await;
    frozen.process.signal("CONT");
    let renewed = async || world.app_json(&["status", "--json"]).await["duties"][0]["renewedAt"].clone();
    for _ in 0..3 {
        let before = renewed().await;
        world.eventually("the duty is renewed", || async { renewed().await != before }).await;
        world.eventually_held_by(other.process.id()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_storage_refuses_connections_the_duty_rests_and_the_process_lives_on() {
    let relay = Relay::start().await;
    let world = World::with(quick(&[("AzureWebJobsStorage", relay.connection_string())])).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let handler = world.handler("patient").await;
    world.eventually_held_by(handler.process.id()).await;
    relay.shut();
    let url = format!("{}/api/hub-router/x", handler.url);
    world.eventually("the answer is stale", || async { world.get_json(&url).await["stale"] == true }).await;
    relay.open();
    world.eventually("the answer is fresh", || async { world.get_json(&url).await["stale"] == false }).await;
    world.eventually_held_by(handler.process.id()).await;
}
