//! Roles change places, and only one hub is active in an epoch.

use serde_json::json;

use crate::world::processes::{Process, program};
use crate::world::storage::container;
use crate::world::{Options, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_promotion_moves_the_devices_and_leaves_the_other_hub_rejoining() {
    let world = World::start().await;
    world.primary.create("mover").await;
    world.settle().await;
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "drill"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    world
        .eventually("the router follows", || async { world.route("mover").await["hub"] == "secondary" })
        .await;
    assert_eq!(world.route("mover").await["iotHub"], world.secondary.host_name.as_str());
    let record = world.app_json(&["status", "--json"]).await["record"].clone();
    assert_eq!((&record["standbyState"], &record["planned"]), (&json!("rejoining"), &json!(true)));
    assert_eq!((&record["diverged"]["origin"], &record["diverged"]["epoch"]), (&json!("primary"), &json!(2)));
    let shown = world.app(&["status"]).await.stdout;
    let planned =
        "rejoining     after a planned promotion: ends by itself when all that the primary hub said";
    assert!(shown.contains(planned), "{shown}");
    let back = ["promote", "--to", "primary", "--reason", "drill over"];
    let refused = world.app(&back).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("wait until `iot-hadr status` says in-sync, or --force"), "{refused:?}");
    let forced = world.app(&[&back[..], &["--force", "--yes"]].concat()).await;
    assert_eq!(forced.code, 0, "{forced:?}");
    world.eventually("the router follows back", || async { world.route("mover").await["epoch"] == 3 }).await;
    let again = world.app_json(&["status", "--json"]).await["record"].clone();
    assert_eq!((&again["diverged"], &again["planned"]), (&record["diverged"], &json!(false)));
    let shown = world.app(&["status"]).await.stdout;
    let forced = "rejoining     after a forced promotion: ends when an operator has accepted it (`iot-hadr rejoin`), and";
    assert!(shown.contains(forced), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_forced_promotion_nothing_is_written_to_the_lost_hub_and_its_backlog_reaches_the_new_one() {
    let world = World::start().await;
    world.primary.create("survivor").await;
    world.primary.patch_twin("survivor", json!({"properties": {"desired": {"n": 1, "m": 1}}})).await;
    world.settle().await;
    world.host_post("/pause").await;
    world.primary.patch_twin("survivor", json!({"properties": {"desired": {"n": 2, "m": 2}}})).await;
    world.primary.outage("refuse").await;
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "region lost", "--force"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    world.secondary.patch_twin("survivor", json!({"properties": {"desired": {"m": 3}}})).await;
    world.host_post("/resume").await;
    world.settle().await;
    let desired = &world.secondary.fleet().await["survivor"]["desired"];
    assert_eq!(desired, &json!({"n": 2, "m": 3}), "and what the new active hub changed after the cut stays");
    world.primary.outage("off").await;
    world.primary.forget_requests().await;
    world.secondary.create("after").await;
    world.secondary.patch_twin("survivor", json!({"tags": {"after": true}})).await;
    world.settle().await;
    assert!(world.primary.writes().await.is_empty(), "{:?}", world.primary.writes().await);
    let status = world.app(&["status"]).await;
    assert!(status.stdout.contains("rejoining"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoter_killed_between_its_two_steps_is_finished_by_somebody_else() {
    let world = World::start().await;
    let mut command = tokio::process::Command::new(program("iot-hadr"));
    command.args(["promote", "--to", "secondary", "--reason", "dies half way", "--force", "--yes"]);
    command.env_clear().envs(world.environment.iter().cloned());
    let promoter = Process::start_quietly("promoter", &mut command);
    world
        .eventually("the first step", || async { container(&world).record().await["phase"] == "promoting" })
        .await;
    promoter.signal("KILL");
    world
        .eventually("the promotion is finished", || async { world.route("x").await["hub"] == "secondary" })
        .await;
    assert_eq!(world.route("x").await["epoch"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn promoting_the_active_hub_changes_nothing() {
    let world = World::start().await;
    let ran = world.app(&["promote", "--to", "primary", "--reason", "by mistake"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.route("x").await["epoch"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_makes_its_own_record_and_can_delete_from_then_on() {
    let mut world = World::with(Options { host: false, ..Options::default() }).await;
    world.start_host(&Options::default()).await;
    world.primary.create("first").await;
    world.settle().await;
    world.assert_hubs_equal().await;
    world.primary.delete("first").await;
    world.settle().await;
    world.sweep().await;
    assert!(world.secondary.device("first").await.is_none());
    assert_eq!(world.route("x").await["epoch"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_gets_no_turn_at_the_new_active_hub_stays_in_its_note_until_it_is_there() {
    // A refusal means a pause of 10 s, longer than a batch or a run of the duty works in this world. It
    // is the handler's own pause: a retry by hand knows nothing of it.
    let short =
        [("HADR_INVOCATION_SECONDS", "8"), ("HADR_SWEEP_SECONDS", "5"), ("HADR_SWEEP_EVERY_SECONDS", "1")];
    let environment = short.map(|(name, value)| (name, value.to_owned())).to_vec();
    let world = World::with(Options { environment, tier: None, ..Options::default() }).await;
    world.primary.create("late").await;
    world.primary.patch_twin("late", json!({"properties": {"desired": {"n": 1}}})).await;
    world.settle().await;
    world.host_post("/pause").await;
    world.primary.patch_twin("late", json!({"properties": {"desired": {"n": 2}}})).await;
    let promoted =
        world.app(&["promote", "--to", "secondary", "--reason", "region lost", "--force", "--yes"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    let refusal =
        json!({"method": "PATCH", "pathContains": "/twins/late", "status": 429, "times": 1_000_000});
    world.secondary.fault(refusal).await;
    world.host_post("/resume").await;
    world
        .eventually("the backlog is pending for want of a turn", || async {
            let notes = world.pending().await;
            let late = notes.iter().find(|note| note["identity"]["deviceId"] == "late");
            late.is_some_and(|note| {
                let desired = &note["primary"]["writes"]["desired"];
                note["reason"] == "throttled" && desired.to_string().contains("\"set\":2")
            })
        })
        .await;
    world.secondary.clear_faults().await;
    world
        .eventually("the backlog is on the new active hub", || async {
            world.secondary.fleet().await["late"]["desired"]["n"] == 2
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_change_from_before_the_cut_is_kept_when_the_former_active_hub_cannot_be_read() {
    let world = World::start().await;
    world.primary.create("late").await;
    world.settle().await;
    let before_the_cut = jiff::Timestamp::now();
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "drill"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    world.settle().await;
    let unreadable = json!({"method": "GET", "pathContains": "/twins/late", "status": 401, "times": 1000});
    world.primary.fault(unreadable).await;
    let body = json!({"version": 9, "tags": {"said": "before the cut"}}).to_string();
    let properties = json!({
        "hubName": "primary", "deviceId": "late", "opType": "updateTwin",
        "iothub-message-schema": "twinChangeNotification", "operationTimestamp": before_the_cut.to_string(),
    });
    world.append("devicetwin", 0, body.as_bytes(), properties).await;
    world.settle().await;
    assert_eq!(world.secondary.fleet().await["late"]["tags"]["said"], "before the cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_the_end_of_a_rejoining_once_more_does_not_put_it_off() {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let forced = world.app(&["promote", "--to", "secondary", "--reason", "drill", "--force", "--yes"]).await;
    assert_eq!(forced.code, 0, "{forced:?}");
    assert_eq!(world.app(&["rejoin", "--accept"]).await.code, 0);
    let accepted = container(&world).get("routing-record.json").await;
    assert_eq!(world.app(&["rejoin", "--accept"]).await.code, 0);
    assert_eq!(
        container(&world).get("routing-record.json").await,
        accepted,
        "a new record would have to become known again"
    );
}
