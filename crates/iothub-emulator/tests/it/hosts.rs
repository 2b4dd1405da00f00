//! Several hubs at one address, told apart by their names.

use super::over_tls::World;
use super::*;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const NAMES: [&str; 2] = ["one.hubs.test", "two.hubs.test"];

/// A status and a body.
type Answer = (u16, String);

/// Two hubs that share both ports.
async fn world() -> World {
    // Ports that nobody has now: fixed ones are what makes hubs share them.
    let free =
        || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (https, mqtt) = (free(), free());
    let hubs = NAMES.map(|name| format!("{name}@127.0.0.1"));
    World::with(&["--hub", &hubs[0], "--hub", &hubs[1], "--https-port", &https, "--mqtt-port", &mqtt]).await
}

impl World {
    /// A connection of a client that names a hub, or none, in its handshake.
    async fn connection(&self, server_name: &str) -> TlsStream<TcpStream> {
        let port = u16::try_from(self.running.ready["hubs"][0]["https"].as_u64().unwrap()).unwrap();
        self.tls_to("127.0.0.1", port, server_name).await
    }

    fn token_of(&self, hub: usize) -> String {
        let ready = &self.running.ready["hubs"][hub];
        let connection = ready["connectionString"].as_str().unwrap();
        let key = connection.split_once(";SharedAccessKey=").unwrap().1;
        let resource = ready["hostName"].as_str().unwrap().replace(':', "%3A");
        signatures::token(&resource, key, signatures::in_seconds(60), Some("iothubowner"))
    }
}

/// One request on a connection that stays open; `None` when it does not.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str, host: &str, token: &str) -> Option<Answer> {
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

const PUT: &str = "PUT /devices/d?api-version=2021-04-12";
const GET: &str = "GET /devices/d?api-version=2021-04-12";

#[tokio::test]
async fn every_request_is_for_the_hub_of_its_host_header() {
    let world = world().await;
    let tokens = [world.token_of(0), world.token_of(1)];
    let mut stream = world.connection("127.0.0.1").await;
    assert_eq!(ask(&mut stream, PUT, NAMES[0], &tokens[0]).await.unwrap().0, 200);
    assert_eq!(ask(&mut stream, GET, &format!("{}:443", NAMES[0]), &tokens[0]).await.unwrap().0, 200);
    assert_eq!(ask(&mut stream, GET, &NAMES[1].to_uppercase(), &tokens[1]).await.unwrap().0, 404);
    assert_eq!(ask(&mut stream, GET, NAMES[1], &tokens[0]).await.unwrap().0, 401);
}

#[tokio::test]
async fn a_host_that_names_no_hub_is_told_so() {
    let world = world().await;
    let token = world.token_of(0);
    let mut stream = world.connection(NAMES[0]).await;
    for host in ["three.hubs.test", "127.0.0.1"] {
        let (status, body) = ask(&mut stream, GET, host, &token).await.unwrap();
        assert!(status == 401 && body.contains("ErrorCode:IotHubNotFound;"), "{status} {body}");
    }
}

#[tokio::test]
async fn one_certificate_is_good_for_every_name_of_the_address() {
    let world = world().await;
    for name in [NAMES[0], NAMES[1], "127.0.0.1", "localhost"] {
        world.connection(name).await;
    }
}

#[tokio::test]
async fn a_device_is_at_the_hub_of_its_user_name() {
    let world = world().await;
    let mut stream = world.connection("127.0.0.1").await;
    ask(&mut stream, PUT, NAMES[1], &world.token_of(1)).await.unwrap();
    let pass = world.policy_pass_at(1, "d");
    let mut device = world.connect("d", &pass).await.unwrap();
    assert!(device.subscribe("$iothub/twin/res/#").await);
    assert_eq!(device.report(&json!({"a": 1}), None).await.unwrap().0, 204);
    assert!(world.connect("d", &world.policy_pass("d")).await.is_err(), "the other hub has no such device");
    for (hub, open) in [("one", 0), ("two", 1)] {
        let counted = world.control(Method::GET, &format!("/hubs/{hub}/connections"), Value::Null).await;
        assert_eq!(counted["mqtt"]["open"], open, "{hub}");
    }
}

#[tokio::test]
async fn an_outage_is_of_one_hub_whoever_shares_its_address() {
    let world = world().await;
    let tokens = [world.token_of(0), world.token_of(1)];
    let (mut first, mut second) = (world.connection(NAMES[0]).await, world.connection(NAMES[1]).await);
    let mut unnamed = world.connection("127.0.0.1").await;
    for hub in 0..2 {
        ask(&mut unnamed, PUT, NAMES[hub], &tokens[hub]).await.unwrap();
    }
    let mut devices = Vec::new();
    for hub in 0..2 {
        devices.push(world.connect("d", &world.policy_pass_at(hub, "d")).await.unwrap());
    }
    world.control(Method::POST, "/hubs/one/outage", json!({"mode": "refuse"})).await;
    devices[0].closed().await;
    assert_eq!(ask(&mut first, GET, NAMES[0], &tokens[0]).await, None);
    assert_eq!(ask(&mut second, GET, NAMES[1], &tokens[1]).await.unwrap().0, 200);
    assert_eq!(ask(&mut unnamed, GET, NAMES[1], &tokens[1]).await.unwrap().0, 200);
    assert_eq!(ask(&mut unnamed, GET, NAMES[0], &tokens[0]).await, None);
    assert!(devices[1].subscribe("$iothub/twin/res/#").await);
    assert!(world.connect("d", &world.policy_pass_at(0, "d")).await.is_err());
    world.control(Method::POST, "/hubs/one/outage", json!({"mode": "off"})).await;
    let mut again = world.connection(NAMES[0]).await;
    assert_eq!(ask(&mut again, GET, NAMES[0], &tokens[0]).await.unwrap().0, 200);
}
