//! The registry to blobs.

use super::azurite::Container;
use super::world::World;
use super::*;

fn export(container: &Container) -> Value {
    json!({"type": "export", "outputBlobContainerUri": container.uri("rwd"), "excludeKeysInExport": false})
}

pub(crate) async fn lines(container: &Container, blob: &str) -> Vec<Value> {
    let lines = container.lines(blob).await.unwrap();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_job_is_enqueued_then_completed_and_tells_its_output_but_not_what_it_was_given_else() {
    let (world, container) = (World::start().await, Container::new().await);
    let mut asked = export(&container);
    asked["storageAuthenticationType"] = "keyBased".into();
    let (status, created) = world.create(asked).await;
    assert_eq!(status, 200);
    assert_eq!(
        created.as_object().unwrap().keys().collect::<Vec<_>>(),
        [
            "excludeKeysInExport",
            "jobId",
            "outputBlobContainerUri",
            "progress",
            "startTimeUtc",
            "status",
            "type",
            "useSecondaryStorageAsSource"
        ]
    );
    assert_eq!(
        (&created["status"], &created["progress"], &created["type"]),
        (&json!("enqueued"), &json!(0), &json!("export"))
    );
    let ended = world.ended(&created["jobId"]).await;
    assert_eq!(
        (&ended["status"], &ended["progress"], ended.get("failureReason")),
        (&json!("completed"), &json!(100), None)
    );
    let time = |name: &str| ended[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("endTimeUtc") >= time("startTimeUtc"));
    assert_eq!(ended["outputBlobContainerUri"], created["outputBlobContainerUri"]);
    assert_eq!(container.names().await, ["devices.txt"]);
}

#[tokio::test]
async fn a_line_has_the_identity_with_its_keys_and_the_whole_twin() {
    let (world, container) = (World::start().await, Container::new().await);
    let device = world.put("/devices/d", json!({"statusReason": "spare", "status": "disabled"})).await;
    world.patch("/twins/d", json!({"tags": {"site": "A"}, "properties": {"desired": {"rate": 5}}})).await;
    world.put("/devices/e", json!({})).await;
    let module = world.put("/devices/e/modules/m", json!({"managedBy": "me"})).await;
    assert_eq!(world.run(export(&container)).await["status"], "completed");
    let lines = lines(&container, "devices.txt").await;
    let (twin, first) = (world.get("/twins/d").await.unwrap(), &lines[0]);
    assert_eq!(
        (&first["id"], &first["eTag"], &first["twinETag"]),
        (&json!("d"), &device["etag"], &twin["etag"])
    );
    assert_eq!((&first["status"], &first["statusReason"]), (&json!("disabled"), &json!("spare")));
    for member in ["tags", "properties", "capabilities"] {
        assert_eq!(first[member], twin[member], "{member}");
    }
    assert_eq!(first["authentication"], device["authentication"]);
    assert!(first.get("connectionState").is_none() && first.get("lastActivityTime").is_none());
    let ids: Vec<_> =
        lines.iter().map(|line| (line["id"].as_str().unwrap(), line["moduleId"].as_str())).collect();
    assert_eq!(ids, [("d", None), ("e", None), ("e", Some("m"))]);
    assert_eq!((&lines[2]["managedBy"], &lines[2]["status"]), (&json!("me"), &json!("enabled")));
    assert_eq!(lines[2]["authentication"], module["authentication"]);
}

#[tokio::test]
async fn without_keys_the_first_line_is_a_warning_in_plain_text_and_keys_are_null() {
    let (world, container) = (World::start().await, Container::new().await);
    world.put("/devices/d", json!({})).await;
    let mut asked = export(&container);
    asked["excludeKeysInExport"] = true.into();
    asked["outputBlobName"] = "some/folder/out.txt".into();
    assert_eq!(world.run(asked).await["excludeKeysInExport"], true);
    let lines = container.lines("some/folder/out.txt").await.unwrap();
    assert!(serde_json::from_str::<Value>(&lines[0]).is_err(), "{}", lines[0]);
    let device: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(device["authentication"]["symmetricKey"], json!({"primaryKey": null, "secondaryKey": null}));
}

#[tokio::test]
async fn configurations_go_to_a_blob_of_their_own_with_capitals_when_asked_for() {
    let (world, container) = (World::start().await, Container::new().await);
    let body = json!({"content": {"deviceContent": {"properties.desired.x": 1}}, "metrics": {"queries": {"q": "SELECT * FROM devices"}}});
    let made = world.put("/configurations/c", body).await;
    let mut asked = export(&container);
    asked["includeConfigurations"] = true.into();
    world.run(asked.clone()).await;
    let lines = lines(&container, "configurations.txt").await;
    assert_eq!((&lines[0]["Id"], &lines[0]["ETag"]), (&json!("c"), &made["etag"]));
    assert_eq!(lines[0]["Content"], json!({"DeviceContent": {"properties.desired.x": 1}}));
    assert_eq!(lines[0]["Metrics"]["Queries"]["q"], "SELECT * FROM devices");
    asked["configurationsBlobName"] = "else.txt".into();
    world.run(asked).await;
    assert!(container.names().await.contains(&"else.txt".to_owned()));
}

#[tokio::test]
async fn an_export_is_instead_of_the_blob_that_was_there() {
    let (world, container) = (World::start().await, Container::new().await);
    container.put("devices.txt", "what was\nthere before\n").await;
    world.run(export(&container)).await;
    assert_eq!(container.lines("devices.txt").await.unwrap(), [""; 0]);
}
