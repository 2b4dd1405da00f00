//! Answers of the real service as the recordings of azure-sdk-for-net show them (`sdk/iot/Azure.Iot.Hub.Service`, tests,
//! `SessionRecords`, 2020, api-version 2020-03-13): forms, not values.

use super::over_tls::World;
use super::*;
use reqwest::Method;

/// When something is said to have happened that never did.
const NEVER: &str = "0001-01-01T00:00:00";

async fn asked(world: &World, method: Method, path: &str, etag: Option<&str>, body: Value) -> Value {
    world.send(method, path, etag, body).await.json().await.unwrap()
}

#[tokio::test]
async fn a_creation_alone_says_its_times_without_a_zone() {
    let world = World::start().await;
    for path in ["/devices/d", "/devices/d/modules/m"] {
        let created = asked(&world, Method::PUT, path, None, json!({})).await;
        let updated = asked(&world, Method::PUT, path, Some("*"), json!({})).await;
        let read = asked(&world, Method::GET, path, None, Value::Null).await;
        let times = [created, updated, read].map(|identity| identity["lastActivityTime"].clone());
        assert_eq!(times, [NEVER.to_owned(), format!("{NEVER}Z"), format!("{NEVER}Z")], "{path}");
    }
    let disabled = json!({"status": "disabled"});
    let disabled = asked(&world, Method::PUT, "/devices/d", Some("*"), disabled).await;
    let time = disabled["statusUpdatedTime"].as_str().unwrap();
    assert!(time.ends_with('Z') && !time.ends_with("0Z"), "{time}");
    assert_eq!(disabled["parentScopes"], json!([]));
}

#[tokio::test]
async fn a_new_module_was_never_written_and_one_made_in_bulk_names_versions_for_reported_too() {
    let world = World::start().await;
    asked(&world, Method::PUT, "/devices/d", None, json!({})).await;
    asked(&world, Method::PUT, "/devices/d/modules/m", None, json!({})).await;
    let bulk =
        json!([{"id": "d", "moduleId": "b", "importMode": "create", "properties": {"desired": {"n": 1}}}]);
    asked(&world, Method::POST, "/devices", None, bulk).await;
    let never = json!({"$lastUpdated": format!("{NEVER}Z")});
    let twin = asked(&world, Method::GET, "/twins/d/modules/m", None, Value::Null).await;
    assert_eq!(
        [&twin["properties"]["desired"]["$metadata"], &twin["properties"]["reported"]["$metadata"]],
        [&never; 2]
    );
    let twin = asked(&world, Method::GET, "/twins/d/modules/b", None, Value::Null).await;
    let (desired, reported) =
        (&twin["properties"]["desired"]["$metadata"], &twin["properties"]["reported"]["$metadata"]);
    assert_eq!((&desired["$lastUpdatedVersion"], &reported["$lastUpdatedVersion"]), (&json!(1), &json!(1)));
    assert_eq!(desired["$lastUpdated"], reported["$lastUpdated"]);
    assert_eq!(twin.get("capabilities"), None);
    let query = json!({"query": "SELECT * FROM devices.modules WHERE moduleId = 'b'"});
    let rows = asked(&world, Method::POST, "/devices/query", None, query).await;
    assert_eq!(rows[0]["capabilities"], json!({"iotEdge": false}));
}

#[tokio::test]
async fn a_stale_etag_is_refused_in_words_that_name_a_twins_device_and_no_identity() {
    let world = World::start().await;
    let stale = Some("\"c3RhbGU=\"");
    for path in ["/devices/d", "/devices/d/modules/m"] {
        asked(&world, Method::PUT, path, None, json!({})).await;
        let refused = world.send(Method::PUT, path, stale, json!({})).await;
        let id = refused.headers()["x-ms-request-id"].to_str().unwrap().replace('-', "");
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body["Message"], "ErrorCode:PreconditionFailed;PreconditionFailed", "{path}");
        let tracking = body["ExceptionMessage"].as_str().unwrap();
        assert!(tracking.starts_with(&format!("Tracking ID:{id}-G:5-TimeStamp:")), "{tracking}");
    }
    for path in ["/twins/d", "/twins/d/modules/m"] {
        let body = asked(&world, Method::PATCH, path, stale, json!({"tags": {"a": 1}})).await;
        assert_eq!(body["Message"], "ErrorCode:PreconditionFailed;ETag mismatch for device ID 'd'", "{path}");
        let tracking = body["ExceptionMessage"].as_str().unwrap();
        assert!(!tracking.contains("-G:") && tracking.contains("-TimeStamp:"), "{tracking}");
    }
}

#[tokio::test]
async fn an_older_api_version_shows_neither_models_nor_parents() {
    let world = World::start().await;
    asked(&world, Method::PUT, "/devices/d", None, json!({})).await;
    for (version, has) in
        [("2019-10-01", [false, false]), ("2020-03-13", [true, false]), ("2021-04-12", [true, true])]
    {
        let send = async |method: Method, path: &str, body: Value| -> Value {
            let request =
                world.request(method, &format!("{path}?api-version={version}")).header("If-Match", "*");
            request.json(&body).send().await.unwrap().json().await.unwrap()
        };
        let updated = send(Method::PUT, "/devices/d", json!({})).await;
        let twin = send(Method::GET, "/twins/d", Value::Null).await;
        let rows = send(Method::POST, "/devices/query", json!({"query": "SELECT * FROM devices"})).await;
        let shown = [updated.get("parentScopes").is_some(), twin.get("modelId").is_some()];
        assert_eq!((shown, rows[0].get("modelId").is_some()), (has, has[1]), "{version}");
    }
}
