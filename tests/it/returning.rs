//! A forced promotion back, while the rejoining of the first one still goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::switching::{
    busy, hand_over_what_comes, is_in_sync, record, until_closing, until_y_is_compared, with_a_copy,
};
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::storage::container;

/// Back to the primary hub, whose rejoining an operator accepts at once.
async fn back(world: &World) {
    world.promote("primary", &["--force"]).await;
    let accepted = world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
}

async fn told(world: &World, handler: &Handler, id: &str) {
    let event = world.last_told(&world.secondary, id).await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

/// A member of both hubs' twins, and the loss reports.
async fn desired(world: &World, id: &str, name: &str) -> [Value; 2] {
    [&world.primary.fleet().await, &world.secondary.fleet().await]
        .map(|fleet| fleet[id]["desired"][name].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_on_the_active_hub_while_a_comparison_closed_is_brought_over_when_that_hub_is_left() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    let of_y = world.last_told(&world.primary, "y").await;
    world.hand_over(&handler, "devicetwin", &[of_y]).await;
    until_y_is_compared(&world, &handler, 2500).await;
    // Everybody knows that it closes: this is listed in the second half.
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    told(&world, &handler, "x").await;
    back(&world).await;
    world.primary.clear_faults().await;
    let ended = hand_over_what_comes(&world, &handler, 90, async || is_in_sync(&world).await).await;
    assert!(ended, "{}", record(&world).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(desired(&world, "x", "n").await, [json!(1), json!(1)], "{losses} {:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_between_two_promotions_is_waited_for_where_its_hub_says_nothing_of_it_at_the_end() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &["--force"]).await;
    for id in ["x", "y"] {
        world.secondary.patch_twin(id, json!({"properties": {"desired": {"n": 1}}})).await;
        told(&world, &handler, id).await;
    }
    back(&world).await;
    until_closing(&world, &handler).await;
    let silent = json!({"method": "GET", "pathContains": "/twins/x", "status": 503, "times": 1_000_000});
    world.secondary.fault(silent).await;
    let named = async || {
        let pending = world.pending().await;
        desired(&world, "y", "n").await == [json!(1), json!(1)]
            && pending.iter().any(|note| note["id"] == "x")
    };
    assert!(hand_over_what_comes(&world, &handler, 30, named).await, "{:?}", world.pending().await);
    world.secondary.clear_faults().await;
    world.app(&["pending", "retry"]).await;
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await;
    assert!(ended, "{}", record(&world).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(desired(&world, "x", "n").await, [json!(1), json!(1)], "{losses} {:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_between_two_promotions_has_nothing_of_its_life_before() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.primary.patch_twin("x", json!({"tags": {"old": 1}, "properties": {"desired": {"old": 1}}})).await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &["--force"]).await;
    let before = world.log("devicetwin", 0).await.len();
    world.secondary.delete("x").await;
    let made = world.secondary.create("x").await;
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"new": 1}}})).await;
    let lives = world.log("devicetwin", 0).await.split_off(before);
    world.hand_over(&handler, "devicetwin", &lives).await;
    back(&world).await;
    let ended = hand_over_what_comes(&world, &handler, 90, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.assert_hubs_equal().await;
    let x = world.primary.fleet().await["x"].clone();
    assert_eq!(x["authentication"]["symmetricKey"], made["authentication"]["symmetricKey"], "its keys");
    assert_eq!((&x["tags"], &x["desired"]), (&json!({}), &json!({"new": 1})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_between_two_promotions_is_on_both_though_one_of_its_name_had_been_deleted_before() {
    let (world, handler) = with_a_copy("x", busy()).await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.create("y").await;
    world.primary.delete("y").await;
    let unheard = world.log("devicetwin", 0).await.split_off(before);
    world.promote("secondary", &["--force"]).await;
    world.secondary.create("y").await;
    told(&world, &handler, "y").await;
    world.hand_over(&handler, "devicetwin", &unheard).await;
    back(&world).await;
    let ended = hand_over_what_comes(&world, &handler, 90, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
    let there = (world.primary.device("y").await.is_some(), world.secondary.device("y").await.is_some());
    assert_eq!(there, (true, true), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_came_after_the_deletion_of_its_original_goes_with_it_though_the_roles_change_to_and_fro()
{
    let (world, handler) = with_a_copy("x", busy()).await;
    let slow = json!({"method": "POST", "pathContains": "/devices", "delayMs": 1200, "times": 1});
    world.secondary.fault(slow).await;
    world.primary.create("y").await;
    let created = world.last_told(&world.primary, "y").await;
    let created = [created];
    let copied = world.hand_over(&handler, "devicetwin", &created);
    let deleted = async {
        let read = json!("/devices/y");
        let has_read = async || {
            let is_read = |request: &Value| request["method"] == "GET" && request["path"] == read;
            world.primary.requests().await.iter().any(is_read)
        };
        world.eventually("its keys were read", has_read).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.primary.delete("y").await;
    };
    tokio::join!(copied, deleted);
    assert!(world.secondary.device("y").await.is_some(), "the copy");
    let unheard = world.last_told(&world.primary, "y").await;
    world.primary.outage("refuse").await;
    world.promote("secondary", &["--force"]).await;
    world.hand_over(&handler, "devicetwin", &[unheard]).await;
    world.primary.outage("off").await;
    world.secondary.outage("refuse").await;
    back(&world).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.secondary.outage("off").await;
    let ended = hand_over_what_comes(&world, &handler, 90, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.pending().await, [] as [Value; 0]);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_heard_only_when_its_hub_is_left_again_holds_though_the_device_was_brought_back_there()
 {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &["--force"]).await;
    let before = world.log("devicetwin", 0).await.len();
    world.secondary.delete("x").await;
    let unheard = world.log("devicetwin", 0).await.split_off(before);
    world.primary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    let event = world.last_told(&world.primary, "x").await;
    world.hand_over(&handler, "devicetwin", &[event]).await;
    assert!(world.secondary.device("x").await.is_some(), "nobody knew");
    back(&world).await;
    world.hand_over(&handler, "devicetwin", &unheard).await;
    let ended = hand_over_what_comes(&world, &handler, 90, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let there = (world.primary.device("x").await.is_some(), world.secondary.device("x").await.is_some());
    assert_eq!(there, (false, false), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_that_stays_writes_to_the_former_hub_before_events_are_held_is_kept_or_named() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &[]).await;
    until_closing(&world, &handler).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    told(&world, &handler, "x").await;
    world.primary.patch_twin("x", json!({"properties": {"desired": {"stays": 1}}})).await;
    world.eventually("in sync", async || is_in_sync(&world).await).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.hand_over_all(&handler).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    let both = desired(&world, "x", "stays").await;
    assert!(
        both == [json!(1), json!(1)] || losses.contains("stays"),
        "{both:?} {losses} {:?}",
        world.pending().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_a_client_leaves_out_of_a_whole_new_twin_on_the_former_hub_is_gone_on_both() {
    let (mut world, handler) = with_a_copy("x", crate::world::news::quick()).await;
    world.primary.patch_twin("x", json!({"tags": {"a": 1, "b": 1}})).await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.primary.replace_twin("x", json!({"tags": {"a": 2}, "properties": {"desired": {}}})).await;
    let event = world.last_told(&world.primary, "x").await;
    world.hand_over(&handler, "devicetwin", &[event]).await;
    world.until_in_sync(handler).await;
    let tags = [&world.primary.fleet().await, &world.secondary.fleet().await]
        .map(|fleet| fleet["x"]["tags"].clone());
    assert_eq!(tags, [json!({"a": 2}), json!({"a": 2})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_takes_away_on_the_active_hub_is_gone_on_both_though_that_is_heard_after_an_earlier_value()
 {
    // Of both sections.
    let twin = |site: Value| json!({"tags": {"site": site}, "properties": {"desired": {"site": site}}});
    for is_whole in [false, true] {
        let (mut world, handler) = with_a_copy("x", crate::world::news::quick()).await;
        world.promote("secondary", &[]).await;
        world.primary.patch_twin("x", twin(json!({"c": 1}))).await;
        let earlier = world.last_told(&world.primary, "x").await;
        let before = world.log("devicetwin", 0).await.len();
        world.secondary.patch_twin("x", twin(json!({"c": 2}))).await;
        match is_whole {
            true => {
                world.secondary.replace_twin("x", twin(json!({"b": 3}))).await;
            }
            false => {
                world.secondary.patch_twin("x", twin(json!({"b": 3, "c": null}))).await;
            }
        }
        let later = world.log("devicetwin", 0).await.split_off(before);
        world.hand_over(&handler, "devicetwin", &[earlier]).await;
        world.hand_over(&handler, "devicetwin", &later).await;
        world.until_in_sync(handler).await;
        let sites = [&world.primary.fleet().await, &world.secondary.fleet().await]
            .map(|fleet| [&fleet["x"]["tags"]["site"], &fleet["x"]["desired"]["site"]].map(Value::clone));
        let losses = world.app(&["losses", "list", "--json"]).await.stdout;
        let left = || [json!({"b": 3}), json!({"b": 3})];
        assert_eq!(sites, [left(), left()], "{is_whole} {losses}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_was_begun_before_a_promotion_writes_nothing_to_the_former_hub_after_it() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &[]).await;
    assert!(hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await);
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    let slow = json!({"method": "POST", "pathContains": "/devices/query", "delayMs": 12_000, "times": 1});
    world.secondary.fault(slow).await;
    container(&world).put("changed/0000000002-0000000002-0/everything", "{}").await;
    // The duty looks every second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let started = Instant::now();
    world.promote("primary", &["--force"]).await;
    world.secondary.forget_requests().await;
    world.primary.patch_twin("x", json!({"properties": {"desired": {"m": 1}}})).await;
    assert!(started.elapsed() < Duration::from_secs(9), "the schedule");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(world.secondary.writes().await, Vec::<String>::new(), "{}", record(&world).await);
}
