//! The blob service, read and written by Azure's own client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;

use azure_core::http::{Etag, RequestContent, StatusCode, Url};
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders,
    BlobClientUploadOptions, BlobContainerClientListBlobsOptions, BlobItem, ListBlobsIncludeItem,
};
use azure_storage_blob::{BlobClient, BlobContainerClient};
use bytes::Bytes;
use futures::TryStreamExt;

use super::Blobs;

async fn start() -> Blobs {
    // Fails only when another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Blobs::start().await.unwrap()
}

fn container(blobs: &Blobs, name: &str) -> BlobContainerClient {
    let url = format!("{}/{name}?sv=2099-01-01&ss=b&srt=sco&sp=rwdlac&sig=made-up", blobs.endpoint());
    BlobContainerClient::new(url.parse::<Url>().unwrap(), None, None).unwrap()
}

async fn with_container(name: &str) -> (Blobs, BlobContainerClient) {
    let blobs = start().await;
    let container = container(&blobs, name);
    container.create(None).await.unwrap();
    (blobs, container)
}

async fn put(blob: &BlobClient, text: &'static str) -> azure_core::Result<Etag> {
    put_with(blob, text.into(), BlobClientUploadOptions::default()).await
}

async fn put_with(
    blob: &BlobClient,
    body: Bytes,
    options: BlobClientUploadOptions<'_>,
) -> azure_core::Result<Etag> {
    blob.upload(RequestContent::from(body.to_vec()), Some(options)).await?;
    let read = blob.download(None).await?;
    Ok(read.properties.etag.unwrap())
}

async fn text(blob: &BlobClient) -> azure_core::Result<String> {
    let read = blob.download(None).await?;
    Ok(String::from_utf8(read.body.collect().await?.to_vec()).unwrap())
}

fn refused<T>(result: azure_core::Result<T>) -> StatusCode {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.http_status().expect("an HTTP refusal"),
    }
}

#[tokio::test]
async fn what_was_written_is_read_back_with_its_etag() {
    let (_blobs, container) = with_container("c").await;
    let blob = container.blob_client("folder/a name with % and ü");
    let first = put(&blob, "one").await.unwrap();
    let second = put(&blob, "two").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(text(&blob).await.unwrap(), "two");
    assert!(blob.exists().await.unwrap());
    assert!(!container.blob_client("other").exists().await.unwrap());
}

