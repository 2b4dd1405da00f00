//! The emulator as a process of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use sha2::Sha256;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Options;
use super::client::{Address, Client};

/// A running emulator with one hub; it ends with its standard input.
pub(crate) struct Emulator {
    process: Child,
    pub(crate) ready: Value,
}

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) peak: u64,
    pub(crate) now: u64,
}

/// What came back after a kill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restarted {
    pub(crate) took: Duration,
    pub(crate) journal: u64,
    pub(crate) memory: Memory,
}

impl Emulator {
    pub(crate) async fn start(options: &Options, data: Option<&Path>) -> Self {
        let program = options.emulator.clone().unwrap_or_else(built);
        let mut command = Command::new(program);
        command.args(["--hub", "scale", "--exit-with-stdin", "--https-port", "0", "--mqtt-port", "0"]);
        let authority = std::env::temp_dir().join("iothub-emulator-scale");
        command.args(["--amqp-port", "0", "--ca-dir"]).arg(authority).args(&options.arguments);
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut process =
            command.env("RUST_LOG", "warn").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, ready: serde_json::from_str(&line).unwrap() }
    }

    pub(crate) async fn connect(&self, connections: usize) -> Vec<Client> {
        let address = self.address();
        let mut all = Vec::new();
        for _ in 0..connections {
            all.push(Client::connect(&address).await);
        }
        all
    }

    fn address(&self) -> Address {
        let text = |path: &str| self.ready.pointer(path).unwrap().as_str().unwrap().to_owned();
        let host = text("/hubs/0/hostName");
        let connection = text("/hubs/0/connectionString");
        let key = connection.split_once(";SharedAccessKey=").unwrap().1;
        let pem = std::fs::read(text("/caFile")).unwrap();
        Address { token: token(&host, key), host, authority: CertificateDer::from_pem_slice(&pem).unwrap() }
    }

    pub(crate) fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
        };
        Memory { peak: bytes("VmHWM:"), now: bytes("VmRSS:") }
    }

    /// Processor time used so far, by the emulator and by this process.
    pub(crate) fn processors(&self) -> [Duration; 2] {
        [self.process.id(), std::process::id()].map(|process| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            // After the name, which may have blanks, the 12th and 13th field, in ticks of 10 ms.
            let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
            let ticks: u64 = fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
            Duration::from_millis(ticks * 10)
        })
    }

    /// Kills it as a crash would, and starts it again on what it left.
    pub(crate) async fn restart(mut self, options: &Options, data: &Path) -> Restarted {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let files = std::fs::read_dir(data).unwrap();
        let journal = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        let begun = Instant::now();
        let again = Self::start(options, Some(data)).await;
        Restarted { took: begun.elapsed(), journal, memory: again.memory() }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _gone = self.process.wait();
    }
}

/// Builds the emulator beside this example.
fn built() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["build", "--release", "-p", "iothub-emulator", "--bin", "iothub-emulator"];
    assert!(Command::new(cargo).args(arguments).status().unwrap().success());
    let examples = std::env::current_exe().unwrap();
    examples.parent().unwrap().with_file_name("iothub-emulator")
}

fn token(host: &str, key: &str) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let expiry = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 24 * 3600;
    let resource = escaped(host);
    let mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    let signature = mac.chain_update(format!("{resource}\n{expiry}")).finalize().into_bytes();
    let signature = escaped(&STANDARD.encode(signature));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn=iothubowner")
}
