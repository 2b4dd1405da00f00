//! Blobs to the registry.

use super::azurite::Container;
use super::exports::lines;
use super::world::World;
use super::*;

/// Imports lines; gives the error log.
pub(crate) async fn import(world: &World, container: &Container, lines: &[Value]) -> Vec<Value> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    container.put("devices.txt", text).await;
    let ended = world.run(job(container)).await;
    assert_eq!((&ended["status"], &ended["failureReason"]), (&json!("completed"), &Value::Null));
    self::lines(container, "importErrors.log").await
}

pub(crate) fn job(container: &Container) -> Value {
    json!({"type": "import", "inputBlobContainerUri": container.uri("r"), "outputBlobContainerUri": container.uri("rwd")})
}

fn line(id: &str, mode: &str) -> Value {
    json!({"id": id, "importMode": mode, "status": "enabled"})
}

fn with(mut line: Value, more: Value) -> Value {
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line
}

fn codes(errors: &[Value]) -> Vec<(&str, u64)> {
    errors
        .iter()
        .map(|error| (error["deviceId"].as_str().unwrap(), error["errorCode"].as_u64().unwrap()))
        .collect()
}

async fn worlds() -> (World, Container) {
    (World::start().await, Container::new().await)
}

#[tokio::test]
async fn the_container_that_is_read_is_told_when_the_job_is_made_and_then_no_more() {
    let (world, container) = worlds().await;
    container.put("devices.txt", format!("{}\n", line("d", "create"))).await;
    let job = job(&container);
    let (_, created) = world.create(job.clone()).await;
    assert_eq!(created["inputBlobContainerUri"], job["inputBlobContainerUri"]);
    assert_eq!(world.ended(&created["jobId"]).await.get("inputBlobContainerUri"), None);
}

#[tokio::test]
async fn each_mode_does_what_it_says_and_failures_have_numbers() {
    let (world, container) = worlds().await;
    for device in ["there", "gone", "tagged"] {
        world.put(&format!("/devices/{device}"), json!({})).await;
    }
    let errors = import(
        &world,
        &container,
        &[
            line("new", "create"),
            line("there", "create"),
            with(line("there", "Update"), json!({"status": "disabled"})),
            line("absent", "update"),
            line("gone", "DELETE"),
            line("absent", "delete"),
            with(line("tagged", "updateTwin"), json!({"tags": {"site": "A"}, "status": "disabled"})),
            line("absent", "updateTwin"),
            line("either", "createOrUpdate"),
            with(json!({"id": "there", "status": "disabled"}), json!({"statusReason": "twice"})),
            line("there", "conquer"),
        ],
    )
    .await;
    assert_eq!(
        codes(&errors),
        [
            ("there", 409_001),
            ("absent", 404_001),
            ("absent", 404_001),
            ("absent", 404_001),
            ("there", 400_004),
        ]
    );
    assert!(errors.iter().all(|error| error["errorStatus"].is_string()));
    let there = world.get("/devices/there").await.unwrap();
    assert_eq!((&there["status"], &there["statusReason"]), (&json!("disabled"), &json!("twice")));
    assert!(world.get("/devices/gone").await.is_none());
    assert!(world.get("/devices/new").await.is_some() && world.get("/devices/either").await.is_some());
    let tagged = world.get("/twins/tagged").await.unwrap();
    assert_eq!((&tagged["tags"], &tagged["status"]), (&json!({"site": "A"}), &json!("enabled")));
}

