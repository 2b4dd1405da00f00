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
