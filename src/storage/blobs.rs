//! Blobs through the official client, with an account signature that is renewed before it expires.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::{
    ClientOptions, Etag, ExponentialRetryOptions, RetryOptions, StatusCode, Transport, Url,
};
use azure_core::time::Duration as Span;
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientUploadOptions, BlobContainerClientListBlobsOptions, BlobItem,
    ListBlobsIncludeItem,
};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use super::connection_string::{Access, ConnectionString};
use super::{Blob, InvalidConnectionString, ListPage, Listed, Precondition, StorageError, Written, sas};
use crate::model::ETag;

/// To connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One request, answer included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// One call, retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Further attempts after the first.
const MAX_RETRIES: u32 = 3;
/// How long a signature that is made here is good for.
const SIGNATURE_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// A signature is replaced when it has less than this left.
const SIGNATURE_RENEWAL: SignedDuration = SignedDuration::from_hours(1);
/// Names per page (documented limit).
const PAGE: i32 = 5000;

/// A storage account, from a connection string. Cheap to clone.
#[derive(Clone)]
pub struct Account(Arc<Connection>);

struct Connection {
    settings: ConnectionString,
    transport: Transport,
}

/// Shows the endpoint only.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.0.settings.endpoint)
    }
}

impl Account {
    /// Reads a connection string: `AccountName` with `AccountKey` (and `EndpointSuffix`,
    /// `DefaultEndpointsProtocol`), `BlobEndpoint`, `SharedAccessSignature`, or
    /// `UseDevelopmentStorage=true`. Connects to nothing.
    ///
    /// Needs a default TLS provider to be installed in the process.
    pub fn from_connection_string(text: &str) -> Result<Self, InvalidConnectionString> {
        let settings = ConnectionString::parse(text)?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        // Reading the root certificates takes milliseconds, and plain HTTP needs none.
        let plain = settings.endpoint.starts_with("http://");
        let client = if plain { client.tls_certs_only([]) } else { client };
        let client =
            client.build().map_err(|_| InvalidConnectionString::Endpoint(settings.endpoint.clone()))?;
        let transport = Transport::new(Arc::new(client));
        Ok(Self(Arc::new(Connection { settings, transport })))
    }

    /// Whether the text is a connection string; makes nothing of it.
    pub fn check(text: &str) -> Result<(), InvalidConnectionString> {
        ConnectionString::parse(text).map(drop)
    }

    /// The blob service's URL, without secrets.
    pub fn endpoint(&self) -> &str {
        &self.0.settings.endpoint
    }

    /// A container of this account, whether it exists or not.
    pub fn container(&self, name: &str) -> Container {
        let container = Opened { account: self.clone(), name: name.to_owned(), client: Mutex::new(None) };
        Container(Arc::new(container))
    }

    fn signature(&self, now: Timestamp) -> Result<(String, Timestamp), StorageError> {
        let settings = &self.0.settings;
        match &settings.access {
            Access::Signature(given) => Ok((given.expose().to_owned(), Timestamp::MAX)),
            Access::Key(key) => {
                let expires = now.saturating_add(SIGNATURE_LIFE).unwrap_or(Timestamp::MAX);
                sas::account_signature(&settings.account, key, expires)
                    .map(|signature| (signature.expose().to_owned(), expires))
                    .ok_or_else(|| StorageError::Denied("the account key is not base64".to_owned()))
            }
        }
    }
}

/// One blob container. Cheap to clone.
#[derive(Clone)]
pub struct Container(Arc<Opened>);

struct Opened {
    account: Account,
    name: String,
    client: Mutex<Option<(Arc<BlobContainerClient>, Timestamp)>>,
}

/// Shows where it is.
impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({}/{})", self.0.account.endpoint(), self.0.name)
    }
}

