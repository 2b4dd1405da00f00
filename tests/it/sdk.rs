//! The official Python service client writes to one hub and reads the same from the other.

use tokio::process::Command;

use crate::world::World;
use crate::world::hub::Hub;
use crate::world::processes::root;

async fn python(world: &World, step: &str, hub: &Hub) {
    let python = root().join("target/test-parts/python/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run", python.display());
    let output = Command::new(python)
        .arg(root().join("tests/clients/service_sdk.py"))
        .args([step, &hub.connection_string])
        .env("REQUESTS_CA_BUNDLE", world.variable("SSL_CERT_FILE"))
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{step} on {}: {}", hub.name, String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_official_client_makes_changes_and_deletes_it_reads_back_from_the_standby() {
    let world = World::start().await;
    python(&world, "make", &world.primary).await;
    world.settle().await;
    python(&world, "change", &world.primary).await;
    world.settle().await;
    python(&world, "check", &world.primary).await;
    python(&world, "check", &world.secondary).await;
    world.assert_hubs_equal().await;
    python(&world, "delete", &world.primary).await;
    world.settle().await;
    world.sweep().await;
    python(&world, "gone", &world.secondary).await;
}
