//! The handler on what the real Functions host has sent, byte for byte (`tests/payloads/observed`).

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::world::handler::Handler;
use crate::world::processes::root;
use crate::world::{Options, World};

impl Handler {
    /// Sends a recorded request over a connection of its own: the status and the body of the answer.
    async fn replay(&self, name: &str) -> (u16, String) {
        let file = root().join("tests/payloads/observed").join(format!("{name}.http"));
        let mut connection = TcpStream::connect(self.url.trim_start_matches("http://")).await.unwrap();
        connection.write_all(&std::fs::read(file).unwrap()).await.unwrap();
        let mut lines = BufReader::new(connection);
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

async fn world_with(devices: &[&str]) -> World {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    for device in devices {
        world.primary.create(device).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_real_host_has_delivered_is_brought_to_the_other_hub() {
    let devices = ["rec-1", "bulk-0", "bulk-4", "bulk-3", "to-1", "fail-1"];
    let world = world_with(&devices).await;
    let handler = world.handler("delivered").await;
    for name in [
        "registry-sync-one-event",
        "registry-sync-several-events",
        "twin-sync-first-of-its-partition",
        "twin-sync-device-created",
        "registry-sync-retry-after-500",
        // Of the other hub, as an echo.
        "twin-sync-retry-after-handler-died",
    ] {
        let (status, said) = handler.replay(name).await;
        assert_eq!(status, 200, "{name}: {said}");
        let answer: Value = serde_json::from_str(&said).unwrap();
        assert!(answer["Logs"].as_array().is_some_and(|logs| !logs.is_empty()), "{name}: {said}");
    }
    assert_eq!(world.secondary.fleet().await.len(), devices.len());
    world.assert_hubs_equal().await;
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    assert_eq!(world.pending().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_made_by_hand_on_the_real_host_is_a_dead_letter() {
    let world = world_with(&[]).await;
    let handler = world.handler("by-hand").await;
    let (status, said) = handler.replay("admin-run-twin-sync").await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(world.dead_letters().await.len(), 1);
    for name in ["timer", "admin-run-timer"] {
        assert_eq!(handler.replay(name).await.0, 404, "{name}: there is no such function any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_real_host_has_forwarded_is_answered_with_the_hub() {
    let world = world_with(&[]).await;
    let handler = world.handler("forwarded").await;
    for name in ["forwarded-get-accept", "forwarded-get-query"] {
        world.eventually("the record is known", || async { handler.replay(name).await.0 == 200 }).await;
        let (_, said) = handler.replay(name).await;
        assert!(said.contains(&world.primary.host_name), "{name}: {said}");
    }
}
