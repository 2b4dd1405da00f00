//! What an operator asks for by hand, beside the looking.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::processes::program;
use crate::world::{Options, World, storage};

async fn quiet_world() -> World {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_answers_is_taken_for_lost_only_by_who_says_yes() {
    let world = quiet_world().await;
    let force = ["promote", "--to", "secondary", "--reason", "in a hurry", "--force"];
    let refused = world.app(&force).await;
    assert!(refused.code == 1 && refused.stderr.contains("the active hub answers"), "{refused:?}");
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(world.app_json(&["status", "--json"]).await["record"]["epoch"], 1);
    // It answers, if only that it does not want to.
    world.primary.fault(json!({"pathContains": "/twins/hadr-probe-1", "status": 401, "times": 1})).await;
    assert_eq!(world.app(&force).await.code, 1);
    let alone = world.app(&["promote", "--to", "secondary", "--reason", "x", "--yes"]).await;
    assert_eq!(alone.code, 2, "only --force has to be confirmed: {alone:?}");
    world.primary.outage("hang").await;
    let promoted = world.app(&force).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    let again = world.app(&force).await;
    assert!(again.code == 0 && again.stdout.contains("active already"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_were_looked_at_are_removed_by_name_or_all_together() {
    let world = World::start().await;
    for body in [&b"one"[..], b"two", b"three"] {
        world.append("devicetwin", 0, body, json!({})).await;
    }
    world.settle().await;
    let letters = world.dead_letters().await;
    let id = letters[0]["id"].as_str().unwrap();
    for wrong in [&["dead-letters", "remove"][..], &["dead-letters", "remove", id, "--all"]] {
        assert_eq!(world.app(wrong).await.code, 2, "{wrong:?}");
    }
    let ran = world.app(&["dead-letters", "remove", id, "devicetwin/0/nothing"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "1 dead letter removed\n"), "{ran:?}");
    assert!(ran.stderr.contains("devicetwin/0/nothing"), "{ran:?}");
    assert_eq!(world.dead_letters().await, letters[1..]);
    // Also one that cannot be read.
    storage::container(&world).put("dead-letters/devicetwin/0/broken.json", "{").await;
    let ran = world.app(&["dead-letters", "remove", "--all"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "3 dead letters removed\n"), "{ran:?}");
    assert!(storage::container(&world).list("dead-letters/").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_reports_of_one_identity_are_shown_alone() {
    let world = quiet_world().await;
    let report = |id: &str, epoch: u64| {
        json!({"identity": {"deviceId": id}, "epoch": epoch, "at": "2026-11-30T10:00:00Z", "losses": [
            {"section": "tags", "path": ["site"], "active": "a", "formerActive": null, "kept": "active"}]})
    };
    let storage = storage::container(&world);
    for (id, segment, epoch) in
        [("edge#1", "edge%25231", 2), ("edge#1", "edge%25231", 3), ("edge#11", "edge%252311", 3)]
    {
        storage.put(&format!("losses/{epoch:010}/{segment}.json"), report(id, epoch).to_string()).await;
    }
    let shown = world.app(&["losses", "show", "edge#1"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{shown:?}");
    assert!(lines[0].starts_with("edge#1, epoch 2, last added to 2026-11-30T10:00:00Z"), "{shown:?}");
    assert_eq!(lines[3], "  tags site  active \"a\"  former null  kept active");
    let documents = world.app_json(&["losses", "show", "edge#1", "--json"]).await;
    assert_eq!(documents, json!([report("edge#1", 2), report("edge#1", 3)]));
    let none = world.app(&["losses", "show", "edge"]).await;
    assert!(none.code == 1 && none.stderr.contains("no loss report of edge"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_many_devices_are_connected_to_each_hub_where_the_hub_says_so() {
    let world = quiet_world().await;
    world.primary.create("pump").await;
    let _device = world.connect(&world.primary, "pump").await;
    let hubs = world.app_json(&["status", "--json"]).await["hubs"].clone();
    assert_eq!(
        (&hubs["primary"]["connected"], &hubs["secondary"]["connected"]),
        (&json!(1), &json!(0)),
        "{hubs}"
    );
    let shown = world.app(&["status"]).await.stdout;
    assert!(shown.contains("reachable, 2 devices (0 disabled), 1 connected"), "{shown}");
    world.primary.fault(json!({"pathContains": "/statistics/service", "status": 404, "times": 1000})).await;
    let hub = world.app_json(&["status", "--json"]).await["hubs"]["primary"].clone();
    assert_eq!(
        (&hub["connected"], &hub["devices"], &hub["reachable"]),
        (&Value::Null, &json!(2), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_completes_commands_without_any_setting() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = Command::new(program("iot-hadr"));
        let output = command.args(["completions", shell]).env_clear().output().await.unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {:?}", output.stderr);
        for word in ["promote", "dry-run", "dead-letters", "deep"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_among_the_notes_that_is_none_is_named_and_removed_and_counts_for_nothing() {
    let world = quiet_world().await;
    let storage = storage::container(&world);
    // No identity is called so, is written so, or has a note at that place; the last one has.
    for name in ["what%20is%20this.json", "copy%2520of%2520a.json", "a.json.bak", "a/b.json"] {
        storage.put(&format!("pending/{name}"), "{}").await;
    }
    storage.put("pending/a.json", "{}").await;
    let status = world.app_json(&["status", "--json"]).await;
    assert_eq!((&status["pending"], &status["strays"]), (&json!(1), &json!(4)), "{status}");
    assert!(world.app(&["status"]).await.stdout.contains("strays        4 blobs under pending/"));
    let listed = world.app(&["pending", "list"]).await;
    assert!(listed.stdout.ends_with("\n1 pending\n"), "{listed:?}");
    assert_eq!(listed.stderr.matches(" is no note").count(), 4, "{listed:?}");
    let refused = world.app(&["pending", "remove", "pending/a.json"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("would be forgotten"), "{refused:?}");
    assert_eq!(world.app(&["pending", "remove", "routing-record.json"]).await.code, 1);
    let names =
        ["pending/what is this.json", "pending/copy%20of%20a.json", "pending/a.json.bak", "pending/a/b.json"];
    let removed = world.app(&[&["pending", "remove"][..], &names].concat()).await;
    assert_eq!((removed.code, removed.stdout.as_str()), (0, "4 blobs removed\n"), "{removed:?}");
    assert_eq!(storage.list("pending/").await, ["pending/a.json"]);
}
