//! A door to storage that can be shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::azurite::{self, Azurite};

/// Passes connections on to Azurite while it is open, and breaks them off while it is shut.
pub struct Relay {
    pub port: u16,
    open: watch::Sender<bool>,
    lists: Arc<AtomicUsize>,
    _storage: Option<Arc<Azurite>>,
}

impl Relay {
    pub async fn start() -> Self {
        let storage = azurite::shared();
        Self { _storage: Some(Arc::clone(&storage)), ..Self::to(storage.port).await }
    }

    /// The same before another storage.
    pub async fn to(storage: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, opened) = watch::channel(true);
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *opened.borrow() {
                    tokio::spawn(pass(client, storage, opened.clone(), Arc::clone(&counted)));
                }
            }
        });
        Self { port, open, lists, _storage: None }
    }

    pub fn connection_string(&self) -> String {
        azurite::connection_string_for(self.port)
    }

    /// How many pages of notes have been listed so far.
    pub fn lists(&self) -> usize {
        self.lists.load(Ordering::Relaxed)
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(client: TcpStream, storage: u16, mut opened: watch::Receiver<bool>, lists: Arc<AtomicUsize>) {
    let Ok(storage) = TcpStream::connect(("127.0.0.1", storage)).await else { return };
    let (asks, mut answers) = client.into_split();
    let (mut hears, says) = storage.into_split();
    tokio::select! {
        () = asked(asks, says, &lists) => {}
        _ = tokio::io::copy(&mut hears, &mut answers) => {}
        _ = opened.wait_for(|open| !open) => {}
    }
}

/// Passes requests on; a request line comes in one piece.
async fn asked(mut asks: OwnedReadHalf, mut says: OwnedWriteHalf, lists: &AtomicUsize) {
    let mut some = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = asks.read(&mut some).await {
        let lines = String::from_utf8_lossy(&some[..read]);
        let found =
            lines.lines().filter(|line| line.contains("comp=list") && line.contains("prefix=pending"));
        lists.fetch_add(found.count(), Ordering::Relaxed);
        if says.write_all(&some[..read]).await.is_err() {
            return;
        }
    }
}
