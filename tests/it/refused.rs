//! What a hub refuses, or nobody can read, while the roles change.

use serde_json::{Value, json};

use crate::switching::{busy, hand_over_what_comes, is_in_sync, record, until_y_is_compared, with_a_copy};
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::hub::Hub;
use crate::world::news::quick;

async fn told(world: &World, handler: &Handler, hub: &Hub, id: &str) {
    let event = world.last_told(hub, id).await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

async fn refuses(hub: &Hub, method: &str, path: &str) {
    let fault = json!({"method": method, "pathContains": path, "status": 400, "times": 1_000_000});
    hub.fault(fault).await;
}

fn keys(device: &Value) -> &Value {
    &device["authentication"]["symmetricKey"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_entry_of_the_former_hub_that_the_active_one_refuses_is_pending_and_its_twin_follows() {
    let (world, handler) = with_a_copy("d", quick()).await;
    world.promote("secondary", &[]).await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.delete("d").await;
    let made = world.primary.create("d").await;
    world.primary.patch_twin("d", json!({"tags": {"life": 2}})).await;
    let lives = world.log("devicetwin", 0).await.split_off(before);
    refuses(&world.secondary, "PUT", "/devices/d").await;
    world.hand_over(&handler, "devicetwin", &lives).await;
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "the keys of its second life are not there: {pending:?}");
    assert!(pending[0]["detail"].as_str().unwrap().starts_with("/identity: "), "{pending:?}");
    assert_eq!(world.secondary.fleet().await["d"]["tags"], json!({"life": 2}));
    world.secondary.clear_faults().await;
    world.app(&["pending", "retry"]).await;
    assert!(keys(&world.secondary.fleet().await["d"]) == keys(&made), "{:?}", world.pending().await);
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_on_the_active_hub_is_not_overwritten_by_the_former_one() {
    let (world, handler) = with_a_copy("d", quick()).await;
    world.promote("secondary", &[]).await;
    let patch =
        json!({"tags": {"a": 1, "b": {"c": 1}}, "properties": {"desired": {"a": 1, "b": {"c": 1}, "ok": 1}}});
    world.primary.patch_twin("d", patch).await;
    world
        .secondary
        .patch_twin(
            "d",
            json!({"tags": {"a": "T", "b": "T"}, "properties": {"desired": {"a": "T", "b": "T"}}}),
        )
        .await;
    let twin = world.secondary.twin("d").await.unwrap().to_string();
    let torn = twin.replace(r#":"T""#, r#":"\ud800""#);
    assert_ne!(torn, twin);
    let shown =
        json!({"method": "GET", "pathContains": "/twins/d", "status": 200, "body": torn, "times": 1_000_000});
    world.secondary.fault(shown).await;
    told(&world, &handler, &world.primary, "d").await;
    let x = world.secondary.fleet().await["d"].clone();
    assert_eq!(x["tags"], json!({"a": "T", "b": "T"}), "what its client wrote later");
    assert_eq!(x["desired"], json!({"a": "T", "b": "T", "ok": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_while_a_comparison_closes_gives_up_nothing_that_the_active_hub_says() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    told(&world, &handler, &world.secondary, "x").await;
    told(&world, &handler, &world.primary, "y").await;
    refuses(&world.primary, "PATCH", "/twins/x").await;
    until_y_is_compared(&world, &handler, 2500).await;
    world.eventually("it is refused", async || !world.pending().await.is_empty()).await;
    assert_eq!(record(&world).await["closing"], true, "the schedule");
    world.app(&["rejoin", "--accept", "--give-up-refused"]).await;
    assert!(!is_in_sync(&world).await, "the schedule");
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await;
    assert!(ended, "{}", record(&world).await);
    let pending = world.pending().await;
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert!(pending.iter().any(|note| note["id"] == "x") || losses.contains("\"n\""), "{pending:?} {losses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_of_a_hub_says_nothing_of_what_it_takes_when_it_is_active_again() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    refuses(&world.secondary, "PATCH", "/twins/x").await;
    told(&world, &handler, &world.primary, "x").await;
    let given_up = world.app(&["rejoin", "--give-up", "x"]).await;
    assert_eq!(given_up.code, 0, "{given_up:?}");
    world.secondary.clear_faults().await;
    world.promote("primary", &["--force"]).await;
    world.primary.patch_twin("x", json!({"tags": {"m": 2}, "properties": {"desired": {"m": 2}}})).await;
    told(&world, &handler, &world.primary, "x").await;
    world.promote("secondary", &["--force"]).await;
    world.app(&["pending", "retry"]).await;
    world.primary.patch_twin("x", json!({"tags": {"late": 3}})).await;
    told(&world, &handler, &world.primary, "x").await;
    let x = world.secondary.fleet().await["x"].clone();
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!((&x["tags"], &x["desired"]["m"]), (&json!({"m": 2, "late": 3}), &json!(2)), "{losses}");
}
