//! The emulator's own process with one hub.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, Response};
use sha2::Sha256;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for any job here.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    process: Child,
    client: Client,
    base: String,
    token: String,
    control: String,
}

fn token(host: &str, key: &str, policy: &str) -> String {
    let resource = utf8_percent_encode(host, NON_ALPHANUMERIC).to_string();
    let expiry = jiff::Timestamp::now().as_second() + 3600;
    let mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    let signature =
        STANDARD.encode(mac.chain_update(format!("{resource}\n{expiry}")).finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!("SharedAccessSignature sr={resource}&sig={signature}&skn={policy}&se={expiry}")
}

impl World {
    pub(crate) async fn start() -> Self {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let directory = std::env::temp_dir().join(format!("iothub-emulator-test-{}", uuid::Uuid::new_v4()));
        let mut process = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
            .args(["--hub", "contoso", "--exit-with-stdin", "--ca-dir"])
            .arg(&directory)
            .args(["--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let ca = std::fs::read(ready["caFile"].as_str().unwrap()).unwrap();
        std::fs::remove_dir_all(directory).unwrap();
        let client = Client::builder().tls_certs_only([Certificate::from_pem(&ca).unwrap()]).build().unwrap();
        let host = ready["hubs"][0]["hostName"].as_str().unwrap();
        let connection = ready["hubs"][0]["connectionString"].as_str().unwrap();
        let key = connection.split_once(";SharedAccessKey=").unwrap().1;
        Self {
            process,
            client,
            base: format!("https://{host}"),
            token: token(host, key, "iothubowner"),
            control: ready["control"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> Response {
        let url = format!("{}{path}?api-version=2021-04-12", self.base);
        let request = self.client.request(method, url).header("authorization", &self.token);
        request.json(&body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let answer = self.ask(Method::GET, path, Value::Null).await;
        if answer.status() == 404 { None } else { Some(answer.json().await.unwrap()) }
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        let answer = self.ask(Method::PUT, path, body).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Value {
        self.ask(Method::PATCH, path, body).await.json().await.unwrap()
    }

    /// Asks for a job: the status and the body.
    pub(crate) async fn create(&self, job: Value) -> (u16, Value) {
        let answer = self.ask(Method::POST, "/jobs/create", job).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The job when it has ended.
    pub(crate) async fn ended(&self, id: &Value) -> Value {
        let path = format!("/jobs/{}", id.as_str().unwrap());
        let began = Instant::now();
        loop {
            let job = self.get(&path).await.unwrap();
            if !matches!(job["status"].as_str(), Some("enqueued" | "running")) {
                return job;
            }
            assert!(began.elapsed() < PATIENCE, "{job}");
            // As clients do, only faster.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a job to its end.
    pub(crate) async fn run(&self, job: Value) -> Value {
        let (status, created) = self.create(job).await;
        assert_eq!((status, &created["status"]), (200, &json!("enqueued")), "{created}");
        self.ended(&created["jobId"]).await
    }

    pub(crate) async fn switch(&self, name: &str, on: bool) {
        let url = format!("{}/switches", self.control);
        let set = self.client.post(url).json(&json!({ name: on })).send().await.unwrap();
        assert_eq!(set.status(), 200);
    }

    /// What the hub remembers of its requests.
    pub(crate) async fn remembered(&self) -> String {
        let url = format!("{}/hubs/contoso/requests", self.control);
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let ended = self.process.wait().unwrap();
        if !std::thread::panicking() {
            assert!(ended.success(), "{ended}");
        }
    }
}