#[tokio::test]
async fn conditional_modes_refuse_a_stale_etag_and_take_the_current_one() {
    let (world, container) = worlds().await;
    let modes =
        ["updateIfMatchETag", "createOrUpdateIfMatchETag", "updateTwinIfMatchETag", "deleteIfMatchETag"];
    let stale = json!({"eTag": "c3RhbGU=", "twinETag": "AAAAAAAAAAk=", "tags": {"n": 1}});
    for mode in modes {
        let made = world.put(&format!("/devices/{mode}"), json!({})).await;
        let errors = import(&world, &container, &[with(line(mode, mode), stale.clone())]).await;
        assert_eq!(codes(&errors), [(mode, 412_001)]);
        assert_eq!(world.get(&format!("/devices/{mode}")).await.unwrap()["etag"], made["etag"]);
        let current = json!({"eTag": made["etag"], "twinETag": "AAAAAAAAAAE=", "tags": {"n": 1}});
        assert_eq!(import(&world, &container, &[with(line(mode, mode), current)]).await, [Value::Null; 0]);
        let twin = world.get(&format!("/twins/{mode}")).await;
        assert_eq!(
            twin.map(|twin| twin["tags"]["n"] == 1),
            (mode != "deleteIfMatchETag").then_some(true),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn a_twins_etag_is_looked_at_apart_from_the_identitys() {
    let (world, container) = worlds().await;
    let made = world.put("/devices/d", json!({})).await;
    let mixed =
        json!({"eTag": made["etag"], "twinETag": "AAAAAAAAAAk=", "tags": {"n": 1}, "status": "disabled"});
    let errors = import(&world, &container, &[with(line("d", "updateIfMatchETag"), mixed)]).await;
    assert_eq!(codes(&errors), [("d", 412_001)]);
    let twin = world.get("/twins/d").await.unwrap();
    assert_eq!((&twin["status"], twin.get("tags")), (&json!("disabled"), None));
}

#[tokio::test]
async fn every_line_needs_a_status_and_a_job_completes_although_all_of_them_fail() {
    let (world, container) = worlds().await;
    let modes = ["create", "delete", "updateTwin", "createOrUpdate"];
    let lines: Vec<Value> = modes.iter().map(|mode| json!({"id": mode, "importMode": mode})).collect();
    let errors = import(&world, &container, &lines).await;
    assert_eq!(codes(&errors), modes.map(|mode| (mode, 400_005)));
}

#[tokio::test]
async fn an_export_can_be_imported_elsewhere_with_keys_modules_and_both_sides_of_the_twin() {
    let (source, container) = worlds().await;
    source.put("/devices/d", json!({"status": "disabled"})).await;
    source.put("/devices/e", json!({})).await;
    source.put("/devices/e/modules/m", json!({"managedBy": "me"})).await;
    for twin in ["/twins/d", "/twins/e/modules/m"] {
        source
            .patch(twin, json!({"tags": {"site": "A"}, "properties": {"desired": {"deep": {"rate": 5}}}}))
            .await;
    }
    source.run(json!({"type": "export", "outputBlobContainerUri": container.uri("rwd")})).await;
    let target = World::start().await;
    let ended = target.run(job(&container)).await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(container.lines("importErrors.log").await.unwrap(), [""; 0]);
    for path in ["/devices/d", "/devices/e", "/devices/e/modules/m"] {
        let (before, after) = (source.get(path).await.unwrap(), target.get(path).await.unwrap());
        for member in ["authentication", "status", "managedBy", "capabilities"] {
            assert_eq!(before[member], after[member], "{path} {member}");
        }
    }
    for path in ["/twins/d", "/twins/e/modules/m"] {
        let (before, after) = (source.get(path).await.unwrap(), target.get(path).await.unwrap());
        assert_eq!(before["tags"], after["tags"]);
        // Whatever is in the file's metadata is kept, times and versions.
        let metadata = |twin: &Value| twin["properties"]["desired"]["$metadata"].clone();
        assert_eq!(metadata(&before), metadata(&after), "{path}");
        assert_eq!(after["properties"]["desired"]["$version"], 1);
    }
}

#[tokio::test]
async fn modules_of_the_edge_runtime_cannot_be_imported() {
    let (world, container) = worlds().await;
    world.put("/devices/e", json!({"capabilities": {"iotEdge": true}})).await;
    let module = json!({"moduleId": "$edgeAgent"});
    let errors = import(&world, &container, &[with(line("e", "createOrUpdate"), module)]).await;
    assert_eq!(codes(&errors), [("e", 400_004)]);
    assert_eq!(errors[0]["moduleId"], "$edgeAgent");
}

fn full_twin(id: &str, mode: &str) -> Value {
    with(
        line(id, mode),
        json!({"tags": {"new": 1}, "properties": {"desired": {"new": 1}, "reported": {"new": 1}}}),
    )
}

async fn old_twin(world: &World, device: &str) {
    world.put(&format!("/devices/{device}"), json!({})).await;
    let old = json!({"tags": {"old": 1}, "properties": {"desired": {"old": 1}}});
    world.patch(&format!("/twins/{device}"), old).await;
}

#[tokio::test]
async fn by_default_a_twin_becomes_what_the_line_says_and_reported_properties_land_except_by_update_twin() {
    let (world, container) = worlds().await;
    for device in ["again", "twin"] {
        old_twin(&world, device).await;
    }
    let lines =
        [full_twin("made", "create"), full_twin("again", "createOrUpdate"), full_twin("twin", "updateTwin")];
    assert_eq!(import(&world, &container, &lines).await, [Value::Null; 0]);
    for (device, reported) in [("made", true), ("again", true), ("twin", false)] {
        let twin = world.get(&format!("/twins/{device}")).await.unwrap();
        assert_eq!(twin["tags"], json!({"new": 1}), "{device}");
        assert_eq!(twin["properties"]["desired"].get("old"), None, "{device}");
        assert_eq!(twin["properties"]["reported"].get("new").is_some(), reported, "{device}");
    }
}

#[tokio::test]
async fn switches_turn_what_an_import_does_with_twins() {
    let (world, container) = worlds().await;
    old_twin(&world, "d").await;
    world.switch("importReplacesTwin", false).await;
    world.switch("importHonoursReported", false).await;
    import(&world, &container, &[full_twin("d", "update")]).await;
    let twin = world.get("/twins/d").await.unwrap();
    assert_eq!(twin["tags"], json!({"old": 1, "new": 1}));
    assert_eq!(twin["properties"]["reported"].get("new"), None);
    world.switch("importUpdateTwinHonoursReported", true).await;
    import(&world, &container, &[full_twin("d", "updateTwin")]).await;
    assert_eq!(world.get("/twins/d").await.unwrap()["properties"]["reported"]["new"], 1);
}

#[tokio::test]
async fn configurations_are_imported_under_their_etags_and_failures_have_a_log_of_their_own() {
    let (world, container) = worlds().await;
    let made = world.put("/configurations/old", json!({"content": {"deviceContent": {}}})).await;
    let line = |id: &str, etag: &Value| json!({"Id": id, "ETag": etag, "Priority": 7, "Content": {"DeviceContent": {"properties.desired.x": 1}}, "importMode": "createOrUpdateIfMatchETag"});
    let lines = [
        line("new", &Value::Null),
        line("old", &made["etag"]),
        line("old", &json!("c3RhbGU=")),
        json!({"Id": "bad"}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    container.put("configurations.txt", text).await;
    container.put("devices.txt", "\n").await;
    let mut asked = job(&container);
    asked["includeConfigurations"] = true.into();
    assert_eq!(world.run(asked).await["status"], "completed");
    for id in ["new", "old"] {
        assert_eq!(world.get(&format!("/configurations/{id}")).await.unwrap()["priority"], 7, "{id}");
    }
    let errors = self::lines(&container, "importConfigErrors.log").await;
    let told: Vec<_> = errors
        .iter()
        .map(|error| (error["id"].as_str().unwrap(), error["errorCode"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("old", 412_001), ("bad", 400_005)]);
}
