//! Which life of a device each hub has, while the roles change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::switching::{
    busy, hand_over_what_comes, is_in_sync, record, until_closing, until_y_is_compared, with_a_copy,
};
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::news::quick;
use crate::world::storage::container;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_on_the_former_hub_is_kept_though_our_own_delete_is_stamped_a_second_later() {
    let (mut world, handler) = with_a_copy("again", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.delete("again").await;
    let deleted = world.last_told(&world.primary, "again").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.secondary.device("again").await.is_none());
    let mut own = world.last_told(&world.secondary, "again").await;
    world.primary.create("again").await;
    let made = world.last_told(&world.primary, "again").await;
    // The active hub's clock is a second ahead of the former one's.
    own["properties"]["operationTimestamp"] =
        json!((jiff::Timestamp::now() + Duration::from_secs(1)).to_string());
    world.hand_over(&handler, "devicetwin", &[own]).await;
    world.hand_over(&handler, "devicetwin", &[made]).await;
    let here = world.secondary.device("again").await.is_some();
    world.until_in_sync(handler).await;
    let both =
        (world.primary.device("again").await.is_some(), world.secondary.device("again").await.is_some());
    assert_eq!(
        (here, both),
        (true, (true, true)),
        "on the active hub at once; on primary and secondary in the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_deleted_while_a_comparison_closes_is_not_alive_on_the_hub_that_is_promoted_next() {
    let mut environment = quick();
    environment.push(("HADR_SWEEP_EVERY_SECONDS", "15".to_owned()));
    let (world, handler) = with_a_copy("revoked", environment).await;
    world.promote("secondary", &[]).await;
    until_closing(&world, &handler).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.delete("revoked").await;
    let deleted = world.last_told(&world.secondary, "revoked").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await);
    let parts = container(&world).list("changed/").await;
    // All that the hubs told has been taken, and nothing is pending.
    let promoted =
        world.app(&["promote", "--to", "primary", "--reason", "back", "--drain-timeout-seconds", "0"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    let alive = world.primary.device("revoked").await.is_some();
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await;
    let there =
        (world.primary.device("revoked").await.is_some(), world.secondary.device("revoked").await.is_some());
    assert_eq!((alive, ended, there), (false, true, (false, false)), "{parts:?} {promoted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_while_the_comparison_deletes_it_on_the_former_hub_is_kept() {
    let (mut world, handler) = with_a_copy("again", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.secondary.delete("again").await;
    let gone = world.last_told(&world.secondary, "again").await;
    let of_y = world.last_told(&world.primary, "y").await;
    world.hand_over(&handler, "devicetwin", &[gone, of_y]).await;
    until_y_is_compared(&world, &handler, 1500).await;
    world
        .eventually("the comparison deletes it", async || world.primary.device("again").await.is_none())
        .await;
    world.secondary.create("again").await;
    let our_own = world.last_told(&world.primary, "again").await;
    world.hand_over(&handler, "devicetwin", &[our_own]).await;
    let here = world.secondary.device("again").await.is_some();
    world.primary.clear_faults().await;
    world.until_in_sync(handler).await;
    let both =
        (world.primary.device("again").await.is_some(), world.secondary.device("again").await.is_some());
    assert_eq!((here, both), (true, (true, true)), "on the active hub at once; on both in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_heard_while_another_process_is_about_to_bring_the_device_over_is_not_undone() {
    let (world, one) = with_a_copy("gone", quick()).await;
    world.promote("secondary", &[]).await;
    let two = world.handler("two").await;
    world.primary.patch_twin("gone", json!({"tags": {"n": 1}})).await;
    let changed = [world.last_told(&world.primary, "gone").await];
    world.secondary.delete("gone").await;
    let deleted = [world.last_told(&world.secondary, "gone").await];
    world.secondary.forget_requests().await;
    let slow = json!({"method": "GET", "pathContains": "/twins/gone", "delayMs": 1000, "times": 1});
    world.secondary.fault(slow).await;
    tokio::join!(world.hand_over(&one, "devicetwin", &changed), async {
        // The first one has read its note by then, and waits for the hub.
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.hand_over(&two, "devicetwin", &deleted).await;
    });
    assert!(world.secondary.device("gone").await.is_none());
    assert_eq!(world.secondary.writes().await, Vec::<String>::new(), "nor was it for a moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_deleted_while_a_comparison_closes_is_gone_also_when_the_active_hub_is_lost_right_after_it()
{
    let mut environment = quick();
    environment.push(("HADR_SWEEP_EVERY_SECONDS", "15".to_owned()));
    let (world, handler) = with_a_copy("revoked", environment).await;
    world.promote("secondary", &[]).await;
    until_closing(&world, &handler).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.delete("revoked").await;
    let deleted = world.last_told(&world.secondary, "revoked").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    let slow = json!({"method": "GET", "pathContains": "/twins/revoked", "delayMs": 1500, "times": 40});
    world.primary.fault(slow).await;
    assert!(hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await);
    world.secondary.outage("refuse").await;
    world.promote("primary", &["--force"]).await;
    world.secondary.outage("off").await;
    world.primary.clear_faults().await;
    assert_eq!(world.app(&["rejoin", "--accept"]).await.code, 0);
    // What was heard before does not come again.
    assert!(hand_over_what_comes(&world, &handler, 90, async || is_in_sync(&world).await).await);
    let there =
        (world.primary.device("revoked").await.is_some(), world.secondary.device("revoked").await.is_some());
    assert_eq!(there, (false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_before_its_deletion_was_heard_and_deleted_where_it_was_brought_stays_deleted() {
    let (world, handler) = with_a_copy("again", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.delete("again").await;
    let gone = world.last_told(&world.primary, "again").await;
    // Made again while the deletion is being brought over: nothing is deleted on the active hub.
    world
        .primary
        .fault(json!({"method": "GET", "pathContains": "/devices/again", "delayMs": 1500, "times": 1}))
        .await;
    let gone = [gone];
    let (_, _) = tokio::join!(world.hand_over(&handler, "devicetwin", &gone), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        world.primary.create("again").await;
    });
    let made = world.last_told(&world.primary, "again").await;
    world.hand_over(&handler, "devicetwin", &[made]).await;
    assert!(world.secondary.device("again").await.is_some());
    world.secondary.delete("again").await;
    let gone = world.last_told(&world.secondary, "again").await;
    world.hand_over(&handler, "devicetwin", &[gone]).await;
    assert!(world.secondary.device("again").await.is_none(), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_for_an_earlier_rejoining_does_not_decide_the_next_one() {
    // Notes of the first rejoining are still there.
    let mut environment = quick();
    environment.push(("HADR_SWEEP_EVERY_SECONDS", "3600".to_owned()));
    let (world, handler) = with_a_copy("x", environment).await;
    let told = async |hub: &crate::world::hub::Hub| {
        let event = world.last_told(hub, "x").await;
        world.hand_over(&handler, "devicetwin", &[event]).await;
    };
    world.promote("secondary", &[]).await;
    world.primary.delete("x").await;
    told(&world.primary).await;
    assert!(world.secondary.device("x").await.is_none());
    container(&world).end_rejoining().await;
    for part in container(&world).list("changed/").await {
        container(&world).delete(&part).await;
    }
    // Until that is known.
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.secondary.create("x").await;
    told(&world.secondary).await;
    world.secondary.delete("x").await;
    told(&world.secondary).await;
    told(&world.secondary).await;
    world.secondary.create("x").await;
    told(&world.secondary).await;
    assert!(world.primary.device("x").await.is_some());
    world.promote("primary", &[]).await;
    world.secondary.delete("x").await;
    told(&world.secondary).await;
    assert!(world.primary.device("x").await.is_none(), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_deleted_on_the_active_hub_while_events_are_held_at_the_end_of_a_rejoining_is_not_made_again()
 {
    let (world, handler) = with_a_copy("revoked", busy()).await;
    world.promote("secondary", &[]).await;
    until_closing(&world, &handler).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.patch_twin("revoked", json!({"tags": {"n": 1}})).await;
    let listed = world.last_told(&world.secondary, "revoked").await;
    world.hand_over(&handler, "devicetwin", &[listed]).await;
    world.eventually("events are held", async || record(&world).await["compared"] == true).await;
    world.secondary.delete("revoked").await;
    assert!(hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await);
    assert!(world.secondary.device("revoked").await.is_none(), "nobody made it");
    let deleted = world.last_told(&world.secondary, "revoked").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.primary.device("revoked").await.is_none(), "{:?}", world.pending().await);
    assert!(world.secondary.device("revoked").await.is_none());
}

/// Device `x` of which the former hub has told a change, and then the active one its deletion: both unheard.
async fn with_an_unheard_deletion() -> (World, Handler, [Value; 2]) {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    let late = world.last_told(&world.primary, "x").await;
    world.secondary.delete("x").await;
    let deleted = world.last_told(&world.secondary, "x").await;
    (world, handler, [late, deleted])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_made_again_without_an_answer_before_its_deletion_is_heard_goes_when_that_is_heard()
{
    let (world, handler, [late, deleted]) = with_an_unheard_deletion().await;
    // It is made, and made again because the answer was lost: it is there then.
    let lost =
        json!({"method": "POST", "pathContains": "/devices", "status": 500, "afterApply": true, "times": 1});
    world.secondary.fault(lost).await;
    world.hand_over(&handler, "devicetwin", &[late]).await;
    assert!(world.secondary.device("x").await.is_some(), "nobody knows of the deletion yet");
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.secondary.device("x").await.is_none(), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_anew_and_deleted_again_before_that_is_heard_is_not_made_from_its_life_before() {
    let (world, handler) = with_a_copy("again", quick()).await;
    world.promote("secondary", &[]).await;
    let change = async |n: usize| {
        world.primary.patch_twin("again", json!({"tags": {"n": n}})).await;
        world.last_told(&world.primary, "again").await
    };
    let (late, later) = (change(1).await, change(2).await);
    world.secondary.delete("again").await;
    let deleted = world.last_told(&world.secondary, "again").await;
    world.secondary.create("again").await;
    world.hand_over(&handler, "devicetwin", &[late, deleted]).await;
    world.secondary.delete("again").await;
    world.secondary.forget_requests().await;
    world.hand_over(&handler, "devicetwin", &[later]).await;
    assert!(world.secondary.device("again").await.is_none(), "{:?}", world.pending().await);
    assert_eq!(world.secondary.writes().await, Vec::<String>::new(), "nor was it there for a moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_made_again_by_who_cannot_look_at_it_then_goes_when_its_deletion_is_heard() {
    let (world, handler, [late, deleted]) = with_an_unheard_deletion().await;
    // It is made, and neither it nor anything about it is read.
    let unread = json!({"method": "GET", "pathContains": "/devices/x", "status": 503, "times": 1_000_000});
    world.secondary.fault(unread).await;
    let (_, answer) = handler.deliver("devicetwin", 0, &[late]).await;
    assert!(world.secondary.device("x").await.is_some(), "nobody knows of the deletion yet: {answer}");
    world.secondary.clear_faults().await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    world.eventually("it is deleted", async || world.secondary.device("x").await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_writes_to_a_device_whose_deletion_is_heard_only_then_is_named() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.primary.delete("x").await;
    let deleted = world.last_told(&world.primary, "x").await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"later": 1}}})).await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.secondary.device("x").await.is_none());
    let losses = world.app_json(&["losses", "list", "--json"]).await;
    let named = json!({"section": "desired", "path": ["later"], "active": 1, "formerActive": null, "kept": "former-active"});
    assert_eq!(losses[0]["losses"], json!([named]), "{losses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_devices_that_clients_made_on_either_hub_the_later_one_stays_and_the_other_is_named() {
    let (mut world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.secondary.create("two").await;
    let later = world.primary.create("two").await;
    let made = world.last_told(&world.primary, "two").await;
    world.hand_over(&handler, "devicetwin", &[made]).await;
    world.until_in_sync(handler).await;
    for hub in [&world.primary, &world.secondary] {
        let keys = hub.fleet().await["two"]["authentication"]["symmetricKey"].clone();
        assert!(keys == later["authentication"]["symmetricKey"], "{}", hub.name);
    }
    let losses = world.app_json(&["losses", "list", "--json"]).await;
    assert_eq!(losses[0]["losses"][0]["section"], "registry", "{losses}");
}

/// A hub that does not show yet what it has just created answers so.
fn not_yet(id: &str, times: u32) -> Value {
    let body = json!({"Message": "ErrorCode:DeviceNotFound;x", "ExceptionMessage": "Tracking ID:0"});
    json!({"method": "GET", "pathContains": format!("/twins/{id}"), "status": 404, "body": body, "times": times})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_former_hub_says_of_a_device_that_one_of_the_hubs_does_not_show_yet_is_looked_at_once_more() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &[]).await;
    let told = async |id: &str| {
        let event = world.last_told(&world.primary, id).await;
        world.hand_over(&handler, "devicetwin", &[event]).await;
    };
    world.primary.create("brief").await;
    told("brief").await;
    assert!(world.secondary.device("brief").await.is_some());
    world.primary.delete("brief").await;
    world.secondary.fault(not_yet("brief", 1)).await;
    told("brief").await;
    world.primary.create("late").await;
    world.primary.fault(not_yet("late", 1)).await;
    told("late").await;
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
    let there = |id: &'static str| {
        let (primary, secondary) = (world.primary.clone(), world.secondary.clone());
        async move { (primary.device(id).await.is_some(), secondary.device(id).await.is_some()) }
    };
    assert_eq!(there("brief").await, (false, false), "{:?}", world.pending().await);
    assert_eq!(there("late").await, (true, true), "{:?}", world.pending().await);
}
