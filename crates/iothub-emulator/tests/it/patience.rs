//! Clients that take their time: the clock runs ahead whenever everybody waits.

use super::over_tls::World;
use super::raw::Connect;
use super::*;
use reqwest::Method;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Longer than any client may take for anything.
const PATIENCE: Duration = Duration::from_secs(600);

fn port(world: &World, name: &str) -> u16 {
    u16::try_from(world.running.ready["hubs"][0][name].as_u64().unwrap()).unwrap()
}

/// How long until the connection is closed, whatever comes before.
async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> Duration {
    let (begun, mut all) = (Instant::now(), Vec::new());
    // Closed without a goodbye is closed too.
    let _end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_begins_is_ended() {
    let world = World::start().await;
    for name in ["https", "mqtt"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port(&world, name))).await.unwrap();
        assert!(until_closed(&mut stream).await <= Duration::from_secs(11), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_and_a_body_that_never_end_are_ended() {
    let world = World::start().await;
    let head = "PUT /devices/d?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n";
    for (begun, most) in [("", 121), (head, 121), (&format!("{head}Content-Length: 9\r\n\r\n{{"), 61)] {
        let mut stream = world.tls_to("127.0.0.1", port(&world, "https"), "127.0.0.1").await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        assert!(until_closed(&mut stream).await <= Duration::from_secs(most), "{begun}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_never_says_who_it_is_is_disconnected() {
    let world = World::start().await;
    let mut stream = world.tls_to("127.0.0.1", port(&world, "mqtt"), "127.0.0.1").await;
    assert!(until_closed(&mut stream).await <= Duration::from_secs(16));
    let mut stream = world.tls_to("127.0.0.1", port(&world, "https"), "127.0.0.1").await;
    let upgrade = "GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                   Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    assert!(until_closed(&mut stream).await <= Duration::from_secs(17));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_one_and_a_half_times_the_keep_alive_and_at_the_hubs_limit_without_one() {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    let pass = world.policy_pass("d");
    for (keep_alive, seconds) in [(60, 90), (0, 1767)] {
        let (mut raw, answer) = world.connack(&Connect { keep_alive, ..Connect::with("d", &pass) }).await;
        assert_eq!(answer.unwrap()[1], 0);
        let begun = Instant::now();
        raw.until_closed().await;
        let silence = begun.elapsed().as_secs();
        assert!((seconds..seconds + 2).contains(&silence), "{silence}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answers_is_disconnected() {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    let body = json!({"tags": {"long": "x".repeat(4000)}});
    assert_eq!(world.send(Method::PATCH, "/twins/d", None, body).await.status(), 200);
    let mut stream = world.tls_to("127.0.0.1", port(&world, "https"), "127.0.0.1").await;
    let request = format!(
        "GET /twins/d?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n",
        world.token()
    );
    // More answers than any buffer takes.
    let all = request.repeat(5000);
    let _stuck = tokio::time::timeout(Duration::from_secs(1), stream.write_all(all.as_bytes())).await;
    let open = || async {
        let counted = world.control(Method::GET, "/hubs/primary/connections", Value::Null).await;
        counted["open"].as_u64().unwrap()
    };
    assert!(open().await >= 1);
    // The control port is asked on a connection that is not counted, and the one of the PATCH rests for as long.
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_eq!(open().await, 0);
}
