//! An app folder, an event log, a script, and the host between them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::event_log::EventLog;
use crate::script::Script;

pub(crate) const RETRY_FOR_EVER: &str = r#"{"strategy":"exponentialBackoff","maxRetryCount":-1,"minimumInterval":"00:00:01","maximumInterval":"00:01:00"}"#;

/// What differs from test to test.
pub(crate) struct Setup {
    pub(crate) retry: Option<&'static str>,
    pub(crate) function_timeout: &'static str,
    pub(crate) forwarding: bool,
    pub(crate) arguments: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            retry: Some(RETRY_FOR_EVER),
            function_timeout: "00:01:00",
            forwarding: true,
            arguments: Vec::new(),
        }
    }
}

pub(crate) struct World {
    pub(crate) log: EventLog,
    pub(crate) script: Script,
    pub(crate) client: reqwest::Client,
    pub(crate) http: String,
    pub(crate) control: String,
    pub(crate) handler_pid: u32,
    host: Child,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl World {
    pub(crate) async fn start(setup: Setup) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = std::env::temp_dir().join(format!("functions-host-{}", uuid::Uuid::new_v4()));
        write_app(&folder, &setup);
        let (log, log_url) = EventLog::serve().await;
        let (script, script_url) = Script::serve().await;
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut arguments: Vec<String> = [
            ("--port", "0".to_owned()),
            ("--retry-scale", "0.01".to_owned()),
            ("--max-batch", "2".to_owned()),
            ("--app", path(folder.join("app"))),
            ("--event-logs", log_url),
            ("--checkpoints", path(folder.join("checkpoints"))),
            ("--env", format!("RELAY_TO={script_url}")),
            ("--handler", path(handler())),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        arguments.insert(0, "start".to_owned());
        arguments.extend(setup.arguments);
        let (host, ready) = start_host(&arguments).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = Self {
            log,
            script,
            client,
            http: String::new(),
            control: String::new(),
            handler_pid: 0,
            host,
            folder,
            arguments,
        };
        world.note(&ready);
        world
    }

    fn note(&mut self, ready: &Value) {
        self.http = ready["http"].as_str().unwrap().to_owned();
        self.control = ready["control"].as_str().unwrap().to_owned();
        self.handler_pid = u32::try_from(ready["handlerPid"].as_u64().unwrap()).unwrap();
    }

    /// Kills the host without warning and starts it again on the same checkpoints.
    pub(crate) async fn kill_and_restart_host(&mut self) {
        self.host.kill().await.unwrap();
        let (host, ready) = start_host(&self.arguments).await;
        self.host = host;
        self.note(&ready);
    }

    pub(crate) async fn get(&self, url: String) -> (u16, Value) {
        let answer = self.client.get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    pub(crate) async fn post(&self, url: String, body: &'static str) -> u16 {
        self.client.post(url).body(body).send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn steer(&self, path: &str) -> Value {
        let answer = self.client.post(format!("{}{path}", self.control)).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    pub(crate) async fn idle(&self, wait: Duration) -> bool {
        self.get(format!("{}/idle?waitMs={}", self.control, wait.as_millis())).await.0 == 200
    }

    pub(crate) async fn position(&self, partition: &str) -> Value {
        self.get(format!("{}/positions", self.control)).await.1["twin-sync"][partition].clone()
    }

    pub(crate) fn checkpoint(&self, partition: &str) -> i64 {
        let file = self.folder.join("checkpoints").join(format!("twin-sync.{partition}.json"));
        let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        document["nextSequenceNumber"].as_i64().unwrap()
    }

    /// Waits until the handler is another process than this one, and ready.
    pub(crate) async fn handler_other_than(&self, pid: u32) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let handler = self.get(format!("{}/handler", self.control)).await.1;
            if handler["state"] == "ready" && handler["pid"].as_u64().is_some_and(|now| now != u64::from(pid))
            {
                return handler;
            }
            assert!(Instant::now() < deadline, "the handler is restarted: {handler}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn host_pid(&self) -> u32 {
        self.host.id().unwrap()
    }

    /// Waits for the host to end by itself: its exit code, and all it said on standard error.
    pub(crate) async fn host_end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.host.stderr.take().unwrap();
        let end = async {
            stderr.read_to_string(&mut said).await.unwrap();
            self.host.wait().await.unwrap().code()
        };
        let code = tokio::time::timeout(Duration::from_secs(20), end).await.expect("the host ends");
        (code, said)
    }

    /// Waits until the host says this on standard error.
    pub(crate) async fn said(&mut self, words: &str) {
        let mut lines = BufReader::new(self.host.stderr.as_mut().unwrap()).lines();
        let search = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(words) {
                    return;
                }
            }
            panic!("the host ended without saying {words}");
        };
        tokio::time::timeout(Duration::from_secs(20), search).await.expect("the host says it");
    }

    /// Kills the host and gives all it said on standard error.
    pub(crate) async fn everything_said(&mut self) -> String {
        self.host.start_kill().unwrap();
        self.host_end().await.1
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// This test program, which host.json tells to be the handler.
pub(crate) fn handler() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub(crate) fn host_command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_functions-host"));
    command
        .args(arguments)
        .env("AzureWebJobsStorage", "x")
        .env("HUB_CONNECTION", "Endpoint=sb://ns.example/;SharedAccessKeyName=n;SharedAccessKey=k")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn start_host(arguments: &[String]) -> (Child, Value) {
    let mut host = host_command(arguments).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(host.stdout.take().unwrap());
    let read = tokio::time::timeout(Duration::from_secs(20), stdout.read_line(&mut line)).await;
    read.expect("the host becomes ready").unwrap();
    if line.is_empty() {
        let mut said = String::new();
        host.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        panic!("the host did not start: {said}");
    }
    (host, serde_json::from_str(&line).unwrap())
}

pub(crate) fn write_app(folder: &std::path::Path, setup: &Setup) {
    let app = folder.join("app");
    let write = |name: &str, content: Value| {
        let file = app.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content.to_string()).unwrap();
    };
    let description = json!({
        "defaultExecutablePath": "absent",
        "arguments": crate::relay::ARGUMENTS,
        "useStdErrorStreamForErrorsOnly": false,
    });
    write(
        "host.json",
        json!({
            "version": "2.0",
            "functionTimeout": setup.function_timeout,
            "customHandler": {"description": description, "enableForwardingHttpRequest": setup.forwarding},
        }),
    );
    let retry: Value = setup.retry.map_or(Value::Null, |retry| serde_json::from_str(retry).unwrap());
    let trigger = json!({
        "type": "eventHubTrigger", "direction": "in", "name": "events", "eventHubName": "%HUB%",
        "connection": "HUB_CONNECTION", "cardinality": "many", "dataType": "binary",
    });
    write("twin-sync/function.json", json!({"bindings": [trigger], "retry": retry}));
    let route = "hub-router/{*deviceId}";
    let http = json!({"type": "httpTrigger", "direction": "in", "name": "req", "route": route});
    write(
        "hub-router/function.json",
        json!({"bindings": [http, {"type": "http", "direction": "out", "name": "res"}]}),
    );
    let timer = json!({"type": "timerTrigger", "direction": "in", "name": "tick", "schedule": "0 0 0 1 1 *"});
    write("ticker/function.json", json!({"bindings": [timer]}));
    write("local.settings.json", json!({"IsEncrypted": false, "Values": {"HUB": "devicetwin"}}));
}
