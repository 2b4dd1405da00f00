//! The programs the lab drives: built by cargo, started with a clean environment, ended by id.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::error::LabError;
use crate::folders::{self, Profile};

/// How long a program may take to say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a program may take to end when asked to, before it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How much of a failed program's log is shown.
const LOG_LINES: usize = 20;
/// What a program inherits. Nothing else: a variable named like an app setting would win over the
/// lab's own, and send the demonstration to somebody's real hubs.
const INHERITED: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LANG", "RUST_LOG", "RUST_BACKTRACE"];

/// Builds all programs, with cargo's own progress on the terminal. All, because what is chosen decides the features of
/// what is shared: another choice than that of `cargo lab` would build half of the crates again.
///
/// # Errors
/// When cargo is missing or the build fails.
pub(crate) async fn build(app: &Path, profile: Profile) -> Result<(), LabError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let failed = |why: String| LabError::Program("cargo build".to_owned(), why);
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
        command.env_remove(name);
    }
    let status = command
        .current_dir(app)
        .args(["build", "--bins"])
        .args(profile.is_release().then_some("--release"))
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| failed(error.to_string()))?;
    status.success().then_some(()).ok_or_else(|| failed(status.to_string()))
}

/// Whether `cargo lab` started this program, which then is a debug build: the story needs no other and is there sooner.
pub(crate) fn is_run_by_cargo() -> bool {
    cfg!(debug_assertions) && std::env::var_os("CARGO").is_some()
}

/// Builds everything in release and becomes the release build of this program, with the same arguments.
///
/// # Errors
/// When the build fails or its program cannot be started.
pub(crate) async fn go_on_in_release() -> Result<(), LabError> {
    eprintln!("Building in release what is to be measured, once; that takes some minutes.");
    build(&folders::app_root()?, Profile::Release).await?;
    let mut command = std::process::Command::new(Profile::Release.folder()?.join("lab"));
    command.args(std::env::args_os().skip(1));
    Err(LabError::Program("lab".to_owned(), instead_of_this(command).to_string()))
}

/// Takes this process's place, so that Ctrl-C reaches one lab only. Returns when that fails.
#[cfg(unix)]
fn instead_of_this(mut command: std::process::Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Where a process cannot be replaced, it is waited for.
#[cfg(not(unix))]
fn instead_of_this(mut command: std::process::Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// What `cargo run` says about the lab. Build scripts that look at it would run again, and with
/// them half of the dependencies would be built again every time.
fn is_of_this_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// A command with only the environment the lab means it to have.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.kill_on_drop(true);
    command
}

/// What a program that was run to its end came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; nothing when it was killed.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) output: String,
    /// Standard error.
    pub(crate) complaint: String,
}

impl Ran {
    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn of(mut command: Command) -> std::io::Result<Self> {
        let output = command.output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code();
        Ok(Self { code, output: text(&output.stdout), complaint: text(&output.stderr) })
    }

    /// Done, or nothing to do.
    pub(crate) fn is_done(&self) -> bool {
        self.code == Some(0)
    }
}

/// A running program that printed one JSON line when it was ready. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Program {
    /// Starts `command`, with its log in `logs`, and waits for its ready line.
    ///
    /// # Errors
    /// When it cannot be started, ends early, or says nothing within a minute; the end of its log
    /// is part of the message.
    pub(crate) async fn start(name: &str, mut command: Command, logs: &Path) -> Result<Self, LabError> {
        let log = logs.join(format!("{name}.log"));
        let stderr = std::fs::File::create(&log).map_err(LabError::file(&log))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        // Its own group: Ctrl-C reaches the lab alone, which then ends its programs in order.
        #[cfg(unix)]
        command.process_group(0);
        let failed = |why: String| LabError::Program(name.to_owned(), format!("{why}\n{}", tail(&log)));
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("no output".to_owned()))?;
        let ready = tokio::time::timeout(READY_WITHIN, ready_line(stdout)).await;
        let ready = ready.map_err(|_| failed("not ready in time".to_owned()))?;
        let ready = ready.ok_or_else(|| failed("ended before it was ready".to_owned()))?;
        Ok(Self { name: name.to_owned(), child, ready })
    }

    /// A text member of the ready line.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn text(&self, pointer: &str) -> Result<String, LabError> {
        let found = self.ready.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| self.lacks(pointer))
    }

    /// A number of the ready line.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn number(&self, pointer: &str) -> Result<u64, LabError> {
        self.ready.pointer(pointer).and_then(Value::as_u64).ok_or_else(|| self.lacks(pointer))
    }

    fn lacks(&self, pointer: &str) -> LabError {
        LabError::Program(self.name.clone(), format!("its ready line has no {pointer}"))
    }
}

impl Drop for Program {
    /// Asks the program to end and waits for it, so that it can end its own children; then kills.
    fn drop(&mut self) {
        ask_to_end(&self.child);
        let deadline = Instant::now() + ENDS_WITHIN;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        let _ = self.child.start_kill();
    }
}

#[cfg(unix)]
fn ask_to_end(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

#[cfg(not(unix))]
fn ask_to_end(_child: &Child) {}

/// The first line that is JSON; the rest is read and dropped, so that the pipe never fills.
async fn ready_line(stdout: impl AsyncRead + Unpin + Send + 'static) -> Option<Value> {
    let mut lines = BufReader::new(stdout).lines();
    let ready = loop {
        let line = lines.next_line().await.ok()??;
        if let Ok(value) = serde_json::from_str(&line) {
            break value;
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(ready)
}

fn tail(log: &PathBuf) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}
