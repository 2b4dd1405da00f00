//! A blob container by its shared access signature.

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use std::fmt;
use std::time::Duration;

use crate::error::{ErrorCode, HubError};

/// The version of the storage API: old enough for every Azurite and all that is needed here.
const VERSION: &str = "2019-12-12";

/// Longest address of a container, in bytes: jobs are remembered with it. Signatures have a few hundred.
const LONGEST: usize = 4096;

/// How long storage may take to let a connection in.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// Why storage did not do what it was told. No text of it has the signature in it.
#[derive(Debug)]
pub(super) enum StorageError {
    /// It does not answer, or stops in the middle.
    Unreachable(String),
    /// It says no.
    Refused {
        /// The status.
        status: u16,
        /// `x-ms-error-code`, if it has one.
        code: String,
    },
    /// It has nothing to do with it: the emulator itself failed.
    Interrupted(String),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "blob storage cannot be reached: {why}"),
            Self::Refused { status, code } => write!(f, "blob storage answered {status} {code}"),
            Self::Interrupted(why) => write!(f, "the job was interrupted: {why}"),
        }
    }
}

impl From<reqwest::Error> for StorageError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut deepest: &dyn std::error::Error = &error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        Self::Unreachable(deepest.to_string())
    }
}

/// What a client is told about a container that cannot be used.
pub(super) fn unusable(error: &StorageError) -> HubError {
    HubError::new(
        ErrorCode::BlobContainerValidationError,
        format!("Unauthorized or unusable blob container: {error}"),
    )
}

/// A container and the right to use it.
pub(super) struct Container {
    client: Client,
    uri: Url,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({}{})", self.uri.host_str().unwrap_or_default(), self.uri.path())
    }
}

impl Container {
    /// Reads an address with a signature in its query.
    ///
    /// # Errors
    /// `BlobContainerValidationError` when it is no address over HTTP or HTTPS.
    pub(super) fn parse(text: &str) -> Result<Self, HubError> {
        let bad = |why: &str| HubError::new(ErrorCode::BlobContainerValidationError, why);
        if text.len() > LONGEST {
            return Err(bad("The blob container's URI is too long"));
        }
        let uri = Url::parse(text).map_err(|_| bad("The blob container's URI is not valid"))?;
        if !matches!(uri.scheme(), "http" | "https") || !uri.has_host() {
            return Err(bad("The blob container's URI is not one over HTTP or HTTPS"));
        }
        let client = client(uri.scheme() == "https").map_err(|error| {
            tracing::error!(%error, "no client for blob storage");
            HubError::new(ErrorCode::ServerError, "An internal error occurred.")
        })?;
        Ok(Self { client, uri })
    }

    /// The container with its signature, as it was given.
    pub(super) fn uri(&self) -> &str {
        self.uri.as_str()
    }

    fn request(&self, method: Method, blob: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
        let mut uri = self.uri.clone();
        if let Ok(mut path) = uri.path_segments_mut() {
            path.pop_if_empty().extend(blob.split('/'));
        }
        // After the signature, which stays as it is.
        uri.query_pairs_mut().extend_pairs(parameters);
        self.client.request(method, uri).header("x-ms-version", VERSION)
    }

    /// A blob's content, to be read piece by piece.
    ///
    /// # Errors
    /// What storage says, here and below.
    pub(super) async fn open(&self, blob: &str) -> Result<Response, StorageError> {
        accepted(self.request(Method::GET, blob, &[])).await
    }

    /// Sends one block of a blob.
    pub(super) async fn put_block(&self, blob: &str, id: &str, block: Bytes) -> Result<(), StorageError> {
        let request = self.request(Method::PUT, blob, &[("comp", "block"), ("blockid", id)]);
        accepted(request.body(block)).await.map(drop)
    }

    /// Makes a blob of the blocks that were sent, instead of what it was.
    pub(super) async fn commit(&self, blob: &str, ids: &[String]) -> Result<(), StorageError> {
        let blocks: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        let list = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>");
        let request = self.request(Method::PUT, blob, &[("comp", "blocklist")]);
        let request = request.header("x-ms-blob-content-type", "text/plain; charset=utf-8");
        accepted(request.body(list)).await.map(drop)
    }

    /// Looks whether blobs can be read. That the blob itself is missing is for the job to find.
    pub(super) async fn check_readable(&self, blob: &str) -> Result<(), StorageError> {
        match accepted(self.request(Method::HEAD, blob, &[])).await {
            Err(StorageError::Refused { code, .. }) if code == "BlobNotFound" => Ok(()),
            other => other.map(drop),
        }
    }

    /// Looks whether blobs can be written, read and deleted.
    pub(super) async fn check_writable(&self) -> Result<(), StorageError> {
        let probe = format!("iothub-access-{}", uuid::Uuid::new_v4());
        let write = self.request(Method::PUT, &probe, &[]).header("x-ms-blob-type", "BlockBlob");
        accepted(write.body("access")).await?;
        let read = accepted(self.request(Method::HEAD, &probe, &[])).await;
        accepted(self.request(Method::DELETE, &probe, &[])).await?;
        read.map(drop)
    }
}

async fn accepted(request: RequestBuilder) -> Result<Response, StorageError> {
    let answer = request.send().await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let code = answer.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let code = code.unwrap_or_default().to_owned();
    // A status without a body of its own has no code either.
    let code = match answer.status() {
        StatusCode::FORBIDDEN if code.is_empty() => "AuthorizationFailure".to_owned(),
        _ => code,
    };
    Err(StorageError::Refused { status: answer.status().as_u16(), code })
}

/// A client for one container. Only HTTPS needs this machine's certificate authorities.
fn client(https: bool) -> Result<Client, reqwest::Error> {
    // The emulator has no other provider; who has installed one keeps it.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT).read_timeout(SILENCE);
    if https { client.build() } else { client.tls_certs_only([]).build() }
}
