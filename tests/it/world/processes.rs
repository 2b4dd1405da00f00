//! Processes that a test starts, and that end with it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of the workspace; `tests/run` has built them all.
pub fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_iot-hadr")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run tests/run", path.display());
    path
}

/// A running process. Told to end (SIGTERM) when it is dropped, so that it can end its own children.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts it and reads the one JSON line it prints when it is ready.
    pub async fn ready(name: &str, command: &mut Command) -> (Self, Value) {
        let mut process = Self::start(name, command.stdout(Stdio::piped()));
        let stdout = process.child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("{name} printed no ready line in 30 s"))
            .unwrap()
            .unwrap_or_else(|| panic!("{name} ended before it was ready"));
        // Read on, so that the process never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{name}: {line}: {e}"));
        (process, ready)
    }

    /// Starts it, all that it says in `target/test-logs/`.
    pub fn start_quietly(name: &str, command: &mut Command) -> Self {
        Self::start(name, command.stdout(Self::log(&format!("{name}.out"))))
    }

    fn log(name: &str) -> std::fs::File {
        let logs = root().join("target/test-logs");
        std::fs::create_dir_all(&logs).unwrap();
        let thread = std::thread::current().name().unwrap_or("test").replace("::", "-");
        std::fs::File::create(logs.join(format!("{thread}.{name}.log"))).unwrap()
    }

    /// Starts it. Its standard error goes to `target/test-logs/`.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stderr(Self::log(name))
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        Self { child, name: name.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    /// Waits for its end; its exit code (or 128 + signal).
    pub async fn exit_code(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("{} does not end", self.name))
            .unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }

    pub fn signal(&self, signal: &str) {
        if let Some(id) = self.child.id() {
            send_signal(id, signal);
        }
    }
}

pub fn send_signal(id: u32, signal: &str) {
    std::process::Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status().unwrap();
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(id) = self.child.id() else { return };
        send_signal(id, "TERM");
        for _ in 0..200 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
