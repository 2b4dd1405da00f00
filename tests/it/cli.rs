//! The command line, for the one who is on call.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::azurite::connection_string_for;
use crate::world::processes::program;
use crate::world::{Options, World, storage};

async fn quiet_world() -> World {
    World::with(Options { host: false, ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_in_ten_lines_what_is_missing_and_then_that_nothing_is() {
    let world = quiet_world().await;
    let before = world.app(&["check"]).await;
    assert_eq!(before.code, 1, "no record yet: {before:?}");
    assert!(before.stdout.contains("init"), "{before:?}");
    assert_eq!(world.app(&["init"]).await.code, 0);
    let after = world.app(&["check"]).await;
    assert_eq!(after.code, 0, "{after:?}");
    assert!(after.stdout.lines().count() <= 10, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_the_hub_that_does_not_answer() {
    let world = quiet_world().await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    world.secondary.outage("refuse").await;
    let checked = world.app(&["check"]).await;
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.stdout.contains("secondary") || checked.stdout.contains("iothub2"), "{checked:?}");
    assert!(checked.stdout.lines().count() <= 10, "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_twice_changes_nothing_and_makes_the_probe_identity_on_both_hubs() {
    let world = quiet_world().await;
    for _ in 0..2 {
        let ran = world.app(&["init"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    for hub in [&world.primary, &world.secondary] {
        assert!(hub.device("hadr-probe-1").await.is_some(), "{}", hub.name);
    }
    assert!(world.app(&["status", "--json"]).await.stdout.replace(' ', "").contains("\"epoch\":1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_record_hubs_pending_dead_letters_and_how_far_each_partition_is() {
    let world = World::start().await;
    world.append("devicetwin", 0, b"nonsense", json!({})).await;
    world.primary.create("one").await;
    world.settle().await;
    let status = world.app(&["status"]).await;
    assert_eq!(status.code, 0, "{status:?}");
    let said = status.stdout.to_lowercase();
    for word in ["epoch", "primary", "secondary", "pending", "dead letters", "devicetwin"] {
        assert!(said.contains(word), "{word}: {status:?}");
    }
    assert!(said.lines().count() <= 40, "more than a screen: {status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn monitoring_is_told_in_one_word_and_by_exit_code_whether_a_failover_would_work() {
    let mut world = World::start().await;
    // A loaded machine may give further reasons: a duty that was not done for a moment.
    let state = async |world: &World| {
        let (ran, document) = (world.app(&["status"]).await, world.app_json(&["status", "--json"]).await);
        let first = ran.stdout.lines().next().unwrap_or_default().to_owned();
        let (state, reason) = (&document["health"]["state"], &document["health"]["reasons"][0]);
        (ran.code, first, state.as_str().unwrap().to_owned(), reason.as_str().unwrap_or_default().to_owned())
    };
    let healthy = (0, "HEALTHY".to_owned(), "HEALTHY".to_owned(), String::new());
    world.eventually("all is well", async || state(&world).await == healthy).await;
    let is = |(code, first, word, reason): (i32, String, String, String), expected: (i32, &str, &str)| {
        assert_eq!((code, word.as_str(), reason.as_str()), expected, "{first}");
        assert!(first.starts_with(&format!("{word}: {reason}")), "{first}");
    };
    world.secondary.outage("refuse").await;
    is(state(&world).await, (1, "DEGRADED", "the standby (secondary) does not answer"));
    world.primary.outage("refuse").await;
    is(state(&world).await, (2, "BROKEN", "the active hub (primary) does not answer"));
    world.primary.outage("off").await;
    world.secondary.outage("off").await;
    // Nobody listens on port 1.
    for (name, value) in &mut world.environment {
        if name == "AzureWebJobsStorage" {
            *value = connection_string_for(1);
        }
    }
    let (code, first, ..) = state(&world).await;
    assert!(code == 2 && first.starts_with("BROKEN: storage"), "{code} {first}");
    let ran = world.app(&["status", "--json"]).await;
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &document["hubs"]["secondary"]["reachable"]), (69, &json!(true)), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_dead_letter_survive() {
    let world = World::start().await;
    world.append("devicetwin", 0, &[0xff, 0xfe, 0x00], json!({"why": "binary"})).await;
    world.append("devicetwin", 0, "wörtlich".as_bytes(), json!({})).await;
    world.settle().await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    for letter in &letters {
        let id = letter["id"].as_str().expect("every dead letter has an id");
        let shown = world.app(&["dead-letters", "show", id, "--json"]).await;
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(shown.stdout.contains("//4A") || shown.stdout.contains("wörtlich"), "{shown:?}");
        assert_eq!(letter["partition"], "0");
        assert!(letter["sequenceNumber"].is_number());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pending_identity_can_be_shown_and_retried_alone() {
    let world = World::start().await;
    world.primary.create("bad").await;
    world.settle().await;
    world
        .secondary
        .fault(json!({"method": "PATCH", "pathContains": "/twins/bad", "status": 400, "times": 1}))
        .await;
    world.primary.patch_twin("bad", json!({"tags": {"n": 1}})).await;
    world.settle().await;
    let pending = world.pending().await;
    let id = pending[0]["id"].as_str().unwrap();
    let shown = world.app(&["pending", "show", id, "--json"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let retried = world.app(&["pending", "retry", id]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
    assert_ne!(world.app(&["pending", "show", "nobody"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_storage_gone_commands_say_so_and_fail() {
    let gone = crate::world::azurite::connection_string_for(9);
    let environment = vec![("AzureWebJobsStorage", gone)];
    let world = World::with(Options { environment, host: false, ..Options::default() }).await;
    for arguments in [&["status"][..], &["pending", "list"], &["init"], &["check"]] {
        let ran = world.app(arguments).await;
        assert_ne!(ran.code, 0, "{arguments:?} {ran:?}");
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).to_lowercase().contains("storage"),
            "{arguments:?} {ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_how_far_a_rejoining_is_and_the_dry_run_what_its_end_would_write() {
    let world = quiet_world().await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    assert_eq!(world.app_json(&["status", "--json"]).await["rejoining"], Value::Null);
    world.primary.create("stays").await;
    let planned = ["promote", "--to", "secondary", "--reason", "drill", "--drain-timeout-seconds", "0"];
    assert_eq!(world.app(&planned).await.code, 0);
    world.secondary.create("new").await;

    let storage = storage::container(&world);
    let listed = json!([{"deviceId": "new"}, {"deviceId": "stays"}]);
    storage.put("changed/0000000002-0/devicetwin-0.json", listed.to_string()).await;
    storage.put("unreadable/pump/etag", "not a note").await;
    let passed = |partition: &str, mark: &str| {
        json!({"eventHub": "devicetwin", "partition": partition, "sequenceNumber": 1, "enqueued": mark,
            "appliedAt": mark, "markers": {"primary": mark}})
    };
    storage.put("progress/devicetwin/0.json", passed("0", "2100-01-01T00:00:00Z").to_string()).await;
    storage.put("progress/devicetwin/1.json", passed("1", "2000-01-01T00:00:00Z").to_string()).await;

    let status = world.app_json(&["status", "--json"]).await;
    let rejoining = &status["rejoining"];
    assert_eq!((&rejoining["stage"], &status["unreadable"]), (&json!("moving"), &json!(1)), "{status}");
    assert_eq!((&rejoining["planned"], &rejoining["accepted"]), (&json!(true), &json!(false)), "{status}");
    let partitions = (&rejoining["partitionsPassed"], &rejoining["partitionsKnown"]);
    // A mark of a clock that is years ahead proves nothing.
    assert_eq!(partitions, (&json!(0), &json!(2)), "{status}");
    assert_eq!((&rejoining["pending"], &rejoining["listed"]), (&json!(0), &json!(2)), "{status}");
    let until = rejoining["endsAfter"].as_str().unwrap();
    assert!(until > status["record"]["cut"].as_str().unwrap(), "{status}");

    let shown = world.app(&["status"]).await.stdout;
    for line in [
        "stage         clients may still move, until ",
        "partitions    0 of 2 have passed the time that clients need to move",
        "listed        2 identities to compare",
        "unreadable    1 note set aside under unreadable/",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!shown.contains('['), "bars are for terminals: {shown}");

    let plan = world.app(&["rejoin", "--dry-run"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
    for line in [
        "losses        none so far",
        "what the primary hub would get, as both hubs are now:",
        "  new  create",
        "  stays  stays: only the former active hub has it, and no deletion was announced",
        "2 looked at: 1 to create, 1 that stay",
    ] {
        assert!(plan.stdout.contains(line), "{line}: {plan:?}");
    }
    let one = world.app(&["rejoin", "--dry-run", "--limit", "1"]).await;
    assert!(one.stdout.contains("1 looked at: 1 to create; 1 more are listed (`--limit N`)"), "{one:?}");
    assert!(world.primary.device("new").await.is_none(), "a dry run writes nothing");

    world.primary.outage("refuse").await;
    let half = world.app(&["rejoin", "--dry-run"]).await;
    let silent = "the primary hub does not answer: ";
    assert!(half.code == 0 && half.stderr.contains(silent) && !half.stdout.contains("looked at"), "{half:?}");

    storage.end_rejoining().await;
    assert_eq!(world.app_json(&["status", "--json"]).await["rejoining"], Value::Null);
    assert!(world.app(&["rejoin", "--dry-run"]).await.stdout.contains("in sync: nothing to end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_stand_in_columns_with_ids_as_people_write_them_and_their_count_on_stdout() {
    let world = World::start().await;
    for device in ["a", "edge#1"] {
        world.primary.create(device).await;
    }
    world.settle().await;
    let refusal = json!({"method": "PATCH", "pathContains": "/twins/", "status": 400, "times": 1000});
    world.secondary.fault(refusal).await;
    for device in ["a", "edge#1"] {
        world.primary.patch_twin(device, json!({"tags": {"n": 1}})).await;
    }
    world.append("devicetwin", 0, b"nonsense", json!({})).await;
    world.settle().await;
    let pending = world.app(&["pending", "list"]).await;
    let lines: Vec<&str> = pending.stdout.lines().collect();
    assert!(lines.len() == 3 && lines[2] == "2 pending" && pending.stderr.is_empty(), "{pending:?}");
    assert!(lines[0].starts_with("a       rejected  for ") && lines[1].starts_with("edge#1  rejected  for "));
    assert_eq!(world.app(&["pending", "show", "edge#1"]).await.code, 0);
    let letters = world.app(&["dead-letters", "list"]).await;
    assert!(letters.stdout.ends_with("\n1 dead letter\n") && letters.stderr.is_empty(), "{letters:?}");
    let losses = world.app(&["losses", "list"]).await;
    assert!(losses.stdout == "0 loss reports\n" && losses.stderr.is_empty(), "{losses:?}");
    world.secondary.clear_faults().await;
    assert_eq!(world.app(&["pending", "retry"]).await.stdout, "2 tried: 2 in order now, 0 still pending\n");
    assert_eq!(world.app(&["pending", "retry"]).await.stdout, "nothing is pending\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_suggests_is_accepted_and_a_promotion_counts_down() {
    let world = World::with(Options {
        environment: vec![("HADR_LEASE_SECONDS", "12".to_owned())],
        host: false,
        ..Options::default()
    })
    .await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let refused = world.app(&["init", "--active", "secondary"]).await;
    let suggested = "promote --to secondary --reason";
    assert!(refused.code == 1 && refused.stderr.contains(suggested), "{refused:?}");
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "…", "--force", "--yes"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    assert!(promoted.stderr.lines().any(|line| line.ends_with(" s to go")), "{promoted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_command_may_be_in_a_file_and_where_they_are_not_it_says_where_they_could_be() {
    let world = quiet_world().await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let app = world.folder.join("app");
    std::fs::create_dir_all(&app).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(program("iot-hadr"));
        command.args(arguments).env_clear().env("SSL_CERT_FILE", world.variable("SSL_CERT_FILE"));
        let output = command.current_dir(&app).kill_on_drop(true).output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["status"]).await;
    assert_eq!(code, Some(64), "{said}");
    for word in ["iothub1: is not set", "--env-file", "local.settings.json"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let lines: String = world.environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    std::fs::write(app.join("settings.env"), lines).unwrap();
    let (code, said) = run(&["check", "--env-file", "settings.env"]).await;
    assert_eq!(code, Some(0), "{said}");
    let values: serde_json::Map<String, Value> =
        world.environment.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let local = json!({"IsEncrypted": false, "Values": values}).to_string();
    std::fs::write(app.join("local.settings.json"), local).unwrap();
    std::fs::write(app.join("host.json"), "{}").unwrap();
    let (code, said) = run(&["check"]).await;
    assert!(code == Some(0) && said.contains("local.settings.json"), "{code:?} {said}");
}
