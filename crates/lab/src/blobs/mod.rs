//! Blob storage on this machine: the part of Azure Blob's REST interface that the app and its
//! tests need, served over plain HTTP on loopback and kept in memory.
//!
//! Addresses are path-style, `/{account}/{container}/{blob}`, as Azurite's. What is not listed in
//! [`serve`] is refused with 501 and its name. Credentials must be there (a SAS `sig` in the query
//! or an `Authorization` header) and are not verified: the port is on loopback and the key is
//! made up at start. `POST /switch/off` makes it answer 503 to everything until `POST /switch/on`.

mod error;
mod listing;
mod serve;
mod store;
mod xml;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The account name in every address.
const ACCOUNT: &str = "lab";
/// Length of a storage account key, as Azure's: 64 bytes.
const KEY_BYTES: usize = 64;

/// A running blob service; dropping it stops it and forgets every blob.
#[derive(Debug)]
pub(crate) struct Blobs {
    address: SocketAddr,
    key: String,
    task: JoinHandle<()>,
}

impl Blobs {
    /// Listens on a free loopback port with a new account key.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = serve::router(ACCOUNT);
        let task = tokio::spawn(async move {
            // axum's accept loop only returns on a broken listener, and then the app's own
            // "storage gives no answer" is the message to look at.
            let _ = axum::serve(listener, router).await;
        });
        let key = STANDARD.encode(rand::random::<[u8; KEY_BYTES]>());
        Ok(Self { address, key, task })
    }

    /// The connection string for `AzureWebJobsStorage`.
    pub(crate) fn connection_string(&self) -> String {
        format!(
            "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={};BlobEndpoint={};",
            self.key,
            self.endpoint()
        )
    }

    /// What turns the service off and on again, by POST to `/off` and `/on` under it.
    pub(crate) fn switch(&self) -> String {
        format!("http://{}/switch", self.address)
    }

    /// The account's address, without a trailing slash.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/{ACCOUNT}", self.address)
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        self.task.abort();
    }
}
