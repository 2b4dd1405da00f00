//! A door to storage that can be shut.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::azurite;

/// Passes connections on to Azurite while it is open, and breaks them off while it is shut.
pub struct Relay {
    pub port: u16,
    open: watch::Sender<bool>,
}

impl Relay {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, opened) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *opened.borrow() {
                    tokio::spawn(pass(client, opened.clone()));
                }
            }
        });
        Self { port, open }
    }

    pub fn connection_string(&self) -> String {
        azurite::connection_string_for(self.port)
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(mut client: TcpStream, mut opened: watch::Receiver<bool>) {
    let Ok(mut storage) = TcpStream::connect(("127.0.0.1", azurite::port())).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut storage) => {}
        _ = opened.wait_for(|open| !open) => {}
    }
}
