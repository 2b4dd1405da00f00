//! The real process, and raw connections to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use sha2::Sha256;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest wait for an answer or for the end of a connection that sends nothing more.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the process may use in the end, in KiB: it starts at about a twentieth of it.
const MOST_MEMORY_KIB: u64 = 512 * 1024;

pub(crate) struct Emulator {
    process: Child,
    complaints: Arc<Mutex<String>>,
    ready: Value,
    directory: PathBuf,
    tls: TlsConnector,
    runtime: Runtime,
}

impl Emulator {
    pub(crate) fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("iothub-emulator-{}", uuid::Uuid::new_v4()));
        let mut process = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
            .args(["--hub", "primary", "--https-port", "0", "--mqtt-port", "0", "--amqp-port", "0"])
            .args(["--exit-with-stdin", "--ca-dir"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let complaints = Arc::default();
        listen(process.stderr.take().unwrap(), &complaints);
        let tls = trusting(ready["caFile"].as_str().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { process, complaints, ready, directory, tls, runtime }
    }

    pub(crate) fn host(&self) -> &str {
        self.ready["hubs"][0]["hostName"].as_str().unwrap()
    }

    /// A token of the owner's policy for everything.
    pub(crate) fn token(&self) -> String {
        let connection = self.ready["hubs"][0]["connectionString"].as_str().unwrap();
        let key = STANDARD.decode(connection.split_once(";SharedAccessKey=").unwrap().1).unwrap();
        let resource = utf8_percent_encode(self.host(), NON_ALPHANUMERIC).to_string();
        let expiry = jiff::Timestamp::now().as_second() + 3600;
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signature =
            STANDARD.encode(mac.chain_update(format!("{resource}\n{expiry}")).finalize().into_bytes());
        let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
        format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn=iothubowner")
    }

    /// Sends a request that asks for the connection to be closed after its answer, and gives that answer.
    pub(crate) fn request(&self, bytes: &[u8]) -> Vec<u8> {
        self.over_tls("https", bytes, false)
    }

    /// Sends these bytes over TLS to one of the hub's ports, says that nothing follows, and gives what came back.
    pub(crate) fn last_words(&self, port: &str, bytes: &[u8]) -> Vec<u8> {
        self.over_tls(port, bytes, true)
    }

    /// Says one thing after the other, each when the one before was answered as it should be, then last words.
    pub(crate) fn after(&self, greetings: &[(&[u8], &[u8])], bytes: &[u8]) {
        self.runtime.block_on(async {
            let mut stream = self.connect("https").await;
            for (said, ending) in greetings {
                stream.write_all(said).await.unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(ending) {
                    answer.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
                }
            }
            exchange(stream, bytes, true).await
        });
    }

    async fn connect(&self, port: &str) -> TlsStream<TcpStream> {
        let port = u16::try_from(self.ready["hubs"][0][port].as_u64().unwrap()).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        self.tls.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap()
    }

    fn over_tls(&self, port: &str, bytes: &[u8], last: bool) -> Vec<u8> {
        self.runtime.block_on(async { exchange(self.connect(port).await, bytes, last).await })
    }

    /// Sends these bytes to the event hubs, says that nothing follows, and gives what came back.
    pub(crate) fn to_event_hubs(&self, bytes: &[u8]) -> Vec<u8> {
        let endpoint = self.ready["eventHubs"].as_str().unwrap();
        let endpoint = endpoint.strip_prefix("Endpoint=sb://").unwrap().split_once(';').unwrap().0;
        self.runtime
            .block_on(async { exchange(TcpStream::connect(endpoint).await.unwrap(), bytes, true).await })
    }

    /// It runs, has not panicked, uses no more memory than it may, and answers.
    pub(crate) fn is_well(&self) {
        let request = format!(
            "GET /statistics/devices?api-version=2021-04-12 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             authorization: {}\r\n\r\n",
            self.token()
        );
        let answer = self.request(request.as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let complaints = self.complaints.lock().unwrap();
        assert!(!complaints.contains("panicked"), "{complaints}");
        let memory = resident_kib(self.process.id());
        assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _gone_already = self.process.wait();
        let _left_behind = std::fs::remove_dir_all(&self.directory);
    }
}

/// What comes back, until the other side closes or breaks the connection.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8], last: bool) -> Vec<u8> {
    let mut received = Vec::new();
    let talk = async {
        // A connection that is closed while bytes are still being sent is an answer too.
        let _closed_early = stream.write_all(bytes).await;
        if last {
            let _closed_early = stream.shutdown().await;
        }
        let _broken = stream.read_to_end(&mut received).await;
    };
    let ended = tokio::time::timeout(PATIENCE, talk).await;
    assert!(ended.is_ok(), "the connection was still open after {PATIENCE:?}");
    received
}

fn listen(mut stderr: impl Read + Send + 'static, complaints: &Arc<Mutex<String>>) {
    let complaints = Arc::clone(complaints);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer) {
            complaints.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
}

fn trusting(ca_file: &str) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth()).into()
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
