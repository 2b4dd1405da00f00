//! Settings that only the Functions host reads, and those that would go wrong in silence.

use reqwest::StatusCode;
use serde_json::Value;
use tokio::process::Command;

use crate::world::handler::{grid_event, with_a_device};
use crate::world::processes::{program, root};
use crate::world::{Options, World};

const EVENT_HUBS: &str = "myEventHubReadConnectionAppSetting";
const REGISTRY_GROUP: &str = "HADR_REGISTRY_CONSUMER_GROUP";
const TWIN_GROUP: &str = "HADR_TWIN_CONSUMER_GROUP";
const REFERENCE: &str = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s/)";

impl World {
    fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(existing, _)| existing != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_each_setting_that_only_the_host_reads() {
    let mut world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let fine = world.app(&["check"]).await;
    assert!(fine.code == 0 && fine.stdout.contains("consumer groups"), "{fine:?}");
    let iot_hub = world.variable("iothub1").to_owned();
    let key = iot_hub.rsplit("SharedAccessKey=").next().unwrap().to_owned();
    let with_path = format!("{};EntityPath=registry", world.variable(EVENT_HUBS).trim_end_matches(';'));
    let other = world.variable("HADR_HUB2_NAME").to_owned();
    for (name, value, said) in [
        (EVENT_HUBS, "", "is not set"),
        (EVENT_HUBS, &iot_hub, "IoT Hub"),
        (EVENT_HUBS, REFERENCE, "Key Vault"),
        (EVENT_HUBS, &with_path, "EntityPath"),
        (REGISTRY_GROUP, "", "is not set"),
        (TWIN_GROUP, "", "is not set"),
        (TWIN_GROUP, REFERENCE, "Key Vault"),
        ("HADR_HUB1_NAME", &other, "HADR_HUB2_NAME"),
    ] {
        let before = world.variable(name).to_owned();
        world.set(name, value);
        let checked = world.app(&["check"]).await;
        assert_eq!(checked.code, 1, "{name}: {checked:?}");
        let line = checked.stdout.lines().find(|line| line.starts_with(&format!("WRONG   {name}: ")));
        assert!(line.is_some_and(|line| line.contains(said)), "{name} {said}: {checked:?}");
        assert!(!checked.stdout.contains(&key), "{checked:?}");
        world.set(name, &before);
    }
    for name in [EVENT_HUBS, REGISTRY_GROUP, TWIN_GROUP] {
        world.set(name, "");
    }
    let all = world.app(&["check"]).await.stdout;
    assert!([EVENT_HUBS, REGISTRY_GROUP, TWIN_GROUP].iter().all(|name| all.contains(name)), "{all}");
    world.set("iothub1", REFERENCE);
    let ended = world.app(&["check"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    for said in ["iothub1: is a Key Vault reference", EVENT_HUBS, REGISTRY_GROUP, TWIN_GROUP] {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_only_events_need_leaves_the_router_its_answer_and_loses_no_event() {
    let mut world = with_a_device("waiting", Vec::new()).await;
    let iot_hub = world.variable("iothub1").to_owned();
    world.set(EVENT_HUBS, &iot_hub);
    world.set("HADR_HUB1_NAME", "secondary");
    let handler = world.handler("faults").await;
    let url = format!("{}/api/hub-router/pump", handler.url);
    world
        .eventually("the router answers", || async {
            world.http.get(&url).send().await.unwrap().status() == StatusCode::OK
        })
        .await;
    let event = [grid_event("primary", "waiting", "DeviceCreated", 1)];
    let (status, answer) = handler.deliver("registry", 0, &event).await;
    assert!(status == 503 && answer.to_string().contains("HADR_HUB1_NAME"), "{status} {answer}");
    assert!(world.dead_letters().await.is_empty());
    let log = log_of("faults");
    for said in [EVENT_HUBS, "HADR_HUB1_NAME"] {
        assert!(log.lines().any(|line| line.contains("ERROR") && line.contains(said)), "{said}: {log}");
    }
    drop(handler);
    world.set("HADR_HUB1_NAME", "primary");
    let handler = world.handler("mended").await;
    assert_eq!(handler.deliver("registry", 0, &event).await.0, 200);
    world.assert_hubs_equal().await;
}

/// What a handler of this test said.
fn log_of(handler: &str) -> String {
    let thread = std::thread::current().name().unwrap_or("test").replace("::", "-");
    let read = |name: String| std::fs::read_to_string(root().join("target/test-logs").join(name));
    let streams = [format!("{thread}.{handler}.out.log"), format!("{thread}.{handler}.log")];
    streams.into_iter().map(|name| read(name).unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_takes_the_hosts_words_and_refuses_what_would_silence_it() {
    let mut world = World::with(Options { host: false, ..Options::default() }).await;
    for (said, speaks) in [("Information", true), ("debug", true), ("Warning", false), ("NONE", false)] {
        world.set("HADR_LOG", said);
        let mut handler = world.handler(said).await;
        handler.process.signal("TERM");
        handler.process.exit_code().await;
        let log = log_of(said);
        assert_eq!(log.contains("taking no more work"), speaks, "{said}: {log}");
    }
    for word in ["Verbose", "iot_hadr", "iot-hadr=debug", "Information,loud"] {
        let mut command = Command::new(program("iot-hadr"));
        command.env_clear().envs(world.environment.iter().cloned());
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", "1").env("HADR_LOG", word).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{word}: {complaint}");
        assert!(complaint.contains("HADR_LOG"), "{word}: {complaint}");
    }
}

#[test]
fn host_json_keeps_the_log_quiet_and_partitions_moving() {
    let host: Value = serde_json::from_slice(&std::fs::read(root().join("host.json")).unwrap()).unwrap();
    let levels = host["logging"]["logLevel"].as_object().unwrap();
    let at_information = levels.iter().filter(|(_, level)| *level == "Information").map(|(name, _)| name);
    assert_eq!(at_information.collect::<Vec<_>>(), ["Host.Function.Console"]);
    for category in ["default", "Azure"] {
        assert_eq!(levels[category], "Warning", "the Azure SDK logs every request to storage");
    }
    let event_hubs = &host["extensions"]["eventHubs"];
    let seconds =
        |name: &str| event_hubs[name].as_str().unwrap().rsplit(':').next().unwrap().parse::<u64>().unwrap();
    assert_eq!(seconds("partitionOwnershipExpirationInterval"), 20);
    assert!(seconds("loadBalancingUpdateInterval") * 3 < seconds("partitionOwnershipExpirationInterval"));
}
