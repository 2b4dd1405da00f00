//! Batches, retries, checkpoints.

use std::time::Duration;

use crate::observed::{header, names_of_headers};
use crate::world::{Setup, World};

const LONG: Duration = Duration::from_secs(20);
const FIXED_ONCE: &str = r#"{"strategy":"fixedDelay","maxRetryCount":1,"delayInterval":"00:00:01"}"#;

#[tokio::test]
async fn events_come_in_order_in_batches_of_their_partition_and_are_checkpointed() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 5);
    for numbers in [vec![0, 1], vec![2, 3], vec![4]] {
        let call = world.script.next().await;
        assert_eq!((call.target.as_str(), call.numbers()), ("/twin-sync", numbers));
        assert_eq!(
            call.json()["Data"]["events"].as_str().unwrap().matches("eyJu").count(),
            call.numbers().len()
        );
        call.succeed();
    }
    assert!(world.idle(LONG).await);
    assert_eq!((world.checkpoint("0"), world.position("0").await["next"].as_i64()), (5, Some(5)));
}

#[tokio::test]
async fn every_request_has_a_length_and_the_headers_of_the_real_host() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 4);
    for _ in 0..2 {
        let call = world.script.next().await;
        assert_eq!(call.names_of_headers(), names_of_headers("registry-sync-one-event"));
        for name in ["content-type", "user-agent", "x-azure-functions-hostversion"] {
            assert_eq!(call.header(name), Some(header("registry-sync-one-event", name).as_str()));
        }
        let length = call.body.len().to_string();
        assert_eq!(call.header("x-original-content-length"), Some(length.as_str()));
        call.succeed();
    }
}

#[tokio::test]
async fn an_exception_of_a_retry_has_the_invocations_id_and_says_why() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 1);
    world.script.next().await.reply(503, "{}");
    let again = world.script.next().await;
    let exception = &again.json()["Metadata"]["RetryContext"]["Exception"];
    assert_eq!(exception["InstanceId"], again.invocation_id());
    let inner = &exception["InnerException"];
    assert_eq!((inner["StatusCode"].as_i64(), inner["ClassName"].as_str()), (Some(503), None));
    assert!(inner["Message"].as_str().unwrap().ends_with(": 503 (Service Unavailable)."), "{inner}");
    again.exit(7);
    let last = world.script.next().await;
    let inner = &last.json()["Metadata"]["RetryContext"]["Exception"]["InnerException"];
    assert_eq!(inner["InnerException"]["Message"], "The response ended prematurely. (ResponseEnded)");
    last.succeed();
}

#[tokio::test]
async fn a_failed_batch_comes_back_whole_with_the_same_invocation_id() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 2);
    let first = world.script.next().await;
    let id = first.invocation_id();
    assert_eq!(first.retry_count(), 0);
    first.fail();
    for retry_count in 1..5 {
        let again = world.script.next().await;
        assert_eq!((again.invocation_id(), again.retry_count()), (id.clone(), retry_count));
        assert_eq!(again.numbers(), [0, 1]);
        if retry_count < 4 { again.fail() } else { again.succeed() }
    }
    assert!(world.idle(LONG).await);
    assert_eq!(world.position("0").await["lostBatches"], 0);
}

#[tokio::test]
async fn a_partition_that_is_stuck_does_not_stop_the_other() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 1);
    let stuck = world.script.next().await;
    world.log.append("1", 2);
    let other = world.script.next().await;
    assert_eq!((stuck.partition().as_str(), other.partition().as_str()), ("0", "1"));
    other.succeed();
    assert!(!world.idle(Duration::from_millis(200)).await);
    assert_eq!(world.position("0").await["inFlight"], 1);
    stuck.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn without_a_retry_policy_a_failed_batch_is_checkpointed_away() {
    let mut world = World::start(Setup { retry: None, ..Setup::default() }).await;
    world.log.append("0", 3);
    let first = world.script.next().await;
    assert!(first.json()["Metadata"]["RetryContext"].is_null());
    first.fail();
    let second = world.script.next().await;
    assert_eq!(second.numbers(), [2]);
    second.succeed();
    assert!(world.idle(LONG).await);
    assert_eq!(world.position("0").await["lostBatches"], 1);
}

#[tokio::test]
async fn a_batch_is_lost_when_its_retries_are_used_up() {
    let mut world = World::start(Setup { retry: Some(FIXED_ONCE), ..Setup::default() }).await;
    world.log.append("0", 3);
    for numbers in [vec![0, 1], vec![0, 1], vec![2]] {
        let call = world.script.next().await;
        assert_eq!(call.numbers(), numbers);
        if numbers == [2] { call.succeed() } else { call.fail() }
    }
    assert!(world.idle(LONG).await);
    assert_eq!((world.position("0").await["lostBatches"].as_i64(), world.checkpoint("0")), (Some(1), 3));
}

#[tokio::test]
async fn the_next_events_are_fetched_while_a_batch_runs() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 10);
    let running = world.script.next().await;
    world.log.asked_from("0", 10).await;
    running.succeed();
}

#[tokio::test]
async fn log_lines_of_a_reply_are_shown_only_when_it_succeeds() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 1);
    world.script.next().await.fail();
    world.script.next().await.succeed();
    assert!(world.idle(LONG).await);
    let said = world.everything_said().await;
    assert!(said.contains("Function.twin-sync.User: done"), "{said}");
    assert!(!said.contains("never shown"), "{said}");
    assert!(said.contains("Host.Function.Console: listening"), "{said}");
}