#[tokio::test]
async fn an_empty_blob_and_one_of_many_parts_survive_the_trip() {
    let (_blobs, container) = with_container("c").await;
    let empty = container.blob_client("empty");
    put(&empty, "").await.unwrap();
    assert_eq!(text(&empty).await.unwrap(), "");

    let large = container.blob_client("large");
    let body: Bytes = (0..100_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let options = BlobClientUploadOptions { partition_size: 30_000.try_into().ok(), ..Default::default() };
    put_with(&large, body.clone(), options).await.unwrap();
    let options = BlobClientDownloadOptions { partition_size: 7_000.try_into().ok(), ..Default::default() };
    let read = large.download(Some(options)).await.unwrap();
    assert_eq!(read.body.collect().await.unwrap(), body);
}

#[tokio::test]
async fn create_only_is_refused_when_the_blob_exists() {
    let (_blobs, container) = with_container("c").await;
    let blob = container.blob_client("record");
    let create = || BlobClientUploadOptions::default().if_not_exists();
    put_with(&blob, "one".into(), create()).await.unwrap();
    let again = put_with(&blob, "two".into(), create()).await;
    assert_eq!(refused(again), StatusCode::Conflict);
    assert_eq!(text(&blob).await.unwrap(), "one");
}

#[tokio::test]
async fn a_stale_etag_is_refused_on_write_and_on_delete() {
    let (_blobs, container) = with_container("c").await;
    let blob = container.blob_client("record");
    let stale = put(&blob, "one").await.unwrap();
    let current = put(&blob, "two").await.unwrap();
    let matching =
        |etag: &Etag| BlobClientUploadOptions { if_match: Some(etag.clone()), ..Default::default() };
    let late = put_with(&blob, "three".into(), matching(&stale)).await;
    assert_eq!(refused(late), StatusCode::PreconditionFailed);
    let current = {
        put_with(&blob, "three".into(), matching(&current)).await.unwrap();
        put_with(&blob, "four".into(), BlobClientUploadOptions::default()).await.unwrap()
    };
    let delete = |etag: &Etag| BlobClientDeleteOptions { if_match: Some(etag.clone()), ..Default::default() };
    let late = blob.delete(Some(delete(&stale))).await;
    assert_eq!(refused(late), StatusCode::PreconditionFailed);
    blob.delete(Some(delete(&current))).await.unwrap();
    assert_eq!(refused(text(&blob).await), StatusCode::NotFound);
}

#[tokio::test]
async fn a_reader_that_has_the_current_etag_is_told_not_modified() {
    let (_blobs, container) = with_container("c").await;
    let blob = container.blob_client("record");
    let etag = put(&blob, "one").await.unwrap();
    let options = BlobClientDownloadOptions { if_none_match: Some(etag), ..Default::default() };
    assert_eq!(refused(blob.download(Some(options)).await), StatusCode::NotModified);
}

#[tokio::test]
async fn containers_are_made_once_and_missing_ones_are_named() {
    let (blobs, container_c) = with_container("c").await;
    assert_eq!(refused(container_c.create(None).await), StatusCode::Conflict);
    assert!(container_c.exists().await.unwrap());
    let gone = container(&blobs, "gone");
    assert!(!gone.exists().await.unwrap());
    assert_eq!(refused(put(&gone.blob_client("x"), "y").await), StatusCode::NotFound);
    container_c.delete(None).await.unwrap();
    assert!(!container_c.exists().await.unwrap());
}

#[tokio::test]
async fn a_listing_goes_page_by_page_through_a_prefix() {
    let (_blobs, container) = with_container("c").await;
    for name in ["a", "pending/1", "pending/2 & <3>", "pending/3", "z"] {
        put(&container.blob_client(name), "x").await.unwrap();
    }
    let options = BlobContainerClientListBlobsOptions {
        prefix: Some("pending/".to_owned()),
        maxresults: Some(2),
        ..Default::default()
    };
    let pages = container.list_blobs(Some(options)).unwrap();
    let found: Vec<BlobItem> = pages.try_collect().await.unwrap();
    let names: Vec<_> = found.iter().filter_map(|item| item.name.as_deref()).collect();
    assert_eq!(names, ["pending/1", "pending/2 & <3>", "pending/3"]);
    assert!(found.iter().all(|item| item.properties.as_ref().unwrap().etag.is_some()));
}

#[tokio::test]
async fn metadata_is_read_back_and_listed_and_replaced_by_the_next_write() {
    let (_blobs, container) = with_container("c").await;
    let blob = container.blob_client("pending/1");
    let metadata = HashMap::from([("next_try".to_owned(), "12 < 13 & so on".to_owned())]);
    let with = || BlobClientUploadOptions { metadata: Some(metadata.clone()), ..Default::default() };
    put_with(&blob, "x".into(), with()).await.unwrap();
    assert_eq!(blob.download(None).await.unwrap().properties.metadata, metadata);
    assert_eq!(blob.get_properties(None).await.unwrap().metadata().unwrap(), metadata);
    assert_eq!(listed_metadata(&container).await, std::slice::from_ref(&metadata));
    let in_blocks = BlobClientUploadOptions { partition_size: 2.try_into().ok(), ..with() };
    put_with(&blob, "several blocks".into(), in_blocks).await.unwrap();
    assert_eq!(listed_metadata(&container).await, [metadata]);
    put(&blob, "y").await.unwrap();
    assert_eq!(listed_metadata(&container).await, [HashMap::new()]);
}

async fn listed_metadata(container: &BlobContainerClient) -> Vec<HashMap<String, String>> {
    let options = BlobContainerClientListBlobsOptions {
        include: Some(vec![ListBlobsIncludeItem::Metadata]),
        ..Default::default()
    };
    let found: Vec<BlobItem> = container.list_blobs(Some(options)).unwrap().try_collect().await.unwrap();
    found.into_iter().map(|item| item.metadata.unwrap().values.unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_listing_without_metadata_has_none() {
    let (_blobs, container) = with_container("c").await;
    let metadata = Some(HashMap::from([("a".to_owned(), "b".to_owned())]));
    let options = BlobClientUploadOptions { metadata, ..Default::default() };
    put_with(&container.blob_client("x"), "x".into(), options).await.unwrap();
    let found: Vec<BlobItem> = container.list_blobs(None).unwrap().try_collect().await.unwrap();
    assert!(found[0].metadata.is_none());
}

#[tokio::test]
async fn a_metadata_name_that_is_no_identifier_is_refused() {
    let (blobs, _container) = with_container("c").await;
    let write = reqwest::Client::new().put(format!("{}/c/x?sig=s", blobs.endpoint()));
    let write = write.header("x-ms-blob-type", "BlockBlob").header("x-ms-meta-1-2", "v");
    assert_eq!(code(&write.send().await.unwrap()), (400, "InvalidMetadata"));
}

#[tokio::test]
async fn a_listing_goes_on_at_its_marker_even_when_what_it_names_is_gone() {
    let (_blobs, container) = with_container("c").await;
    for name in ["a", "p/1", "p/2", "p/3", "p/4", "z"] {
        put(&container.blob_client(name), "x").await.unwrap();
    }
    let (first, marker) = page(&container, None).await;
    assert_eq!(first, ["p/1", "p/2"]);
    container.blob_client("p/1").delete(None).await.unwrap();
    container.blob_client("p/3").delete(None).await.unwrap();
    put(&container.blob_client("p/0"), "x").await.unwrap();
    let (second, marker) = page(&container, marker).await;
    assert_eq!((second, marker), (vec!["p/4".to_owned()], None));
}

/// One page of two, in a request of its own, as a run that was cut off goes on later.
async fn page(container: &BlobContainerClient, marker: Option<String>) -> (Vec<String>, Option<String>) {
    let options = BlobContainerClientListBlobsOptions {
        prefix: Some("p/".to_owned()),
        maxresults: Some(2),
        marker,
        ..Default::default()
    };
    let mut pages = container.list_blobs(Some(options)).unwrap().into_pages();
    let page = pages.try_next().await.unwrap().unwrap().into_model().unwrap();
    let names = page.blob_items.into_iter().filter_map(|item| item.name).collect();
    (names, page.next_marker.filter(|marker| !marker.is_empty()))
}

#[tokio::test]
async fn requests_without_credentials_and_unknown_ones_are_refused_by_name() {
    let (blobs, _container) = with_container("c").await;
    let url = format!("{}/c/x", blobs.endpoint());
    let bare = reqwest::get(&url).await.unwrap();
    assert_eq!(code(&bare), (401, "NoAuthenticationInformation"));
    let lease = reqwest::Client::new().put(format!("{url}?comp=lease&sig=s"));
    assert_eq!(code(&lease.send().await.unwrap()), (501, "NotImplemented"));
}

#[tokio::test]
async fn switched_off_it_answers_503_and_keeps_what_it_holds() {
    let (blobs, container) = with_container("c").await;
    put(&container.blob_client("a"), "kept").await.unwrap();
    turn(&blobs, "off").await;
    let off = reqwest::get(format!("{}/c/a?sig=s", blobs.endpoint())).await.unwrap();
    assert_eq!(code(&off), (503, "ServerBusy"));
    turn(&blobs, "on").await;
    assert_eq!(text(&container.blob_client("a")).await.unwrap(), "kept");
}

#[tokio::test]
async fn the_connection_string_has_what_a_client_needs() {
    let blobs = start().await;
    let text = blobs.connection_string();
    let parts: HashMap<_, _> = text.split(';').filter_map(|part| part.split_once('=')).collect();
    assert_eq!(parts["AccountName"], "lab");
    assert_eq!(parts["BlobEndpoint"], blobs.endpoint());
    assert_eq!(parts["AccountKey"].len(), 88);
}

async fn turn(blobs: &Blobs, position: &str) {
    let switch = reqwest::Client::new().post(format!("{}/{position}", blobs.switch()));
    switch.send().await.unwrap().error_for_status().unwrap();
}

fn code(response: &reqwest::Response) -> (u16, &str) {
    let code = response.headers().get("x-ms-error-code").unwrap();
    (response.status().as_u16(), code.to_str().unwrap())
}
