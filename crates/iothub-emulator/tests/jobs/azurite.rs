//! Azurite, one for this test binary, and containers in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response};
use sha2::Sha256;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The account that Azurite knows, with the key that its documentation publishes.
const ACCOUNT: &str = "devstoreaccount1";
const PUBLISHED_KEY: [&str; 2] =
    ["Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq", "/K1SZFPTOtr/KBHBeksoGMGw=="];

/// The version of signatures and requests here.
const VERSION: &str = "2019-12-12";

fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(start)
}

/// Starts it as anybody would, under a watchdog that ends it when this process is gone, however it went.
fn start() -> u16 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = root.join("target/test-parts/node_modules/azurite/dist/src/blob/main.js");
    assert!(script.exists(), "{} is missing: run tests/run", script.display());
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(
            "exec 3<&0; node \"$0\" --blobHost 127.0.0.1 --blobPort 0 --inMemoryPersistence \
             --disableTelemetry 3<&- & pid=$!; cat <&3 >/dev/null; kill $pid",
        )
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            line.contains("listens on").then(|| line.rsplit(':').next()?.trim().parse().ok()).flatten()
        })
        .expect("Azurite says which port it listens on");
    std::thread::spawn(move || lines.for_each(drop));
    // Its standard input stays open for as long as this process lives.
    std::mem::forget(child);
    port
}

fn signed(text: &str) -> String {
    let key = STANDARD.decode(PUBLISHED_KEY.concat()).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let signature = STANDARD.encode(mac.chain_update(text).finalize().into_bytes());
    utf8_percent_encode(&signature, NON_ALPHANUMERIC).to_string()
}

fn in_an_hour() -> String {
    let expiry = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A container of its own for each test.
pub(crate) struct Container {
    name: String,
    client: Client,
}

impl Container {
    pub(crate) async fn new() -> Self {
        let client = Client::builder().tls_certs_only([]).build().unwrap();
        let container = Self { name: format!("test-{}", uuid::Uuid::new_v4()), client };
        let made = container.ask(Method::PUT, "?restype=container&", "").await;
        assert_eq!(made.status(), 201);
        container
    }

    /// Where it is, without a signature.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}/{}", port(), self.name)
    }

    /// The address with a signature that gives these permissions.
    pub(crate) fn uri(&self, permissions: &str) -> String {
        let expiry = in_an_hour();
        let resource = format!("/blob/{ACCOUNT}/{}", self.name);
        let text = format!("{permissions}\n\n{expiry}\n{resource}\n\n\n\n{VERSION}\nc\n\n\n\n\n\n");
        let signature = signed(&text);
        format!("{}?sv={VERSION}&sr=c&sp={permissions}&se={expiry}&sig={signature}", self.address())
    }

    /// A request by the account's own right.
    async fn ask(&self, method: Method, rest: &str, body: impl Into<reqwest::Body>) -> Response {
        let expiry = in_an_hour();
        let signature = signed(&format!("{ACCOUNT}\nrwdlac\nb\nsco\n\n{expiry}\n\n\n{VERSION}\n"));
        let right = format!("sv={VERSION}&ss=b&srt=sco&sp=rwdlac&se={expiry}&sig={signature}");
        let request = self.client.request(method, format!("{}{rest}{right}", self.address()));
        let request = request.header("x-ms-version", VERSION).header("x-ms-blob-type", "BlockBlob");
        request.body(body).send().await.unwrap()
    }

    pub(crate) async fn put(&self, blob: &str, text: impl Into<reqwest::Body>) {
        assert_eq!(self.ask(Method::PUT, &format!("/{blob}?"), text).await.status(), 201);
    }

    /// The lines of a blob, if it exists.
    pub(crate) async fn lines(&self, blob: &str) -> Option<Vec<String>> {
        let found = self.ask(Method::GET, &format!("/{blob}?"), "").await;
        if found.status() == 404 {
            return None;
        }
        assert_eq!(found.status(), 200);
        Some(found.text().await.unwrap().lines().map(str::to_owned).collect())
    }

    /// The names of all blobs.
    pub(crate) async fn names(&self) -> Vec<String> {
        let listed = self.ask(Method::GET, "?restype=container&comp=list&", "").await.text().await.unwrap();
        let names = listed.split("<Name>").skip(1).filter_map(|rest| rest.split('<').next());
        names.map(str::to_owned).collect()
    }
}
