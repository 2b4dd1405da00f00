//! Who can reach a hub.

use clap::Parser;
use iothub_emulator::cli::Options;
use iothub_emulator::running::{Running, StartError, start};

async fn started(hub: &str, more: &[&str]) -> Result<Running, StartError> {
    let directory = std::env::temp_dir().join(format!("iothub-emulator-test-{}", uuid::Uuid::new_v4()));
    let mut arguments = vec!["iothub-emulator", "--hub", hub, "--ca-dir", directory.to_str().unwrap()];
    arguments.extend(["--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0"]);
    arguments.extend(more);
    start(&Options::try_parse_from(arguments).unwrap()).await
}

#[tokio::test]
async fn an_address_that_other_machines_reach_needs_a_word_more() {
    let refused = started("a.b@0.0.0.0", &[]).await.unwrap_err();
    assert!(matches!(refused, StartError::Reachable(_)), "{refused}");
    let running = started("a.b@0.0.0.0", &["--beyond-loopback"]).await.unwrap();
    let text = |name: &str| running.ready[name].as_str().unwrap().to_owned();
    assert!(text("control").starts_with("http://localhost:"), "{}", running.ready);
    assert!(text("eventHubs").starts_with("Endpoint=sb://localhost:"), "{}", running.ready);
    running.stop.cancel();
}
