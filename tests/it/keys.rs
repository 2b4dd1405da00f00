//! Keys while the roles change: a registry entry shows neither who wrote them nor when.

use serde_json::{Value, json};

use crate::switching::with_a_copy;
use crate::world::hub::Hub;
use crate::world::news::quick;

/// Other keys than before.
async fn rotate(hub: &Hub, id: &str) -> Value {
    let key = |letter: &str| letter.repeat(42) + "A=";
    let keys = json!({"primaryKey": key("n"), "secondaryKey": key("m")});
    hub.update(id, json!({"authentication": {"type": "sas", "symmetricKey": keys}})).await;
    keys
}

async fn entry(hub: &Hub, id: &str) -> (Value, Value) {
    let entry = hub.fleet().await[id].clone();
    (entry["authentication"]["symmetricKey"].clone(), entry["status"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_on_the_active_hub_does_not_come_back_with_a_status_of_the_former_one() {
    let (mut world, handler) = with_a_copy("d", quick()).await;
    world.promote("secondary", &[]).await;
    let keys = rotate(&world.secondary, "d").await;
    world.primary.update("d", json!({"status": "disabled"})).await;
    world.primary.patch_twin("d", json!({"tags": {"n": 1}})).await;
    let event = world.last_told(&world.primary, "d").await;
    world.hand_over(&handler, "devicetwin", &[event]).await;
    let (now, status) = entry(&world.secondary, "d").await;
    assert!(now == keys, "the revoked keys are there again");
    assert_eq!(status, "disabled", "what was said of it later, on the former hub");
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert!(losses.contains("authentication"), "whose keys are newer nobody can tell: {losses}");
    assert!(!losses.contains("nnnn"), "no key in a report");
    world.until_in_sync(handler).await;
    for hub in [&world.primary, &world.secondary] {
        assert!(entry(hub, "d").await == (keys.clone(), json!("disabled")), "{}", hub.name);
    }
}
