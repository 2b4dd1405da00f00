//! `/configurations`.

use super::over_tls::World;
use super::*;
use reqwest::Method;

async fn call(
    world: &World,
    method: Method,
    id: &str,
    etag: Option<&str>,
    body: Value,
) -> (u16, Value, Option<String>) {
    let answer = world.send(method, &format!("/configurations/{id}"), etag, body).await;
    let status = answer.status().as_u16();
    let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
    (status, answer.json().await.unwrap_or(Value::Null), etag)
}

async fn put(world: &World, id: &str, etag: Option<&str>, body: Value) -> (u16, Value, Option<String>) {
    call(world, Method::PUT, id, etag, body).await
}

fn body(rate: u32) -> Value {
    json!({"content": {"deviceContent": {"properties.desired.rate": rate}}, "targetCondition": "tags.site = 'A'",
        "priority": 3, "labels": {"team": "x"}, "metrics": {"queries": {"m": "SELECT deviceId FROM devices"}}})
}

#[tokio::test]
async fn a_configuration_is_made_changed_read_and_removed_and_carries_its_etag() {
    let world = World::start().await;
    let (status, created, etag) = put(&world, "c-1", None, body(1)).await;
    assert_eq!(status, 200);
    assert_eq!(etag.unwrap(), format!("\"{}\"", created["etag"].as_str().unwrap()));
    let (_, read, etag) = call(&world, Method::GET, "c-1", None, Value::Null).await;
    assert_eq!(read, created);
    assert_eq!(
        (&read["priority"], &read["metrics"]["queries"]["m"]),
        (&json!(3), &json!("SELECT deviceId FROM devices"))
    );
    let mut changed = body(1);
    changed["priority"] = 9.into();
    let (status, updated, new_etag) = put(&world, "c-1", etag.as_deref(), changed).await;
    assert_eq!((status, &updated["priority"]), (200, &json!(9)));
    assert_eq!(updated["createdTimeUtc"], created["createdTimeUtc"]);
    assert_ne!(new_etag, etag);
    let listed =
        world.send(Method::GET, "/configurations/", None, Value::Null).await.json::<Value>().await.unwrap();
    assert_eq!(listed, json!([updated]));
    assert_eq!(call(&world, Method::DELETE, "c-1", None, Value::Null).await.0, 204);
    assert_eq!(call(&world, Method::GET, "c-1", None, Value::Null).await.0, 404);
}

#[tokio::test]
async fn preconditions_are_those_of_the_table_and_an_unquoted_etag_is_taken_for_a_creation() {
    let world = World::start().await;
    assert_eq!(put(&world, "c", Some("*"), body(1)).await.0, 404);
    let (_, created, etag) = put(&world, "c", Some(""), body(1)).await;
    let bare = created["etag"].as_str().unwrap();
    for absent in [None, Some(""), Some(bare)] {
        let (status, refused, _) = put(&world, "c", absent, body(1)).await;
        assert_eq!(status, 409, "{absent:?}");
        assert!(refused["Message"].as_str().unwrap().starts_with("ErrorCode:ConfigurationAlreadyExists;"));
    }
    assert_eq!(put(&world, "c", Some("\"c3RhbGU=\""), body(1)).await.0, 412);
    assert_eq!(put(&world, "c", etag.as_deref(), body(1)).await.0, 200);
    assert_eq!(put(&world, "c", Some("\"*\""), body(1)).await.0, 200);
    assert_eq!(put(&world, "c", Some("*"), body(1)).await.0, 200);
    assert_eq!(call(&world, Method::DELETE, "c", Some("\"c3RhbGU=\""), Value::Null).await.0, 412);
    assert_eq!(call(&world, Method::DELETE, "c", Some("*"), Value::Null).await.0, 204);
    assert_eq!(call(&world, Method::DELETE, "c", None, Value::Null).await.0, 404);
}

#[tokio::test]
async fn changed_content_is_accepted_and_ignored_and_missing_content_is_not() {
    let world = World::start().await;
    let (_, created, _) = put(&world, "c", None, body(1)).await;
    let (status, updated, _) = put(&world, "c", Some("*"), body(2)).await;
    assert_eq!((status, &updated["content"]), (200, &created["content"]));
    assert_eq!(put(&world, "c", Some("*"), json!({"priority": 1})).await.0, 400);
}

#[tokio::test]
async fn ids_and_members_that_are_not_allowed_are_refused() {
    let world = World::start().await;
    for id in ["Upper", "a.b", "a%20b", "%C3%A5", &"a".repeat(129)] {
        assert_eq!(put(&world, id, None, body(1)).await.0, 400, "{id}");
    }
    assert_eq!(put(&world, "a-b+c%25d_*!'", None, body(1)).await.0, 200);
    for (member, value) in [
        ("id", json!("other")),
        ("priority", json!("high")),
        ("priority", json!(-1)),
        ("targetCondition", json!("tags.site =")),
        ("content", json!({"deviceContent": 1})),
        ("metrics", json!({"queries": {"m": "SELECT"}})),
    ] {
        let mut body = body(1);
        body[member] = value;
        assert_eq!(put(&world, "c", None, body).await.0, 400, "{member}");
    }
}

