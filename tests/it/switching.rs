//! Schedules that once broke the switch of roles.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::handler::{Handler, twin_event, with_a_device};
use crate::world::hub::Hub;
use crate::world::news::quick;
use crate::world::storage::container;
use crate::world::{Options, World};

pub async fn with_a_copy(id: &str, environment: Vec<(&'static str, String)>) -> (World, Handler) {
    let world = with_a_device(id, environment).await;
    let handler = world.handler("attack").await;
    world.hand_over_all(&handler).await;
    (world, handler)
}

/// With duties that look every second.
pub fn busy() -> Vec<(&'static str, String)> {
    let mut environment = quick();
    environment.push(("HADR_SWEEP_EVERY_SECONDS", "1".to_owned()));
    environment
}

/// Devices that follow the router have moved by then, after a promotion with a lease of 2 s.
async fn until_moved() {
    tokio::time::sleep(Duration::from_millis(5500)).await;
}

/// Hands over what the hubs tell from now on.
pub async fn hand_over_what_comes(
    world: &World,
    handler: &Handler,
    seconds: u64,
    until: impl AsyncFn() -> bool,
) -> bool {
    let started = Instant::now();
    let mut taken = [world.log("registry", 0).await.len(), world.log("devicetwin", 0).await.len()];
    while started.elapsed() < Duration::from_secs(seconds) {
        if until().await {
            return true;
        }
        world.hand_over_more(handler, &mut taken).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

/// Until the comparison that ends the rejoining may begin.
pub async fn until_closing(world: &World, handler: &Handler) {
    let closing = hand_over_what_comes(world, handler, 60, async || record(world).await["closing"] == true);
    assert!(closing.await, "{}", record(world).await);
}

/// Until it has begun with `y`, each read of which takes so long on the primary hub.
pub async fn until_y_is_compared(world: &World, handler: &Handler, delay_ms: u64) {
    until_closing(world, handler).await;
    world.primary.forget_requests().await;
    let slow = json!({"method": "GET", "pathContains": "/twins/y", "delayMs": delay_ms, "times": 40});
    world.primary.fault(slow).await;
    world.eventually("the comparison has begun", async || world.primary.reads_of("y").await > 0).await;
}

/// The primary hub is lost with a backlog of its events, one a batch.
async fn drained(changes: &[Value]) -> (World, Handler) {
    let (world, handler) = with_a_copy("drained", quick()).await;
    let before = jiff::Timestamp::now();
    world.primary.outage("refuse").await;
    world.promote("secondary", &["--force"]).await;
    until_moved().await;
    for (n, change) in changes.iter().enumerate() {
        let mut body = change.clone();
        body["version"] = json!(n + 10);
        let occurred = (before + Duration::from_millis(n as u64)).to_string();
        let event = twin_event("primary", "drained", &body, &occurred, 1000 + n as i64);
        world.hand_over(&handler, "devicetwin", &[event]).await;
    }
    (world, handler)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_reported_value_of_a_backlog_in_several_batches_is_the_one_that_stays() {
    let reported = |value: Value| json!({"properties": {"reported": value}});
    let changes = [reported(json!({"a": 1})), reported(json!({"b": 1})), reported(json!({"a": 2}))];
    let (world, _handler) = drained(&changes).await;
    let found = world.secondary.fleet().await["drained"]["reported"].clone();
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(found, json!({"a": 2, "b": 1}), "{losses} {:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_desired_value_of_a_backlog_stays_however_many_writes_it_took() {
    let desired = |value: Value| json!({"properties": {"desired": value}});
    let mut changes = vec![desired(json!({"a": 1}))];
    changes.extend((0..66).map(|n| desired(json!({ "b": n }))));
    changes.push(desired(json!({"a": 2})));
    let (world, _handler) = drained(&changes).await;
    let found = world.secondary.fleet().await["drained"]["desired"].clone();
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(found, json!({"a": 2, "b": 65}), "{losses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_a_backlog_is_not_put_back_when_the_events_of_our_own_writes_come_behind_it() {
    let changes: Vec<Value> = (1..=70).map(|n| json!({"tags": {"t": n}})).collect();
    let (world, handler) = drained(&changes).await;
    assert_eq!(world.secondary.fleet().await["drained"]["tags"]["t"], 70);
    let own = world.told("devicetwin", &world.secondary, "drained").await;
    for event in own {
        let mut event = event;
        event["sequenceNumber"] = json!(event["sequenceNumber"].as_i64().unwrap() + 10_000);
        world.hand_over(&handler, "devicetwin", &[event]).await;
    }
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(world.secondary.fleet().await["drained"]["tags"]["t"], 70, "{losses}");
}

pub async fn record(world: &World) -> Value {
    container(world).record().await
}

pub async fn is_in_sync(world: &World) -> bool {
    record(world).await["standbyState"] == "in-sync"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_after_a_forced_promotion_in_the_middle_of_a_closing_comparison_is_listed_again() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    let first = world.last_told(&world.secondary, "x").await;
    let of_y = world.last_told(&world.primary, "y").await;
    world.hand_over(&handler, "devicetwin", &[first, of_y]).await;
    until_y_is_compared(&world, &handler, 2500).await;
    world.eventually("x is", async || world.primary.fleet().await["x"]["desired"]["n"] == 1).await;
    world.promote("primary", &["--force"]).await;
    world.primary.clear_faults().await;
    let parts = container(&world).list("changed/").await;
    world.primary.patch_twin("x", json!({"properties": {"desired": {"n": 2}}})).await;
    let event = world.last_told(&world.primary, "x").await;
    world.hand_over(&handler, "devicetwin", &[event]).await;
    let after = container(&world).list("changed/").await;
    let accepted = world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let n = |hub: &Hub| {
        let hub = hub.clone();
        async move { hub.fleet().await["x"]["desired"]["n"].clone() }
    };
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(
        (n(&world.primary).await, n(&world.secondary).await),
        (json!(2), json!(2)),
        "primary, secondary; parts before the write {parts:?}, after {after:?}; {losses} {:?}",
        world.pending().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_a_new_divergence_are_not_forgotten_by_who_still_forgets_those_of_the_one_before() {
    let mut environment = quick();
    environment[1].1 = "6".to_owned();
    let (world, first) = with_a_copy("zz", environment).await;
    world.primary.patch_twin("zz", json!({"tags": {"x": 1}})).await;
    world.hand_over_all(&first).await;
    world.primary.patch_twin("zz", json!({"tags": {"x": 2}})).await;
    let late = world.last_told(&world.primary, "zz").await;
    drop(first);
    let storage = container(&world);
    let names: Vec<String> = (0..1600).map(|n| format!("a{n:05}")).chain(["zz".to_owned()]).collect();
    for some in names.chunks(64) {
        futures::future::join_all(some.iter().map(|id| storage.put_resting_note(id))).await;
    }
    let mut world = world;
    world.set_variable("HADR_SWEEP_EVERY_SECONDS", "1");
    let handler = world.handler("forgetting").await;
    world
        .eventually("the first is forgotten", async || storage.get("pending/a00000.json").await.is_none())
        .await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("zz", json!({"tags": {"x": null}})).await;
    let removed = world.last_told(&world.secondary, "zz").await;
    world.hand_over(&handler, "devicetwin", &[removed]).await;
    let note = storage.get("pending/zz.json").await;
    assert!(note.is_some(), "the removal is in its note");
    let still = storage.get("pending/a01599.json").await.is_some();
    assert!(still, "the schedule: notes of before are still being forgotten");
    let started = Instant::now();
    while storage.get("pending/zz.json").await.is_some() && started.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let gone = storage.get("pending/zz.json").await.is_none();
    world.hand_over(&handler, "devicetwin", &[late]).await;
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    let tags = world.secondary.fleet().await["zz"]["tags"].clone();
    assert_eq!(tags, json!({}), "note gone: {gone}; a removal undone; losses {losses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_on_the_former_hub_and_disabled_there_is_not_deleted() {
    let (mut world, handler) = with_a_copy("again", quick()).await;
    world.promote("secondary", &[]).await;
    world.secondary.delete("again").await;
    let gone = world.last_told(&world.secondary, "again").await;
    world.hand_over(&handler, "devicetwin", &[gone]).await;
    world.primary.delete("again").await;
    world.primary.create("again").await;
    let all = world.log("devicetwin", 0).await;
    world.hand_over(&handler, "devicetwin", &all).await;
    assert!(world.secondary.device("again").await.is_some(), "the new life is brought over");
    world.primary.update("again", json!({"status": "disabled"})).await;
    world.primary.patch_twin("again", json!({"tags": {"disabled": true}})).await;
    let last = world.last_told(&world.primary, "again").await;
    world.hand_over(&handler, "devicetwin", &[last]).await;
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

/// Both hubs have it, and the active one refuses for ever what the former one said of it.
async fn with_what_is_refused_for_ever(environment: Vec<(&'static str, String)>) -> (World, Handler) {
    let (world, handler) = with_a_copy("refused", environment).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin("refused", json!({"properties": {"desired": {"n": 1}}})).await;
    let refusal =
        json!({"method": "PATCH", "pathContains": "/twins/refused", "status": 400, "times": 1_000_000});
    world.secondary.fault(refusal).await;
    let event = world.last_told(&world.primary, "refused").await;
    world.hand_over(&handler, "devicetwin", &[event]).await;
    assert_eq!(world.pending().await.len(), 1);
    (world, handler)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejoining_ends_when_what_cannot_be_brought_over_is_given_up_by_name() {
    let (world, handler) = with_what_is_refused_for_ever(busy()).await;
    let given_up = world.app(&["rejoin", "--accept", "--give-up", "refused"]).await;
    assert_eq!(given_up.code, 0, "{given_up:?}");
    let ended = hand_over_what_comes(&world, &handler, 45, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejoining_ends_also_with_a_lease_as_long_as_a_run_of_the_duty() {
    let mut environment = busy();
    environment[1].1 = "5".to_owned();
    environment.push(("HADR_SWEEP_SECONDS", "5".to_owned()));
    let (world, handler) = with_a_copy("x", environment).await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    let ended = hand_over_what_comes(&world, &handler, 80, async || is_in_sync(&world).await).await;
    assert!(ended, "{}", record(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_settled_is_tried_less_and_less_often_while_a_rejoining_waits_for_it() {
    let (world, handler) = with_what_is_refused_for_ever(busy()).await;
    hand_over_what_comes(&world, &handler, 20, async || false).await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        world.secondary.forget_requests().await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        let of_it = |r: &Value| r["path"].as_str().unwrap_or("").contains("/twins/refused");
        counts.push(world.secondary.requests().await.iter().filter(|r| of_it(r)).count());
    }
    // Two tries, where one a second would be twenty-four.
    let calls: usize = counts.iter().sum();
    assert!(calls <= 16, "calls for one identity in 8 s each: {counts:?} {:?}", world.pending().await);
}

/// What one process writes to the standby once it is in sync, another, which has not heard of that yet, must not take for
/// a client's.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_in_sync_is_not_brought_back_by_who_still_thinks_that_the_standby_rejoins() {
    let mut environment = busy();
    environment[1].1 = "8".to_owned();
    let (mut world, one) = with_a_copy("x", environment).await;
    world.primary.create("y").await;
    world.hand_over_all(&one).await;
    world.set_variable("HADR_RECORD_REFRESH_SECONDS", "60");
    world.promote("secondary", &[]).await;
    let two = world.handler("two").await;
    let of_y = world.last_told(&world.primary, "y").await;
    world.hand_over(&one, "devicetwin", std::slice::from_ref(&of_y)).await;
    until_y_is_compared(&world, &one, 300).await;
    // The other process takes its lease now.
    world.hand_over(&two, "devicetwin", &[of_y]).await;
    world.eventually("in sync", async || is_in_sync(&world).await).await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 1}}})).await;
    let first = [world.last_told(&world.secondary, "x").await];
    world
        .primary
        .fault(json!({"method": "PATCH", "pathContains": "/twins/x", "delayMs": 1000, "times": 1}))
        .await;
    let (_, _) = tokio::join!(world.hand_over(&one, "devicetwin", &first), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.secondary.patch_twin("x", json!({"properties": {"desired": {"n": 2}}})).await;
    });
    let copied = world.last_told(&world.primary, "x").await;
    world.hand_over(&two, "devicetwin", &[copied]).await;
    let took = started.elapsed();
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    let n = world.secondary.fleet().await["x"]["desired"]["n"].clone();
    assert_eq!(n, 2, "the newest accepted value, {took:?} after in-sync; {losses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_promotion_of_a_small_hub_with_many_partitions_does_not_say_that_the_hub_is_silent() {
    let options = Options { host: false, tier: Some("S1x1".to_owned()), ..Options::default() };
    let world = World::with(options).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    for n in 0..32 {
        let progress = json!({"eventHub": "devicetwin", "partition": n.to_string(), "sequenceNumber": 1,
            "enqueued": null, "appliedAt": "2026-11-24T00:00:00Z"});
        container(&world).put(&format!("progress/devicetwin/{n}.json"), progress.to_string()).await;
    }
    let wait = ["promote", "--to", "secondary", "--reason", "x", "--drain-timeout-seconds", "40"];
    let promoted = world.app(&wait).await;
    assert!(!promoted.stderr.contains("does not answer"), "{promoted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_writes_to_the_former_hub_between_two_calls_of_its_comparison_is_kept_or_named() {
    let (world, handler) = with_a_copy("x1", busy()).await;
    for id in ["x2", "x3"] {
        world.primary.create(id).await;
    }
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    for id in ["x1", "x2", "x3"] {
        world.secondary.patch_twin(id, json!({"properties": {"desired": {"n": 1}}})).await;
        let first = world.last_told(&world.secondary, id).await;
        world.hand_over(&handler, "devicetwin", &[first]).await;
    }
    until_closing(&world, &handler).await;
    world.primary.forget_requests().await;
    // It is read to be settled, read before it is written, and read to be written; then comes the write.
    let slow = |method| json!({"method": method, "pathContains": "/twins/x", "delayMs": 800, "times": 9});
    world.primary.fault(slow("GET")).await;
    world
        .primary
        .fault(json!({"method": "PATCH", "pathContains": "/twins/x3", "delayMs": 800, "times": 1}))
        .await;
    let after = async |id: &str, reads: usize| {
        world.eventually("it was read so often", async || world.primary.reads_of(id).await >= reads).await;
        // The next call is on its way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.primary.patch_twin(id, json!({"properties": {"desired": {"n": 9}}})).await;
    };
    tokio::join!(after("x1", 1), after("x2", 2), after("x3", 3));
    world.eventually("in sync", async || is_in_sync(&world).await).await;
    // Drift is named where its event comes before the next copy.
    for id in ["x1", "x2", "x3"] {
        let written = world.last_told(&world.primary, id).await;
        world.hand_over(&handler, "devicetwin", &[written]).await;
    }
    world.hand_over_all(&handler).await;
    let (primary, secondary) = (world.primary.fleet().await, world.secondary.fleet().await);
    let losses = world.app_json(&["losses", "list", "--json"]).await;
    for id in ["x1", "x2", "x3"] {
        let n = (primary[id]["desired"]["n"].clone(), secondary[id]["desired"]["n"].clone());
        // Where a slow machine lets the client's write come after the app's, it is drift of a standby that is in sync.
        let is_named = losses.as_array().unwrap().iter().any(|report| {
            let told = |line: &Value| {
                line["path"] == json!(["n"]) && (line["active"] == 9 || line["formerActive"] == 9)
            };
            report["identity"]["deviceId"] == id && report["losses"].as_array().unwrap().iter().any(told)
        });
        assert!(n == (json!(9), json!(9)) || is_named, "{id}: {n:?} {losses} {:?}", world.pending().await);
    }
}
