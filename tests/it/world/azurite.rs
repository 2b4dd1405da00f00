//! Azurite: blob storage as the app sees it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::processes::root;

/// The account that Azurite knows, with the key that its documentation publishes.
const ACCOUNT: &str = "devstoreaccount1";
const PUBLISHED_KEY: [&str; 2] =
    ["Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq", "/K1SZFPTOtr/KBHBeksoGMGw=="];

pub fn connection_string_for(port: u16) -> String {
    let key = PUBLISHED_KEY.concat();
    format!(
        "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};\
         BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )
}

/// Worlds that share one: with what many of them leave behind it becomes slow, and keeps all others waiting.
const SHARED_BY: usize = 16;

/// Storage for one more world, which has its own container in it.
pub fn shared() -> Arc<Azurite> {
    static NEWEST: Mutex<Option<(Arc<Azurite>, usize)>> = Mutex::new(None);
    let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *newest {
        Some((azurite, worlds)) if *worlds < SHARED_BY => {
            *worlds += 1;
            Arc::clone(azurite)
        }
        full => {
            let azurite = Arc::new(Azurite::start());
            *full = Some((Arc::clone(&azurite), 1));
            azurite
        }
    }
}

/// Storage that ends when nobody has it any more, or with this process.
pub struct Azurite {
    pub port: u16,
    child: Child,
}

impl Azurite {
    pub fn start() -> Self {
        let (child, port) = spawn();
        Self { port, child }
    }

    pub fn connection_string(&self) -> String {
        connection_string_for(self.port)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Starts it under a watchdog that ends it when its standard input ends, as it does with this process.
fn spawn() -> (Child, u16) {
    let script = root().join("target/test-parts/node_modules/azurite/dist/src/blob/main.js");
    assert!(script.exists(), "{} is missing: run tests/run", script.display());
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(
            "exec 3<&0; node \"$0\" --blobHost 127.0.0.1 --blobPort 0 --inMemoryPersistence \
             --skipApiVersionCheck --disableTelemetry 3<&- & pid=$!; cat <&3 >/dev/null; kill $pid",
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
    (child, port)
}
