//! Content for one edge device: its twins and its modules.

use super::over_tls::World;
use super::*;
use reqwest::Method;

async fn with_an_edge_device() -> World {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/edge", None, json!({"capabilities": {"iotEdge": true}})).await;
    world
}

async fn apply(world: &World, content: Value) -> u16 {
    let path = "/devices/edge/applyConfigurationContent";
    world.send(Method::POST, path, None, content).await.status().as_u16()
}

async fn modules(world: &World) -> Vec<String> {
    let all = world.send(Method::GET, "/devices/edge/modules", None, Value::Null).await;
    let all: Vec<Value> = all.json().await.unwrap();
    all.iter().map(|module| module["moduleId"].as_str().unwrap().to_owned()).collect()
}

/// Desired properties without what is the hub's own.
async fn desired(world: &World, module: &str) -> Value {
    let path = format!("/twins/edge/modules/{module}");
    let mut twin: Value = world.send(Method::GET, &path, None, Value::Null).await.json().await.unwrap();
    let desired = twin["properties"]["desired"].as_object_mut().unwrap();
    desired.retain(|name, _| !name.starts_with('$'));
    json!(desired)
}

/// What the agent is told to run.
fn agent(modules: &[&str]) -> Value {
    let modules: Value = modules.iter().map(|name| ((*name).to_owned(), json!({"type": "docker"}))).collect();
    json!({"properties.desired": {"schemaVersion": "1.1", "modules": modules}})
}

#[tokio::test]
async fn a_deployment_makes_the_modules_that_it_names_and_removes_those_of_the_last_one() {
    let world = with_an_edge_device().await;
    world.send(Method::PUT, "/devices/edge/modules/own", None, json!({})).await;
    let first = json!({"$edgeAgent": agent(&["a"]), "$edgeHub": {"properties.desired": {"routes": {"r": "x"}}},
        "a": {"properties.desired": {"rate": {"n": 1}}}});
    assert_eq!(apply(&world, json!({"modulesContent": first})).await, 204);
    assert_eq!(modules(&world).await, ["$edgeAgent", "$edgeHub", "a", "own"]);
    assert_eq!(desired(&world, "a").await, json!({"rate": {"n": 1}}));
    assert_eq!(desired(&world, "$edgeHub").await, json!({"routes": {"r": "x"}}));
    let made = world.send(Method::GET, "/devices/edge/modules/a", None, Value::Null).await;
    let made: Value = made.json().await.unwrap();
    assert_eq!((&made["managedBy"], &made["authentication"]["type"]), (&json!("iotEdge"), &json!("sas")));
    // The second names one of its modules to the agent alone.
    let second = json!({"$edgeAgent": agent(&["b", "c"]), "c": {"properties.desired": {"n": 2}}});
    assert_eq!(apply(&world, json!({"modulesContent": second})).await, 204);
    assert_eq!(modules(&world).await, ["$edgeAgent", "$edgeHub", "b", "c", "own"]);
    assert_eq!(desired(&world, "b").await, json!({}));
    assert_eq!(desired(&world, "$edgeAgent").await["modules"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_layer_writes_the_members_that_it_names_and_removes_no_module() {
    let world = with_an_edge_device().await;
    let base =
        json!({"$edgeAgent": agent(&["a"]), "a": {"properties.desired": {"x": {"y": 1, "z": 2}, "w": 3}}});
    apply(&world, json!({"modulesContent": base})).await;
    let layer = json!({"$edgeAgent": {"properties.desired.modules.b": {"type": "docker"}},
        "a": {"properties.desired.x": {"y": 5}}});
    assert_eq!(apply(&world, json!({"modulesContent": layer})).await, 204);
    assert_eq!(modules(&world).await, ["$edgeAgent", "$edgeHub", "a", "b"]);
    assert_eq!(desired(&world, "a").await, json!({"x": {"y": 5}, "w": 3}));
}

#[tokio::test]
async fn a_deployment_is_told_to_devices_and_to_whoever_reads_events() {
    let world = with_an_edge_device().await;
    apply(&world, json!({"modulesContent": {"a": {"properties.desired": {"old": 1}}}})).await;
    let mut module = world.device("edge/a").await;
    apply(
        &world,
        json!({"modulesContent": {"a": {"properties.desired": {"new": 2}}},
        "deviceContent": {"properties.desired.site": "B"}}),
    )
    .await;
    let (_, told) = module.message().await.unwrap();
    assert_eq!(told, json!({"old": null, "new": 2, "$version": 3}));
    let ops: Vec<String> = world
        .all("devicetwin")
        .await
        .iter()
        .map(|event| {
            let properties = &event["properties"];
            format!("{} {}", properties["opType"], properties["moduleId"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        ops[3..],
        ["createDeviceIdentity a", "updateTwin a", "updateTwin null", "updateTwin a"],
        "{ops:?}"
    );
}

#[tokio::test]
async fn content_that_cannot_be_changes_nothing() {
    let world = with_an_edge_device().await;
    for wrong in [
        json!({"modulesContent": {"a": {"properties.desired": {"n": 1}}, "b": {"properties.reported": {}}}}),
        json!({"modulesContent": {"a": {"properties.desired": {"n": 1}}, "b": {"properties.desired": {"a b": 1}}}}),
        json!({"modulesContent": {"a": {"properties.desired": {"n": 1}}, "$mine": {"properties.desired": {}}}}),
        json!({"modulesContent": {"a": {"properties.desired": 1}}}),
        json!({"modulesContent": null}),
        json!({"moduleContent": {"properties.desired": {}}}),
    ] {
        assert_eq!(apply(&world, wrong.clone()).await, 400, "{wrong}");
    }
    let many: Value = (0..49).map(|n| (format!("m{n}"), json!({"properties.desired": {}}))).collect();
    assert_eq!(apply(&world, json!({"modulesContent": many})).await, 413);
    assert_eq!(modules(&world).await, ["$edgeAgent", "$edgeHub"]);
}
