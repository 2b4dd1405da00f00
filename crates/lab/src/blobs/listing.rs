//! The XML of List Blobs, and of a block list read back.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::store::{Blob, Container};
use super::xml::escaped;

/// The service's own page size limit, documented.
const MAX_PAGE: usize = 5_000;

/// What a List Blobs request asks for.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Only names that begin so.
    pub(super) prefix: String,
    /// Where the page begins: the name that the last page's `NextMarker` gave.
    pub(super) marker: String,
    /// Page size; 0 means the limit.
    pub(super) max: usize,
    /// Whether each blob's metadata is wanted.
    pub(super) metadata: bool,
}

/// One page as the service writes it.
pub(super) fn list_xml(endpoint: &str, name: &str, container: &Container, query: &Query) -> String {
    let max = if query.max == 0 { MAX_PAGE } else { query.max.min(MAX_PAGE) };
    // A page costs what is on it, wherever it begins: names are in order, and those with one prefix stand together.
    let from = query.marker.clone().max(query.prefix.clone());
    let mut rows = container.blobs.range(from..).take_while(|(name, _)| name.starts_with(&query.prefix));
    let page: String = rows.by_ref().take(max).map(|(name, blob)| row(name, blob, query.metadata)).collect();
    let next = rows.next().map(|(name, _)| name.as_str()).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"{endpoint}/\" \
         ContainerName=\"{}\"><Prefix>{}</Prefix><Marker>{}</Marker><MaxResults>{max}</MaxResults>\
         <Blobs>{page}</Blobs><NextMarker>{}</NextMarker></EnumerationResults>",
        escaped(name),
        escaped(&query.prefix),
        escaped(&query.marker),
        escaped(next)
    )
}

fn row(name: &str, blob: &Blob, with_metadata: bool) -> String {
    let pairs = blob.content.metadata.iter();
    let pairs: String = pairs.map(|(name, value)| format!("<{name}>{}</{name}>", escaped(value))).collect();
    let metadata = if with_metadata { format!("<Metadata>{pairs}</Metadata>") } else { String::new() };
    format!(
        "<Blob><Name>{}</Name><Properties><Last-Modified>{}</Last-Modified><Etag>{}</Etag>\
         <Content-Length>{}</Content-Length><Content-Type>{}</Content-Type>\
         <BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>\
         <LeaseState>available</LeaseState></Properties>{metadata}</Blob>",
        escaped(name),
        http_date(blob.modified),
        escaped(&blob.etag),
        blob.content.body.len(),
        escaped(&blob.content.content_type)
    )
}

/// The block ids of a Put Block List body, in order. `Latest`, `Committed` and `Uncommitted` are
/// read alike: only uncommitted blocks are kept here.
pub(super) fn block_ids(xml: &str) -> Vec<String> {
    xml.split('<')
        .filter_map(|part| part.split_once('>'))
        .filter(|(tag, _)| matches!(*tag, "Latest" | "Committed" | "Uncommitted"))
        .map(|(_, id)| id.trim().to_owned())
        .collect()
}

/// `Last-Modified` and `Date`, to the second.
pub(super) fn http_date(at: Timestamp) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
}
