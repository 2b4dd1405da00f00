//! Two hubs, storage, the host and the real handler process, through their public doors.
#![allow(dead_code)]

pub mod azurite;
pub mod device;
pub mod handler;
pub mod hub;
pub mod news;
pub mod processes;
pub mod relay;
pub mod storage;
pub mod weather;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::process::Command;

use self::azurite::Azurite;
use self::hub::Hub;
use self::processes::{Process, program, root};

/// The world of one test. Dropped, nothing of it is left.
pub struct World {
    pub primary: Hub,
    pub secondary: Hub,
    pub http: reqwest::Client,
    pub control: String,
    pub event_logs: String,
    pub host_control: String,
    pub router: String,
    /// What the app's processes have in their environment.
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
    host: Option<Process>,
    _hubs: Process,
    _storage: Arc<Azurite>,
}

/// How the world is to be.
pub struct Options {
    /// More of the environment of the app.
    pub environment: Vec<(&'static str, String)>,
    /// Whether the Functions host is started at once.
    pub host: bool,
    pub partitions: u32,
    pub max_restarts: u32,
    pub max_batch: Option<u32>,
    /// Both hubs' tier with its time scale, which the app is told as well.
    pub tier: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            environment: Vec::new(),
            host: true,
            partitions: 4,
            max_restarts: 1000,
            max_batch: None,
            tier: weather::tier(),
        }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = std::env::temp_dir().join(format!("iot-hadr-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(program("iothub-emulator"));
        command.args(["--hub", "primary@127.0.0.1", "--hub", "secondary@127.0.0.1"]);
        command.args(["--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0"]);
        command.args(["--partitions", &options.partitions.to_string()]).arg("--ca-dir").arg(&folder);
        if let Some(tier) = &options.tier {
            command.args(["--tier", tier]);
        }
        for switch in weather::switches() {
            command.args(["--switch", switch]);
        }
        // Its standard input ends with this process, however that ends.
        command.arg("--exit-with-stdin");
        let (hubs, ready) = Process::ready("hubs", &mut command).await;
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let ca_file = text("caFile");
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&ca_file).unwrap()).unwrap();
        let patience = Duration::from_secs(60);
        let http = reqwest::Client::builder().timeout(patience).tls_certs_only([authority]).build().unwrap();
        let control = text("control");
        let primary = Hub::new(&ready["hubs"][0], &control, &http);
        let secondary = Hub::new(&ready["hubs"][1], &control, &http);
        let storage = azurite::shared();
        let connections = [text("eventHubs"), storage.connection_string()];
        let environment = environment(&primary, &secondary, &ca_file, connections, &options);
        let mut world = Self {
            primary,
            secondary,
            http,
            control,
            event_logs: text("eventLogs"),
            host_control: String::new(),
            router: String::new(),
            environment,
            folder,
            host: None,
            _hubs: hubs,
            _storage: storage,
        };
        if options.host {
            let init = world.app(&["init"]).await;
            assert_eq!(init.code, 0, "{}{}", init.stdout, init.stderr);
            world.start_host(&options).await;
        }
        world
    }

    /// Starts the Functions host on a folder that looks like a publish.
    pub async fn start_host(&mut self, options: &Options) {
        let app = self.folder.join("app");
        for function in ["registry-sync", "twin-sync", "hub-router"] {
            std::fs::create_dir_all(app.join(function)).unwrap();
            let file = format!("{function}/function.json");
            std::fs::copy(root().join(&file), app.join(&file)).unwrap();
        }
        std::fs::copy(root().join("host.json"), app.join("host.json")).unwrap();
        let mut command = Command::new(program("functions-host"));
        command.arg("start").arg("--app").arg(&app).args(["--event-logs", &self.event_logs, "--port", "0"]);
        command.arg("--handler").arg(program("iot-hadr"));
        command.arg("--checkpoints").arg(self.folder.join("checkpoints")).arg("--end-on-sigterm");
        command.args(["--max-restarts", &options.max_restarts.to_string(), "--retry-scale", "0.05"]);
        if let Some(max_batch) = options.max_batch {
            command.args(["--max-batch", &max_batch.to_string()]);
        }
        command.envs(self.environment.iter().cloned());
        let (host, ready) = Process::ready("host", &mut command).await;
        self.host_control = ready["control"].as_str().unwrap().to_owned();
        self.router = format!("{}/api/hub-router", ready["http"].as_str().unwrap());
        self.host = Some(host);
    }

    /// Ends the host (and with it the handler).
    pub async fn stop_host(&mut self) {
        if let Some(mut host) = self.host.take() {
            host.signal("TERM");
            host.exit_code().await;
        }
    }

    /// Runs the app's command line.
    pub async fn app(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(program("iot-hadr"));
        command.args(arguments).env_clear().envs(self.environment.iter().cloned()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await.unwrap().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The app's command line, its answer as JSON.
    pub async fn app_json(&self, arguments: &[&str]) -> Value {
        let ran = self.app(arguments).await;
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {ran:?}"))
    }

    pub async fn pending(&self) -> Vec<Value> {
        self.app_json(&["pending", "list", "--json"]).await.as_array().cloned().unwrap()
    }

    pub async fn dead_letters(&self) -> Vec<Value> {
        self.app_json(&["dead-letters", "list", "--json"]).await.as_array().cloned().unwrap()
    }

    /// Waits until every event that there is has been delivered, echoes included.
    pub async fn settle(&self) {
        let started = Instant::now();
        loop {
            let before = self.positions().await;
            let idle = self.http.get(format!("{}/idle?waitMs=5000", self.host_control)).send().await.unwrap();
            let status = idle.status();
            if status.is_success() && self.positions().await == before {
                return;
            }
            let waited = started.elapsed();
            if waited > Duration::from_secs(90) {
                panic!("not settled after {waited:?}: {}", idle.text().await.unwrap());
            }
        }
    }

    async fn positions(&self) -> Value {
        self.http
            .get(format!("{}/barrier?waitMs=5000", self.control))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub async fn host_post(&self, path: &str) {
        let response = self.http.post(format!("{}{path}", self.host_control)).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{path}: {status} {}", response.text().await.unwrap());
    }

    /// Tries what is pending, by hand, and waits for what comes of it.
    pub async fn sweep(&self) {
        self.app(&["pending", "retry"]).await;
        self.settle().await;
    }

    /// The process that the host runs, once there is one.
    pub async fn handler_id(&self) -> u32 {
        let url = format!("{}/handler", self.host_control);
        let id = async || self.get_json(&url).await["pid"].as_u64();
        self.eventually("a handler", async || id().await.is_some()).await;
        id().await.unwrap() as u32
    }

    pub async fn get_json(&self, url: &str) -> Value {
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Rules for events on their way: `drop`, `duplicate`, `hold`.
    pub async fn events(&self, rule: Value) {
        let response = self.http.post(format!("{}/events", self.control)).json(&rule).send().await.unwrap();
        response.error_for_status().unwrap();
    }

    pub async fn release_events(&self, order: &str) {
        let url = format!("{}/events/release", self.control);
        self.http
            .post(url)
            .json(&json!({ "order": order }))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    /// Puts an event into a partition, as it is.
    pub async fn append(&self, event_hub: &str, partition: u32, body: &[u8], properties: Value) {
        let url = format!("{}/eventhubs/{event_hub}/partitions/{partition}/events", self.event_logs);
        let event =
            json!({"body": BASE64_STANDARD.encode(body), "properties": properties, "systemProperties": {}});
        self.http.post(url).json(&event).send().await.unwrap().error_for_status().unwrap();
    }

    /// All events of an event hub, by partition.
    pub async fn log(&self, event_hub: &str, partition: u32) -> Vec<Value> {
        let url = format!(
            "{}/eventhubs/{event_hub}/partitions/{partition}/events?from=0&max=10000",
            self.event_logs
        );
        let answer: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        answer["events"].as_array().cloned().unwrap()
    }

    /// Both hubs agree on everything that travels.
    pub async fn assert_hubs_equal(&self) {
        let (primary, secondary) = (self.primary.fleet().await, self.secondary.fleet().await);
        for id in primary.keys().chain(secondary.keys()) {
            assert_eq!(primary.get(id), secondary.get(id), "{id}: primary (left), secondary (right)");
        }
    }

    /// Polls until `condition` holds; for what no barrier covers (the router's background refresh).
    pub async fn eventually<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        let (started, mut pause) = (Instant::now(), Duration::from_millis(50));
        while !condition().await {
            assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
            tokio::time::sleep(pause).await;
            // Looking must not keep from happening what is looked for.
            pause = (pause * 3 / 2).min(Duration::from_millis(500));
        }
    }

    /// What the router answers.
    pub async fn route(&self, device: &str) -> Value {
        let device = utf8_percent_encode(device, NON_ALPHANUMERIC);
        let url = format!("{}?deviceId={device}", self.router);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub fn variable(&self, name: &str) -> &str {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.host = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

fn environment(
    primary: &Hub,
    secondary: &Hub,
    ca_file: &str,
    [event_hubs, storage]: [String; 2],
    options: &Options,
) -> Vec<(String, String)> {
    let container = format!("t{}", uuid::Uuid::new_v4().simple());
    let mut environment: Vec<(String, String)> = [
        ("iothub1", primary.connection_string.clone()),
        ("iothub2", secondary.connection_string.clone()),
        ("HADR_HUB1_NAME", primary.name.clone()),
        ("HADR_HUB2_NAME", secondary.name.clone()),
        ("HADR_HUB1_MQTT_PORT", primary.mqtt_port.to_string()),
        ("HADR_HUB2_MQTT_PORT", secondary.mqtt_port.to_string()),
        ("AzureWebJobsStorage", storage),
        ("myEventHubReadConnectionAppSetting", event_hubs),
        ("SSL_CERT_FILE", ca_file.to_owned()),
        ("HADR_CONTAINER", container),
        ("HADR_REGISTRY_CONSUMER_GROUP", "iot-hadr".to_owned()),
        ("HADR_TWIN_CONSUMER_GROUP", "iot-hadr".to_owned()),
        // Half of what threads have, in a build whose frames are several times as large as a release's.
        ("RUST_MIN_STACK", (1 << 20).to_string()),
        ("HADR_LEASE_SECONDS", "3".to_owned()),
        ("HADR_RECORD_REFRESH_SECONDS", "1".to_owned()),
        // What is pending is tried when the test says so.
        ("HADR_SWEEP_EVERY_SECONDS", "3600".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(tier) = &options.tier {
        environment.extend(["HADR_HUB1_TIER", "HADR_HUB2_TIER"].map(|name| (name.to_owned(), tier.clone())));
    }
    for (name, value) in &options.environment {
        environment.retain(|(existing, _)| existing != name);
        environment.push(((*name).to_owned(), value.clone()));
    }
    environment
}
