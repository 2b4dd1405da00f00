//! `--data`: the process is killed at any moment, and started again.

use super::signatures::{in_seconds, token};
use super::*;
use futures::future::join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, StatusCode};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Devices written at once, each by its own writer.
const WRITERS: u64 = 6;
const PARTITIONS: u64 = 4;

/// A directory of one test, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("iothub-emulator-kept-{}", uuid::Uuid::new_v4())))
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn has_snapshot(&self) -> bool {
        let files = std::fs::read_dir(self.data()).unwrap();
        files.into_iter().any(|file| file.unwrap().path().extension().is_some_and(|kind| kind == "snapshot"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// An emulator as a process of its own; it is killed when this is dropped.
struct Process {
    child: Child,
    ready: Value,
    client: Client,
    token: String,
}

fn command(scratch: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"));
    command.args(["--hub", "primary", "--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0"]);
    command.args(["--exit-with-stdin", "--data-slack-mib", "1", "--data"]).arg(scratch.join("data"));
    command.arg("--ca-dir").arg(scratch.join("ca")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Process {
    fn start(scratch: &Scratch) -> Self {
        Self::of(command(&scratch.0, &[]))
    }

    /// One whose files may not become larger than 128 KiB: writing fails then, as on a disk that is full.
    fn confined(scratch: &Scratch) -> Self {
        let whole = command(&scratch.0, &[]);
        let mut command = Command::new("bash");
        command.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(whole.get_program());
        command.args(whole.get_args()).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let ca = std::fs::read(ready["caFile"].as_str().unwrap()).unwrap();
        let client = Client::builder().tls_certs_only([Certificate::from_pem(&ca).unwrap()]).build().unwrap();
        let hub = &ready["hubs"][0];
        let resource = utf8_percent_encode(hub["hostName"].as_str().unwrap(), NON_ALPHANUMERIC).to_string();
        let token = token(&resource, &key(&ready), in_seconds(600), Some("iothubowner"));
        Self { child, ready, client, token }
    }

    /// Sends a request; `None` when the connection breaks before the answer is here.
    async fn send(&self, method: Method, path: &str, body: Value) -> Option<(StatusCode, Value)> {
        let host = self.ready["hubs"][0]["hostName"].as_str().unwrap();
        let url = format!("https://{host}{path}?api-version=2021-04-12");
        let request = self.client.request(method, url).header("authorization", &self.token);
        let answer = request.header("if-match", "*").json(&body).send().await.ok()?;
        let status = answer.status();
        Some((status, answer.json().await.unwrap_or_default()))
    }

    async fn create(&self, device: &str) {
        let item = json!([{"id": device, "importMode": "create", "tags": {"n": 0}}]);
        assert_eq!(self.send(Method::POST, "/devices", item).await.unwrap().0, 200);
    }

    /// All events of the routed event hub by device, with the sequence numbers of their partition checked.
    async fn events(&self) -> BTreeMap<String, Vec<Value>> {
        let logs = self.ready["eventLogs"].as_str().unwrap();
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let url = format!("{logs}/eventhubs/devicetwin/partitions/{partition}/events?from=0&max=10000");
            let page: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
            for (at, event) in page["events"].as_array().unwrap().iter().enumerate() {
                assert_eq!(event["sequenceNumber"], at);
                let device = event["properties"]["deviceId"].as_str().unwrap().to_owned();
                all.entry(device).or_default().push(event.clone());
            }
        }
        all
    }

    fn kill(&mut self) {
        // SIGKILL.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn key(ready: &Value) -> String {
    let connection = ready["hubs"][0]["connectionString"].as_str().unwrap();
    connection.split_once(";SharedAccessKey=").unwrap().1.to_owned()
}

/// Writes the numbers after `from` into tags and desired properties of a device, each larger than a page of memory,
/// until the connection breaks; gives the last number that was acknowledged.
async fn write(process: &Process, device: &str, from: u64, acknowledged: &AtomicU64) -> u64 {
    let mut last = from;
    loop {
        let n = last + 1;
        let text = "x".repeat(3000);
        let body = json!({"tags": {"n": n}, "properties": {"desired": {"n": n, "text": text}}});
        match process.send(Method::PATCH, &format!("/twins/{device}"), body).await {
            None => return last,
            Some((status, _)) => assert_eq!(status, 200),
        }
        last = n;
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// The number that is in a twin, which must be there as a whole: in tags, properties, versions and events alike.
fn whole(twin: &Value, events: &[Value]) -> u64 {
    let n = twin["tags"]["n"].as_u64().unwrap();
    if n > 0 {
        assert_eq!(twin["properties"]["desired"]["n"], n);
    }
    let [etag, _, desired, _] = counters(twin);
    assert_eq!((etag, desired), (n + 1, n + 1));
    let updates = events.iter().filter(|event| event["properties"]["opType"] == "updateTwin").count();
    assert_eq!(updates as u64, n, "one event for each write and none besides");
    n
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_survives_a_kill_at_any_moment_and_nothing_is_there_by_half() {
    let scratch = Scratch::new();
    let devices: Vec<String> = (0..WRITERS).map(|n| format!("device-{n}")).collect();
    let mut process = Process::start(&scratch);
    let first_key = key(&process.ready);
    join_all(devices.iter().map(|device| process.create(device))).await;
    let mut known = vec![0_u64; devices.len()];
    for _ in 0..5 {
        let acknowledged = AtomicU64::new(0);
        let enough = rand::random_range(1..300);
        let pid = process.child.id().to_string();
        let writers = join_all(
            devices.iter().zip(&known).map(|(device, from)| write(&process, device, *from, &acknowledged)),
        );
        let killer = async {
            while acknowledged.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
            }
            assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        };
        let (last, ()) = tokio::join!(writers, killer);
        process.kill();
        process = Process::start(&scratch);
        assert_eq!(key(&process.ready), first_key, "connection strings keep their keys");
        let events = process.events().await;
        for ((device, known), last) in devices.iter().zip(&mut known).zip(last) {
            let (_, twin) =
                process.send(Method::GET, &format!("/twins/{device}"), Value::Null).await.unwrap();
            *known = whole(&twin, &events[device]);
            // The one that was on its way when the process died may have come through.
            assert!(*known == last || *known == last + 1, "{device} has {known}, {last} was acknowledged");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_under_load_loses_nothing() {
    let scratch = Scratch::new();
    let process = Process::start(&scratch);
    let devices: Vec<String> = (0..WRITERS).map(|n| format!("device-{n}")).collect();
    join_all(devices.iter().map(|device| process.create(device))).await;
    let acknowledged = AtomicU64::new(0);
    let pid = process.child.id().to_string();
    let writers = join_all(devices.iter().map(|device| write(&process, device, 0, &acknowledged)));
    let killer = async {
        // A snapshot, and writes after it.
        while !scratch.has_snapshot() {
            tokio::task::yield_now().await;
        }
        let enough = acknowledged.load(Ordering::SeqCst) + 30;
        while acknowledged.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    };
    let (last, ()) = tokio::join!(writers, killer);
    drop(process);
    let process = Process::start(&scratch);
    let events = process.events().await;
    for (device, last) in devices.iter().zip(last) {
        let (_, twin) = process.send(Method::GET, &format!("/twins/{device}"), Value::Null).await.unwrap();
        let known = whole(&twin, &events[device]);
        assert!(known == last || known == last + 1, "{device} has {known}, {last} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_cannot_be_kept_is_refused_and_does_not_take_effect() {
    let scratch = Scratch::new();
    let mut process = Process::confined(&scratch);
    process.create("d").await;
    let mut last = 0;
    let refused = loop {
        let body = json!({"tags": {"n": last + 1}, "properties": {"desired": {"n": last + 1, "text": "x".repeat(3000)}}});
        match process.send(Method::PATCH, "/twins/d", body).await.unwrap() {
            (StatusCode::OK, _) => last += 1,
            refused => break refused,
        }
        assert!(last < 100, "128 KiB are full");
    };
    assert_eq!(refused.0, 500, "{refused:?}");
    for _ in 0..2 {
        let (_, twin) = process.send(Method::GET, "/twins/d", Value::Null).await.unwrap();
        assert_eq!(whole(&twin, &process.events().await["d"]), last);
        process.kill();
        process = Process::start(&scratch);
    }
    // There is room again.
    process.send(Method::PATCH, "/twins/d", json!({"tags": {"n": last + 1}})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_modules_configurations_and_deletions_are_all_kept() {
    let scratch = Scratch::new();
    let mut process = Process::start(&scratch);
    let none = Value::Null;
    let content = json!({"id": "c", "content": {"deviceContent": {"properties.desired.x": 1}}});
    let url = |process: &Process, path: &str| {
        format!(
            "https://{}{path}?api-version=2021-04-12",
            process.ready["hubs"][0]["hostName"].as_str().unwrap()
        )
    };
    for (path, body) in [
        ("/devices/edge", json!({"deviceId": "edge", "capabilities": {"iotEdge": true}})),
        ("/devices/edge/modules/m", json!({"deviceId": "edge", "moduleId": "m"})),
        ("/devices/gone", json!({"deviceId": "gone"})),
        ("/configurations/c", content),
    ] {
        let request = process.client.put(url(&process, path)).header("authorization", &process.token);
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    }
    let patch = json!({"tags": {"precise": 1}, "properties": {"desired": {"a": {"b": [1, 2]}}}});
    process.send(Method::PATCH, "/twins/edge/modules/m", patch).await.unwrap();
    process.send(Method::DELETE, "/devices/gone", none.clone()).await.unwrap();
    let paths = [
        "/devices/edge",
        "/devices/edge/modules",
        "/twins/edge",
        "/twins/edge/modules/m",
        "/configurations/c",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(process.send(Method::GET, path, none.clone()).await.unwrap());
    }
    assert!(before.iter().all(|(status, _)| *status == 200), "{before:?}");
    process.kill();
    process = Process::start(&scratch);
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(process.send(Method::GET, path, none.clone()).await.unwrap(), before, "{path}");
    }
    assert_eq!(process.send(Method::GET, "/devices/gone", none).await.unwrap().0, 404);
}

#[test]
fn a_directory_of_another_hub_or_of_other_partitions_is_refused_by_name() {
    let scratch = Scratch::new();
    drop(Process::start(&scratch));
    let refused = |arguments: &[&str]| {
        let ended = command(&scratch.0, arguments).output().unwrap();
        assert!(!ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    };
    let text = refused(&["--partitions", "7"]);
    assert!(text.contains("--partitions 4"), "{text}");
    let mut other = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"));
    other.args(["--hub", "other", "--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0", "--data"]);
    let ended = other.arg(scratch.data()).arg("--ca-dir").arg(scratch.0.join("ca")).output().unwrap();
    let text = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && text.contains("--hub primary"), "{text}");
}
