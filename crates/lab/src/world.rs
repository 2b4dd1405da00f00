//! Everything that runs: two hubs, blob storage, the functions host with the app, and the doors
//! through which the lab watches them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::blobs::Blobs;
use crate::error::LabError;
use crate::folders::{self, Profile, TempFolder};
use crate::hubs::Hub;
use crate::processes::{self, Program, Ran};
use crate::stage;

/// The port of a real `func host start`; any other one if it is taken.
const USUAL_PORT: u16 = 7071;
/// How long everything may take to come to rest.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
/// How long one question to a control port may wait for its answer to become true.
const POLL: Duration = Duration::from_secs(2);
/// How long a connection is kept without use: less than any server here keeps it (30 seconds), so
/// that no request is sent into a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(10);
/// Partitions of each event hub.
const PARTITIONS: u32 = 4;

/// All of it. Dropping it ends every program and removes the folder.
#[derive(Debug)]
pub(crate) struct World {
    hosts: Vec<Program>,
    emulator: Program,
    /// Blob storage, in this process.
    pub(crate) blobs: Blobs,
    /// The configured primary hub.
    pub(crate) primary: Hub,
    /// The configured secondary hub.
    pub(crate) secondary: Hub,
    /// The emulator's certificate authority, a PEM file.
    pub(crate) ca_file: PathBuf,
    settings: BTreeMap<String, String>,
    restarts: Option<u32>,
    client: reqwest::Client,
    logs: PathBuf,
    app: PathBuf,
    program: PathBuf,
    folder: TempFolder,
}

impl World {
    /// Starts hubs and storage and lays out the app; the functions host is started apart.
    ///
    /// # Errors
    /// When a program does not start or the app cannot be laid out.
    pub(crate) async fn start(logs: Option<PathBuf>) -> Result<Self, LabError> {
        let folder = TempFolder::new()?;
        let logs = logs.unwrap_or_else(|| folder.path().join("logs"));
        std::fs::create_dir_all(&logs).map_err(LabError::file(&logs))?;
        let emulator = start_emulator(&folder, &logs).await?;
        let blobs = Blobs::start().await.map_err(LabError::file(Path::new("blob storage")))?;
        let ca_file = PathBuf::from(emulator.text("/caFile")?);
        let client = client(&ca_file)?;
        let primary = hub(&emulator, 0, &client)?;
        let secondary = hub(&emulator, 1, &client)?;
        let settings = settings(&emulator, &blobs, &ca_file, [&primary, &secondary])?;
        let app = folder.path().join("app");
        let program = Profile::Own.folder()?.join("iot-hadr");
        stage::stage(&folders::app_root()?, &program, &app)?;
        Ok(Self {
            hosts: Vec::new(),
            emulator,
            blobs,
            primary,
            secondary,
            ca_file,
            settings,
            restarts: None,
            client,
            logs,
            app,
            program,
            folder,
        })
    }