impl Container {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Creates the container; fine when it exists.
    pub async fn ensure(&self) -> Result<(), StorageError> {
        let client = self.client()?;
        match bounded(Box::pin(client.create(None))).await {
            Ok(_) | Err(StorageError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The blob; `None` when it is not there. [`StorageError::NoContainer`] when its container is not.
    pub async fn get(&self, name: &str) -> Result<Option<Blob>, StorageError> {
        let blob = self.client()?.blob_client(name);
        let read = async {
            let answer = blob.download(None).await?;
            let (etag, modified) = (answer.properties.etag, answer.properties.last_modified);
            Ok((answer.body.collect().await?, etag, modified.map(|time| time.unix_timestamp())))
        };
        match bounded(Box::pin(read)).await {
            Ok((bytes, etag, modified)) => {
                let Written { etag, last_modified } = written(etag, modified)?;
                Ok(Some(Blob { bytes, etag, last_modified }))
            }
            Err(StorageError::Rejected(code)) if code == BLOB_NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the blob whole. [`StorageError::Conflict`] when the precondition does not hold; that
    /// may be because an earlier attempt of this very call was applied and its answer lost, so a
    /// caller to whom that matters reads and recognises its own content.
    pub async fn put(
        &self,
        name: &str,
        bytes: Bytes,
        precondition: Precondition,
    ) -> Result<Written, StorageError> {
        self.put_with(name, bytes, precondition, HashMap::new()).await
    }

    /// The same, with metadata that [`Self::page`] shows. Names are letters, digits and underscores; values ASCII.
    pub async fn put_with(
        &self,
        name: &str,
        bytes: Bytes,
        precondition: Precondition,
        metadata: HashMap<String, String>,
    ) -> Result<Written, StorageError> {
        let metadata = Some(metadata).filter(|metadata| !metadata.is_empty());
        let mut options = BlobClientUploadOptions { metadata, ..Default::default() };
        match precondition {
            Precondition::Absent => options.if_none_match = Some(Etag::from("*")),
            Precondition::At(etag) => options.if_match = Some(Etag::from(etag.quoted())),
            Precondition::None => {}
        }
        let blob = self.client()?.blob_client(name);
        let answer = bounded(Box::pin(blob.upload(bytes.into(), Some(options)))).await?;
        written(answer.etag, answer.last_modified.map(|time| time.unix_timestamp()))
    }

    /// Deleting what is not there is fine; `Conflict` when `at` is stale.
    pub async fn delete(&self, name: &str, at: Option<&ETag>) -> Result<(), StorageError> {
        let if_match = at.map(|etag| Etag::from(etag.quoted()));
        let options = BlobClientDeleteOptions { if_match, ..Default::default() };
        match bounded(Box::pin(self.client()?.blob_client(name).delete(Some(options)))).await {
            Ok(_) => Ok(()),
            Err(StorageError::Rejected(code)) if code == BLOB_NOT_FOUND => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names under a prefix, in order, at most `limit`.
    pub async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StorageError> {
        let (mut names, mut next) = (Vec::new(), None);
        while names.len() < limit {
            let page = self.page(prefix, next.as_deref()).await?;
            names.extend(page.blobs.into_iter().map(|listed| listed.name));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        names.truncate(limit);
        Ok(names)
    }

    /// One page of what is under a prefix, in order: at most 5,000 blobs (documented limit), beginning where the page
    /// before said that the next one begins.
    pub async fn page(&self, prefix: &str, from: Option<&str>) -> Result<ListPage, StorageError> {
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(prefix.to_owned()),
            marker: from.map(str::to_owned),
            maxresults: Some(PAGE),
            include: Some(vec![ListBlobsIncludeItem::Metadata]),
            ..Default::default()
        };
        let mut pages = self.client()?.list_blobs(Some(options)).map_err(classify)?.into_pages();
        let Some(page) = bounded(Box::pin(pages.try_next())).await? else { return Ok(ListPage::default()) };
        let page = page.into_model().map_err(classify)?;
        let next = page.next_marker.clone().filter(|next| !next.is_empty());
        let listed = |item: BlobItem| {
            let metadata = item.metadata.and_then(|metadata| metadata.values).unwrap_or_default();
            Some(Listed { name: item.name?, metadata })
        };
        Ok(ListPage { blobs: page.blob_items.into_iter().filter_map(listed).collect(), next })
    }

    fn client(&self) -> Result<Arc<BlobContainerClient>, StorageError> {
        let now = Timestamp::now();
        let mut held = self.0.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some((client, until)) if until.duration_since(now) > SIGNATURE_RENEWAL => Ok(client.clone()),
            _ => {
                let (client, until) = self.open(now)?;
                *held = Some((client.clone(), until));
                Ok(client)
            }
        }
    }

    fn open(&self, now: Timestamp) -> Result<(Arc<BlobContainerClient>, Timestamp), StorageError> {
        let (signature, until) = self.0.account.signature(now)?;
        let text = format!("{}/{}?{signature}", self.0.account.endpoint(), self.0.name);
        let url = Url::parse(&text)
            .map_err(|_| StorageError::Rejected("the container's URL is not valid".to_owned()))?;
        let client_options = ClientOptions {
            transport: Some(self.0.account.0.transport.clone()),
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                max_retries: MAX_RETRIES,
                max_delay: Span::seconds(2),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = BlobContainerClientOptions { client_options, ..Default::default() };
        let client = BlobContainerClient::new(url, None, Some(options)).map_err(classify)?;
        Ok((Arc::new(client), until))
    }
}

const BLOB_NOT_FOUND: &str = "BlobNotFound";
const CONTAINER_NOT_FOUND: &str = "ContainerNotFound";

/// Takes a call on the heap: those of this client are large, and would be part of whoever calls.
async fn bounded<T>(
    call: std::pin::Pin<Box<impl Future<Output = azure_core::Result<T>>>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(classify),
        Err(_) => {
            Err(StorageError::Unavailable(format!("nothing within {} seconds", CALL_TIMEOUT.as_secs())))
        }
    }
}

fn classify(error: azure_core::Error) -> StorageError {
    match error.kind() {
        ErrorKind::HttpResponse { status, error_code, .. } => refused(*status, error_code.as_deref()),
        ErrorKind::DataConversion => StorageError::Rejected("an answer that cannot be understood".to_owned()),
        _ => StorageError::Unavailable(innermost(&error)),
    }
}

fn refused(status: StatusCode, code: Option<&str>) -> StorageError {
    let shown = code.map_or_else(|| format!("status {}", u16::from(status)), str::to_owned);
    match (u16::from(status), code) {
        (404, Some(CONTAINER_NOT_FOUND)) | (409, Some("ContainerBeingDeleted")) => StorageError::NoContainer,
        (409 | 412, _) => StorageError::Conflict,
        (401 | 403, _) => StorageError::Denied(shown),
        (408 | 429 | 500.., _) => StorageError::Unavailable(shown),
        _ => StorageError::Rejected(shown),
    }
}

/// The last cause, which names what happened (`connection refused`) and, unlike the ones above it,
/// never the URL, whose query is a secret.
fn innermost(error: &azure_core::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    let mut shown = None;
    while let Some(found) = cause {
        if found.downcast_ref::<reqwest::Error>().is_none()
            && found.downcast_ref::<azure_core::Error>().is_none()
        {
            shown = Some(found.to_string());
        }
        cause = found.source();
    }
    shown.unwrap_or_else(|| error.kind().to_string())
}

fn written(etag: Option<Etag>, modified: Option<i64>) -> Result<Written, StorageError> {
    let last_modified = modified.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match (etag, last_modified) {
        (Some(etag), Some(last_modified)) => Ok(Written { etag: ETag::new(etag.as_ref()), last_modified }),
        _ => Err(StorageError::Rejected("an answer without ETag or Last-Modified".to_owned())),
    }
}