#[tokio::test]
async fn a_hub_has_a_hundred_configurations_at_most() {
    let world = World::start().await;
    for n in 0..100 {
        assert_eq!(put(&world, &format!("c{n}"), None, body(1)).await.0, 200);
    }
    assert_eq!(put(&world, "c100", None, body(1)).await.0, 403);
    assert_eq!(put(&world, "c0", Some("*"), body(1)).await.0, 200);
    let listed =
        world.request(Method::GET, "/configurations?api-version=2021-04-12&top=1").send().await.unwrap();
    assert_eq!(listed.json::<Vec<Value>>().await.unwrap().len(), 100);
}

#[tokio::test]
async fn test_queries_tells_what_is_wrong_with_each() {
    let world = World::start().await;
    let body = json!({"targetCondition": "tags.x =", "customMetricQueries": {"good": "SELECT deviceId FROM devices", "bad": "SELECT"}});
    let tested = world.send(Method::POST, "/configurations/testQueries", None, body).await;
    let tested: Value = tested.json().await.unwrap();
    assert!(tested["targetConditionError"].is_string(), "{tested}");
    assert_eq!(tested["customMetricQueryErrors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["bad"]);
    let modules = json!({"targetCondition": "FROM devices.modules WHERE moduleId = 'm'"});
    let tested = world.send(Method::POST, "/configurations/testQueries", None, modules).await;
    assert_eq!(
        tested.json::<Value>().await.unwrap(),
        json!({"targetConditionError": null, "customMetricQueryErrors": {}})
    );
}

#[tokio::test]
async fn content_is_taken_for_edge_devices_only() {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/plain", None, json!({})).await;
    world.send(Method::PUT, "/devices/edge", None, json!({"capabilities": {"iotEdge": true}})).await;
    let content = json!({"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1"}}}});
    for (device, status) in [("edge", 204), ("plain", 400), ("none", 404)] {
        let path = format!("/devices/{device}/applyConfigurationContent");
        assert_eq!(world.send(Method::POST, &path, None, content.clone()).await.status(), status, "{device}");
    }
    let empty = world.send(Method::POST, "/devices/edge/applyConfigurationContent", None, json!({})).await;
    assert_eq!(empty.status(), 400);
}

#[tokio::test]
async fn what_is_not_given_is_null_and_the_hub_has_metrics_of_its_own_that_can_be_asked() {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/edge", None, json!({"capabilities": {"iotEdge": true}})).await;
    let device = json!({"content": {"deviceContent": {"properties.desired.a": 1}}, "targetCondition": "*"});
    let (_, made, _) = put(&world, "c-1", None, device).await;
    assert_eq!((&made["labels"], &made["schemaVersion"]), (&Value::Null, &Value::Null));
    let recorded = json!({"targetedCount": "select deviceId from devices",
        "appliedCount": "select deviceId from devices where configurations.[[c-1]].status = 'Applied'"});
    assert_eq!(made["systemMetrics"], json!({"results": {}, "queries": recorded}));
    let edge = json!({"content": {"modulesContent": {}}, "targetCondition": "tags.a = 1 or tags.b = 2"});
    let (_, edge, _) = put(&world, "c-2", None, edge).await;
    let module = json!({"content": {"moduleContent": {}}, "targetCondition": "FROM devices.modules WHERE moduleId = 'm'"});
    let (_, module, _) = put(&world, "c-3", None, module).await;
    let names = |made: &Value| {
        made["systemMetrics"]["queries"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        names(&edge),
        ["appliedCount", "reportedFailedCount", "reportedSuccessfulCount", "targetedCount"]
    );
    for made in [made, edge, module] {
        for (name, query) in made["systemMetrics"]["queries"].as_object().unwrap() {
            let asked = world.send(Method::POST, "/devices/query", None, json!({ "query": query })).await;
            assert_eq!(asked.status(), 200, "{name}: {query}");
        }
    }
}

#[tokio::test]
async fn a_metric_need_not_say_that_it_is_about_devices() {
    let world = World::start().await;
    for (metric, status) in
        [("SELECT deviceId WHERE tags.a = 1", 200), ("SELECT deviceId", 200), ("SELECT deviceId WHERE", 400)]
    {
        let body = json!({"content": {"deviceContent": {}}, "metrics": {"queries": {"m": metric}}});
        assert_eq!(put(&world, "c", None, body).await.0, status, "{metric}");
        call(&world, Method::DELETE, "c", None, Value::Null).await;
    }
    let asked = world.send(Method::POST, "/devices/query", None, json!({"query": "SELECT deviceId"})).await;
    assert_eq!(asked.status(), 400, "a query must");
}
