//! The whole emulator, as a client sees it.

use super::signatures::{in_seconds, token};
use super::*;
use clap::Parser;
use iothub_emulator::cli::Options;
use iothub_emulator::running::{Running, start};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) client: Client,
    base: String,
    token: String,
}

impl World {
    /// Two hubs with ports of their own.
    pub(crate) async fn start() -> Self {
        let ports = ["--https-port", "0", "--mqtt-port", "0"];
        Self::with(&[&["--hub", "primary", "--hub", "secondary"], &ports[..]].concat()).await
    }

    pub(crate) async fn with(options: &[&str]) -> Self {
        // Another test of this process may have installed it already.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let directory = std::env::temp_dir().join(format!("iothub-emulator-test-{}", uuid::Uuid::new_v4()));
        let always = ["iothub-emulator", "--ca-dir", directory.to_str().unwrap(), "--amqp-port", "0"];
        let arguments = [&always, options].concat();
        let running = start(&Options::try_parse_from(arguments).unwrap()).await.unwrap();
        let ca = std::fs::read(running.ready["caFile"].as_str().unwrap()).unwrap();
        let roots = [Certificate::from_pem(&ca).unwrap()];
        let client = Client::builder().tls_certs_only(roots).build().unwrap();
        let hub = &running.ready["hubs"][0];
        let host = hub["hostName"].as_str().unwrap();
        let connection = hub["connectionString"].as_str().unwrap();
        let key = connection.split_once(";SharedAccessKey=").unwrap().1;
        let resource = utf8_percent_encode(host, NON_ALPHANUMERIC).to_string();
        let token = token(&resource, key, in_seconds(60), Some("iothubowner"));
        Self { client, base: format!("https://{host}"), token, running }
    }

    /// A token of the first hub's owner.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A signed request to the first hub, its path and query taken as they are.
    pub(crate) fn request(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        let url = format!("{}{path_and_query}", self.base);
        self.client.request(method, url).header("authorization", &self.token)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Value,
    ) -> Response {
        let mut request = self.request(method, &format!("{path}?api-version=2021-04-12")).json(&body);
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        request.send().await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.stop.cancel();
    }
}

#[tokio::test]
async fn a_device_lives_and_dies_over_tls() {
    let world = World::start().await;
    let created = world.send(Method::PUT, "/devices/a%2541%23", None, json!({"deviceId": "a%41#"})).await;
    assert_eq!(created.status(), 200);
    let etag = created.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(created.json::<Value>().await.unwrap()["deviceId"], "a%41#");
    let body = json!({"tags": {"site": "A"}});
    let twin = world.send(Method::PATCH, "/twins/a%2541%23", Some("\"AAAAAAAAAAE=\""), body).await;
    assert_eq!((twin.status().as_u16(), twin.headers().get("etag")), (200, None));
    let listed = world.send(Method::GET, "/devices/", None, Value::Null).await;
    assert_eq!(listed.json::<Vec<Value>>().await.unwrap().len(), 1);
    let deleted = world.send(Method::DELETE, "/devices/a%2541%23", Some(&etag), Value::Null).await;
    assert_eq!(deleted.status(), 204);
}

#[tokio::test]
async fn refusals_have_the_hubs_words() {
    let world = World::start().await;
    let missing = world.send(Method::GET, "/twins/none", None, Value::Null).await;
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.headers()["iothub-errorcode"], "DeviceNotFound");
    let message = missing.json::<Value>().await.unwrap()["Message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("ErrorCode:DeviceNotFound;"), "{message}");
    let module = world.send(Method::GET, "/devices/none/modules/m", None, Value::Null).await;
    assert_eq!(module.json::<Value>().await.unwrap()["errorCode"], 401_002);
}

#[tokio::test]
async fn one_hubs_token_means_nothing_to_the_other() {
    let world = World::start().await;
    let other = world.running.ready["hubs"][1]["hostName"].as_str().unwrap();
    let request = world.client.get(format!("https://{other}/devices?api-version=2021-04-12"));
    let answer = request.header("authorization", &world.token).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

impl World {
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.running.ready["control"].as_str().unwrap());
        let answer = self.client.request(method, url).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Every event of the routed event hub, as `[opType, deviceId, hubName]`.
    async fn routed(&self) -> Vec<[String; 3]> {
        self.control(Method::GET, "/barrier?waitMs=5000", Value::Null).await;
        let logs = self.running.ready["eventLogs"].as_str().unwrap();
        let mut all = Vec::new();
        for partition in 0..4 {
            let url =
                format!("{logs}/eventhubs/devicetwin/partitions/{partition}/events?from=0&max=100&waitMs=0");
            let page: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
            for event in page["events"].as_array().unwrap() {
                let property = |name: &str| event["properties"][name].as_str().unwrap_or_default().to_owned();
                all.push([property("opType"), property("deviceId"), property("hubName")]);
            }
        }
        all
    }
}

#[tokio::test]
async fn every_write_emits_one_event_and_equal_values_make_no_difference() {
    let world = World::start().await;
    let body = json!({"tags": {"site": "A"}});
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    world.send(Method::PATCH, "/twins/d", None, body.clone()).await;
    world.send(Method::PATCH, "/twins/d", None, body.clone()).await;
    world.send(Method::PATCH, "/twins/d", None, json!({"properties": {"reported": {"ignored": 1}}})).await;
    world.send(Method::PUT, "/twins/d", None, body).await;
    world.send(Method::DELETE, "/devices/d", Some("*"), Value::Null).await;
    let named = |operation: &str| [operation.to_owned(), "d".to_owned(), "primary".to_owned()];
    let wanted = ["createDeviceIdentity", "updateTwin", "updateTwin", "replaceTwin", "deleteDeviceIdentity"];
    assert_eq!(world.routed().await, wanted.map(named));
}

#[tokio::test]
async fn a_held_write_closes_the_connection_and_is_fenced_by_its_precondition_when_it_is_released() {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    let hold = json!({"method": "PATCH", "pathContains": "/twins/d", "times": 1, "holdUntilReleased": true});
    world.control(Method::POST, "/hubs/primary/faults", hold).await;
    let url = format!("{}/twins/d?api-version=2021-04-12", world.base);
    let late = world.client.patch(url).header("authorization", &world.token);
    let late =
        late.header("if-match", "\"AAAAAAAAAAE=\"").json(&json!({"tags": {"late": true}})).send().await;
    assert!(late.is_err());
    world.send(Method::PATCH, "/twins/d", None, json!({"tags": {"site": "A"}})).await;
    world.control(Method::POST, "/hubs/primary/faults/release", json!({})).await;
    let twin = world.send(Method::GET, "/twins/d", None, Value::Null).await.json::<Value>().await.unwrap();
    assert_eq!(twin["tags"], json!({"site": "A"}));
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_waiting() {
    let world = World::start().await;
    let port = u16::try_from(world.running.ready["hubs"][0]["https"].as_u64().unwrap()).unwrap();
    let asked = async {
        let mut silent = Vec::new();
        for _ in 0..700 {
            silent.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        }
        let answer = world.send(Method::PUT, "/devices/d", None, json!({})).await;
        (answer.status(), silent.len())
    };
    let answered = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
    assert!(answered.is_ok_and(|(status, _)| status == 200), "it is answered while they are silent");
}