    /// Sets an app setting; before the functions host is started.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.settings.insert(name.to_owned(), value.to_string());
    }

    /// How often a handler that crashed is started again, where it is not as the host does; before the functions host is
    /// started.
    pub(crate) fn restart_handlers(&mut self, times: u32) {
        self.restarts = Some(times);
    }

    /// Starts the functions host on the app. A second one shares the checkpoints of the first, has a handler of its
    /// own, and owns no partition until it is told.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start_host(&mut self) -> Result<(), LabError> {
        let settings = self.folder.path().join("local.settings.json");
        let text = json!({ "IsEncrypted": false, "Values": self.settings }).to_string();
        std::fs::write(&settings, text).map_err(LabError::file(&settings))?;
        let program = Profile::Own.folder()?.join("functions-host");
        let mut command = processes::command(&program);
        // By its own guard it ends with the lab, however that ends, as the handler does with it.
        command.arg("guard").arg(std::process::id().to_string()).arg(&program);
        command.arg("start").arg("--end-on-sigterm").arg("--app").arg(&self.app);
        command.arg("--event-logs").arg(self.emulator.text("/eventLogs")?);
        command.arg("--checkpoints").arg(self.folder.path().join("checkpoints"));
        command.arg("--local-settings").arg(&settings);
        command.arg("--port").arg(free_port(USUAL_PORT).await.to_string());
        if let Some(restarts) = self.restarts {
            command.arg("--max-restarts").arg(restarts.to_string());
        }
        let name = match self.hosts.len() {
            0 => "functions-host".to_owned(),
            others => {
                command.arg("--without-partitions");
                format!("functions-host-{}", others + 1)
            }
        };
        self.hosts.push(Program::start(&name, command, &self.logs).await?);
        Ok(())
    }

    /// Runs the app's own command line with the app's settings; its output.
    ///
    /// # Errors
    /// When it fails; its message is part of the error.
    pub(crate) async fn app(&self, arguments: &[&str]) -> Result<String, LabError> {
        let ran = self.run(arguments).await?;
        if ran.is_done() {
            return Ok(ran.output);
        }
        let why = format!("exit code {:?} {}", ran.code, ran.complaint);
        Err(LabError::Program(format!("iot-hadr {}", arguments.join(" ")), why))
    }

    /// The same, whatever it comes to.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Ran, LabError> {
        let mut command = processes::command(&self.program);
        command.args(arguments).envs(&self.settings);
        let failed = |error: std::io::Error| {
            LabError::Program(format!("iot-hadr {}", arguments.join(" ")), error.to_string())
        };
        Ran::of(command).await.map_err(failed)
    }

    /// The router's address, as devices know it.
    ///
    /// # Errors
    /// When the functions host has not been started.
    pub(crate) fn router(&self) -> Result<String, LabError> {
        Ok(format!("{}/api/hub-router", self.running()?.text("/http")?))
    }

    /// The router's address in every functions host.
    ///
    /// # Errors
    /// When a host's ready line does not name it.
    pub(crate) fn routers(&self) -> Result<Vec<String>, LabError> {
        let router = |host: &Program| Ok(format!("{}/api/hub-router", host.text("/http")?));
        self.hosts.iter().map(router).collect()
    }

    /// The ready line of the functions host.
    ///
    /// # Errors
    /// When it has not been started.
    pub(crate) fn running(&self) -> Result<&Program, LabError> {
        let missing = || LabError::Program("functions-host".to_owned(), "not started".to_owned());
        self.hosts.first().ok_or_else(missing)
    }

    /// Writes the settings as a file for a shell to read, `settings.sh`, and beside it `iot-hadr`, the app's command line
    /// with these settings. The folder is readable by this user only, and gone with everything else.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn command_line_for_a_shell(&self) -> Result<&Path, LabError> {
        let folder = self.folder.path();
        let (settings, command) = (folder.join("settings.sh"), folder.join("iot-hadr"));
        // The official Python and Node clients look for whom to trust in variables of their own.
        let trusted = ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"].map(|name| (name, &self.ca_file));
        let trusted = trusted.map(|(name, file)| format!("export {name}='{}'\n", file.display()));
        let lines = self.settings.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
        let lines: String = lines.chain(trusted).collect();
        std::fs::write(&settings, lines).map_err(LabError::file(&settings))?;
        let text =
            format!("#!/bin/sh\n. '{}'\nexec '{}' \"$@\"\n", settings.display(), self.program.display());
        std::fs::write(&command, text).map_err(LabError::file(&command))?;
        folders::make_executable(&command)?;
        Ok(folder)
    }

    /// The app's settings as they are handed to it, secrets included.
    pub(crate) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// An HTTP client that trusts the emulator.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.client
    }

    /// The folder of the programs' logs.
    pub(crate) fn logs(&self) -> &Path {
        &self.logs
    }

    /// The emulator's control port.
    pub(crate) fn control(&self) -> Result<String, LabError> {
        self.emulator.text("/control")
    }

    /// Where the event hubs can be read over plain HTTP.
    ///
    /// # Errors
    /// When the emulator's ready line does not name it.
    pub(crate) fn event_logs(&self) -> Result<String, LabError> {
        self.emulator.text("/eventLogs")
    }

    /// Asks the emulator's control port.
    pub(crate) async fn emulator(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, LabError> {
        let control = self.control()?;
        self.ask(method, &control, path, body).await.map(|(_, value)| value)
    }

    /// Asks the functions host's control port.
    pub(crate) async fn host(&self, method: &str, path: &str) -> Result<(u16, Value), LabError> {
        self.ask_host(self.running()?, method, path).await
    }

    /// Tells the control port of every functions host.
    ///
    /// # Errors
    /// When one does not answer.
    pub(crate) async fn hosts(&self, method: &str, path: &str) -> Result<(), LabError> {
        for host in &self.hosts {
            self.ask_host(host, method, path).await?;
        }
        Ok(())
    }

    /// The control port of every functions host.
    ///
    /// # Errors
    /// When a host's ready line does not name it.
    pub(crate) fn host_controls(&self) -> Result<Vec<String>, LabError> {
        self.hosts.iter().map(|host| host.text("/control")).collect()
    }

    /// Whether every functions host has worked off all that it owns, waiting a moment for it.
    ///
    /// # Errors
    /// When a control port does not answer.
    pub(crate) async fn hosts_are_idle(&self) -> Result<bool, LabError> {
        let path = format!("/idle?waitMs={}", POLL.as_millis());
        for host in &self.hosts {
            if self.ask_host(host, "GET", &path).await?.0 != 200 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ask_host(&self, host: &Program, method: &str, path: &str) -> Result<(u16, Value), LabError> {
        self.ask(method, &host.text("/control")?, path, None).await
    }

    /// Waits until every event generated so far has been delivered and worked off, and working it
    /// off has generated no new ones.
    ///
    /// # Errors
    /// When that takes longer than a minute, or a control port does not answer.
    pub(crate) async fn settle(&self) -> Result<(), LabError> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        let wait = format!("?waitMs={}", POLL.as_millis());
        let mut before = Value::Null;
        while Instant::now() < deadline {
            let barrier = self.emulator("GET", &format!("/barrier{wait}"), None).await?;
            let idle = self.hosts_are_idle().await?;
            let position = barrier.get("position").cloned().unwrap_or_default();
            if idle && position == before {
                return Ok(());
            }
            before = position;
        }
        Err(LabError::Late("for events to be worked off".to_owned()))
    }

    async fn ask(
        &self,
        method: &str,
        base: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), LabError> {
        let what = format!("{method} {path}");
        let verb = method.parse().unwrap_or(reqwest::Method::GET);
        let mut request = self.client.request(verb, format!("{base}{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(LabError::refused(&what))?;
        let status = answer.status();
        let text = answer.text().await.map_err(LabError::refused(&what))?;
        // 409 is an answer: not yet.
        if !status.is_success() && status != reqwest::StatusCode::CONFLICT {
            return Err(LabError::Refused(what, format!("{status} {text}")));
        }
        Ok((status.as_u16(), serde_json::from_str(&text).unwrap_or_default()))
    }
}

async fn start_emulator(folder: &TempFolder, logs: &Path) -> Result<Program, LabError> {
    let mut command = processes::command(&Profile::Own.folder()?.join("iothub-emulator"));
    command.args(["--hub", "primary@127.0.0.1", "--hub", "secondary@127.0.0.1", "--exit-with-stdin"]);
    command.args(["--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0"]);
    command.arg("--partitions").arg(PARTITIONS.to_string());
    command.arg("--ca-dir").arg(folder.path().join("ca"));
    Program::start("iothub-emulator", command, logs).await
}

fn hub(emulator: &Program, index: usize, client: &reqwest::Client) -> Result<Hub, LabError> {
    let text = |member: &str| emulator.text(&format!("/hubs/{index}/{member}"));
    let mqtt = emulator.number(&format!("/hubs/{index}/mqtt"))?;
    let port = u16::try_from(mqtt).unwrap_or_default();
    let incomplete = || LabError::Program("iothub-emulator".to_owned(), "bad connection string".to_owned());
    Hub::new(&text("name")?, &text("connectionString")?, port, client.clone()).ok_or_else(incomplete)
}

fn settings(
    emulator: &Program,
    blobs: &Blobs,
    ca_file: &Path,
    hubs: [&Hub; 2],
) -> Result<BTreeMap<String, String>, LabError> {
    let mut settings = BTreeMap::from([
        ("FUNCTIONS_WORKER_RUNTIME".to_owned(), "custom".to_owned()),
        ("AzureWebJobsStorage".to_owned(), blobs.connection_string()),
        ("myEventHubReadConnectionAppSetting".to_owned(), emulator.text("/eventHubs")?),
        ("SSL_CERT_FILE".to_owned(), ca_file.display().to_string()),
        ("HADR_REGISTRY_CONSUMER_GROUP".to_owned(), "iot-hadr".to_owned()),
        ("HADR_TWIN_CONSUMER_GROUP".to_owned(), "iot-hadr".to_owned()),
    ]);
    for (number, hub) in (1..).zip(hubs) {
        settings.insert(format!("iothub{number}"), hub.connection_string.clone());
        settings.insert(format!("HADR_HUB{number}_NAME"), hub.name.clone());
        settings.insert(format!("HADR_HUB{number}_MQTT_PORT"), hub.mqtt_port.to_string());
    }
    Ok(settings)
}

fn client(ca_file: &Path) -> Result<reqwest::Client, LabError> {
    let pem = std::fs::read(ca_file).map_err(LabError::file(ca_file))?;
    let bad = |error: reqwest::Error| LabError::Malformed(ca_file.to_owned(), error.to_string());
    let authority = reqwest::Certificate::from_pem(&pem).map_err(bad)?;
    let builder = reqwest::Client::builder().tls_certs_only([authority]).timeout(Duration::from_secs(30));
    builder.pool_idle_timeout(IDLE).build().map_err(bad)
}

/// `wanted` if nobody listens on it, otherwise any.
async fn free_port(wanted: u16) -> u16 {
    match TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, wanted)).await {
        Ok(_) => wanted,
        Err(_) => 0,
    }
}
