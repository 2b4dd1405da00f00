//! The life of the handler's process, and of the host's.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Setup, World, handler, host_command, write_app};

const LONG: Duration = Duration::from_secs(20);

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

async fn gone(pid: u32) {
    let deadline = Instant::now() + LONG;
    while Path::new(&format!("/proc/{pid}")).exists() {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.contains(") Z ") {
            return;
        }
        assert!(Instant::now() < deadline, "process {pid} is gone");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_killed_handler_is_restarted_on_its_port_and_the_batch_comes_back() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 2);
    let lost = world.script.next().await;
    kill(world.handler_pid, Signal::KILL);
    let handler = world.handler_other_than(world.handler_pid).await;
    assert_eq!(handler["restarts"], 1);
    let again = world.script.next().await;
    assert_eq!((again.numbers(), again.invocation_id()), (vec![0, 1], lost.invocation_id()));
    assert!(again.retry_count() > 0);
    again.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn the_third_crash_stops_the_host() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 1);
    for _ in 0..3 {
        world.script.next().await.exit(7);
    }
    let (code, said) = world.host_end().await;
    assert_eq!(code, Some(0), "as the real host");
    assert!(
        said.contains("Exceeded http worker restart retry count. Shutting down Functions Host"),
        "{said}"
    );
}

#[tokio::test]
async fn as_many_kills_are_survived_as_are_allowed() {
    let mut world =
        World::start(Setup { arguments: vec!["--max-restarts=5".to_owned()], ..Setup::default() }).await;
    for restarts in 1..=5 {
        let killed = world.steer("/handler/kill").await;
        let pid = u32::try_from(killed["killed"].as_u64().unwrap()).unwrap();
        assert_eq!(world.handler_other_than(pid).await["restarts"], restarts);
    }
    world.steer("/handler/kill").await;
    assert_eq!(world.host_end().await.0, Some(0));
}

#[tokio::test]
async fn exit_code_200_asks_for_a_restart_that_is_not_counted() {
    let mut world =
        World::start(Setup { arguments: vec!["--max-restarts=0".to_owned()], ..Setup::default() }).await;
    world.log.append("0", 1);
    for _ in 0..3 {
        world.script.next().await.exit(200);
    }
    world.script.next().await.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn a_handler_that_exits_with_0_is_never_restarted() {
    let mut world = World::start(Setup::default()).await;
    world.log.append("0", 1);
    world.script.next().await.exit(0);
    gone(world.handler_pid).await;
    assert!(!world.idle(Duration::from_millis(300)).await);
    let handler = world.get(format!("{}/handler", world.control)).await.1;
    assert_eq!((handler["restarts"].as_i64(), handler["state"].as_str()), (Some(0), Some("ready")));
    assert!(world.position("0").await["retryCount"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn an_empty_reply_hangs_until_the_function_times_out_and_the_handler_is_killed() {
    let arguments = vec!["--max-restarts=0".to_owned()];
    let mut world = World::start(Setup { function_timeout: "00:00:01", arguments, ..Setup::default() }).await;
    world.log.append("0", 1);
    let begun = Instant::now();
    world.script.next().await.reply(204, "");
    let again = world.script.next().await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(again.retry_count(), 1);
    let exception = &again.json()["Metadata"]["RetryContext"]["Exception"]["InnerException"];
    assert!(exception["ClassName"].as_str().unwrap().ends_with("FunctionTimeoutException"));
    assert_eq!(world.handler_other_than(world.handler_pid).await["restarts"], 1);
    again.succeed();
    assert!(world.idle(LONG).await);
}

#[tokio::test]
async fn the_handler_does_not_outlive_the_host() {
    let arguments = vec!["--end-on-sigterm".to_owned()];
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let mut world = World::start(Setup { arguments: arguments.clone(), ..Setup::default() }).await;
        kill(world.host_pid(), signal);
        let (code, _) = world.host_end().await;
        assert_eq!(code, (signal != Signal::KILL).then_some(0));
        gone(world.handler_pid).await;
    }
}

#[tokio::test]
async fn sigterm_is_ignored_and_sigint_ends_the_host_with_its_handler() {
    let mut world = World::start(Setup::default()).await;
    kill(world.host_pid(), Signal::TERM);
    world.said("SIGTERM is ignored").await;
    world.log.append("0", 1);
    world.script.next().await.succeed();
    assert!(world.idle(LONG).await, "it serves on");
    kill(world.host_pid(), Signal::INT);
    assert_eq!(world.host_end().await.0, Some(0));
    gone(world.handler_pid).await;
}

/// The exit code of a host that does not become ready, and what it says.
async fn not_started(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = std::env::temp_dir().join(format!("functions-host-{}", uuid::Uuid::new_v4()));
    write_app(&folder, &Setup::default());
    let app = folder.join("app").to_string_lossy().into_owned();
    let mut all = vec!["start".to_owned(), "--port=0".to_owned(), "--app".to_owned(), app];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let output = tokio::time::timeout(LONG, host_command(&all).output()).await.unwrap().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(output.stdout.len(), 0);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn refused(arguments: &[&str]) -> String {
    let (code, said) = not_started(arguments).await;
    assert_eq!(code, Some(1));
    said
}

#[tokio::test]
async fn what_is_missing_is_said_plainly_before_anything_starts() {
    let handler = handler().to_string_lossy().into_owned();
    let said = refused(&[]).await;
    assert!(said.contains("absent: no such file"), "{said}");
    let said = refused(&["--handler", &handler]).await;
    assert!(said.contains("--event-logs URL is needed"), "{said}");
    let said = refused(&["--handler", &handler, "--env", "HUB_CONNECTION="]).await;
    assert!(said.contains("the setting HUB_CONNECTION, named by \"connection\", has no value"), "{said}");
    let said = refused(&["--handler", &handler, "--env", "AzureWebJobsStorage="]).await;
    assert!(said.contains("Missing value for AzureWebJobsStorage"), "{said}");
}

#[tokio::test]
async fn a_handler_that_crashes_at_start_stops_the_host_before_it_is_ready() {
    let handler = handler().to_string_lossy().into_owned();
    let log = crate::event_log::EventLog::serve().await.1;
    let arguments = ["--handler", &handler, "--event-logs", &log, "--env", "EXIT_AT_START=3"];
    let (code, said) = not_started(&arguments).await;
    assert_eq!(code, Some(0), "as the real host");
    assert!(said.contains("Exceeded http worker restart retry count"), "{said}");
}
