//! Who owns a partition, and where it begins.

use std::time::Duration;

use crate::world::{Setup, World};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_restarted_host_begins_at_the_checkpoint() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 4);
    world.script.next().await.succeed();
    let second = world.script.next().await;
    assert_eq!(second.numbers(), [2, 3]);
    world.kill_and_restart_host().await;
    drop(second);
    let again = world.script.next().await;
    assert_eq!((again.numbers(), again.retry_count()), (vec![2, 3], 0));
    again.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn a_moved_partition_is_delivered_again_while_the_old_invocation_is_in_flight() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 2);
    let old = world.script.next().await;
    let moved = world.steer("/partitions/twin-sync/0/move").await;
    assert_eq!(moved["from"], 0);
    let new = world.script.next().await;
    assert_eq!((new.numbers(), new.retry_count()), (vec![0, 1], 0));
    assert_ne!(new.invocation_id(), old.invocation_id());
    assert_eq!(world.position("0").await["inFlight"], 2);
    new.succeed();
    world.log.append("0", 2);
    let next = world.script.next().await;
    assert_eq!(next.numbers(), [2, 3]);
    next.succeed();
    assert!(!world.idle(Duration::from_millis(100)).await, "the old invocation is in flight");
    old.succeed();
    assert!(world.idle(LONG).await);
    assert_eq!(world.checkpoint("0"), 4);
}

#[tokio::test]
async fn a_released_partition_is_acquired_at_the_checkpoint_with_its_unfinished_batch() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 2);
    let unfinished = world.script.next().await;
    assert_eq!(world.steer("/partitions/twin-sync/0/release").await["from"], 0);
    world.log.append("0", 1);
    unfinished.succeed();
    assert!(world.idle(LONG).await, "what another host may own is nothing to wait for");
    assert!(world.script.is_silent());
    assert_eq!(world.steer("/partitions/twin-sync/0/acquire").await["from"], 0);
    let again = world.script.next().await;
    assert_eq!(again.numbers(), [0, 1]);
    again.succeed();
    world.script.next().await.succeed();
    assert!(world.idle(LONG).await);
    assert_eq!(world.checkpoint("0"), 3);
}

#[tokio::test]
async fn a_host_without_partitions_takes_them_when_told() {
    let arguments = ["--without-partitions".to_owned()].into();
    let mut world = World::start(Setup { arguments, ..Setup::default() }).await;
    world.log.append("0", 1);
    assert!(world.idle(LONG).await);
    assert!(world.script.is_silent());
    world.steer("/partitions/twin-sync/0/acquire").await;
    world.script.next().await.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn a_former_owner_does_not_repeat_what_failed() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 1);
    let old = world.script.next().await;
    world.steer("/partitions/twin-sync/0/move").await;
    let new = world.script.next().await;
    old.fail();
    new.succeed();
    assert!(world.idle(LONG).await);
    assert!(world.script.is_silent());
}

#[tokio::test]
async fn nothing_begins_while_the_host_is_paused() {
    let mut world = World::start(Setup::default()).await;
    world.steer("/pause").await;
    world.log.append("0", 2);
    world.log.asked_from("0", 2).await;
    assert!(!world.idle(Duration::from_millis(100)).await);
    assert!(world.script.is_silent());
    world.steer("/resume").await;
    world.script.next().await.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn a_timer_runs_on_demand_and_counts_as_in_flight() {
    let mut world = World::start(Setup::default()).await;
    world.steer("/timers/fleet-sweep/run").await;
    let call = world.script.next().await;
    assert_eq!(call.target, "/fleet-sweep");
    assert_eq!(call.json()["Data"]["tick"]["ScheduleStatus"]["Last"], "0001-01-01T00:00:00");
    assert!(!world.idle(Duration::ZERO).await);
    call.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn a_function_is_switched_off_by_its_setting() {
    let arguments = ["--env".to_owned(), "AzureWebJobs.fleet-sweep.Disabled=true".to_owned()].into();
    let world = World::start(Setup { arguments, ..Setup::default() }).await;
    assert_eq!(world.post(format!("{}/timers/fleet-sweep/run", world.control), "").await, 404);
}
