//! Containers and blobs in memory, with the conditional rules of the real service.

use std::collections::{BTreeMap, HashMap};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use super::error::BlobError;

/// What a writer sends, all of it replaced by every write.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// The bytes.
    pub(super) body: Bytes,
    /// Their type.
    pub(super) content_type: String,
    /// `x-ms-meta-` headers, by the rest of their names in lower case.
    pub(super) metadata: BTreeMap<String, String>,
}

/// One stored blob.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    /// What was written.
    pub(super) content: Content,
    /// Quoted, as in the header.
    pub(super) etag: String,
    /// When it was last written.
    pub(super) modified: Timestamp,
}

/// A container and what it holds.
#[derive(Debug)]
pub(super) struct Container {
    /// Quoted.
    pub(super) etag: String,
    /// When it was made.
    pub(super) modified: Timestamp,
    /// By name, in the order listings use.
    pub(super) blobs: BTreeMap<String, Blob>,
    staged: HashMap<String, HashMap<String, Bytes>>,
}

/// `If-Match` and `If-None-Match` of one request.
#[derive(Debug, Default, Clone)]
pub(super) struct Conditions {
    /// The ETag that must be current, or `*`.
    pub(super) if_match: Option<String>,
    /// The ETag that must not be current, or `*`.
    pub(super) if_none_match: Option<String>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Store {
    containers: BTreeMap<String, Container>,
    writes: u64,
}

impl Store {
    /// Makes an empty container.
    pub(super) fn create_container(&mut self, name: &str) -> Result<&Container, BlobError> {
        if self.containers.contains_key(name) {
            return Err(BlobError::ContainerAlreadyExists);
        }
        let container = Container {
            etag: self.next_etag(),
            modified: Timestamp::now(),
            blobs: BTreeMap::new(),
            staged: HashMap::new(),
        };
        Ok(self.containers.entry(name.to_owned()).or_insert(container))
    }

    /// The container's properties and blobs.
    pub(super) fn container(&self, name: &str) -> Result<&Container, BlobError> {
        self.containers.get(name).ok_or(BlobError::ContainerNotFound)
    }

    /// Removes a container with everything in it.
    pub(super) fn delete_container(&mut self, name: &str) -> Result<(), BlobError> {
        self.containers.remove(name).map(|_| ()).ok_or(BlobError::ContainerNotFound)
    }

    /// Reads a blob, if the conditions allow.
    pub(super) fn get(
        &self,
        container: &str,
        name: &str,
        conditions: &Conditions,
    ) -> Result<Blob, BlobError> {
        let blob = self.container(container)?.blobs.get(name);
        let blob = blob.ok_or(BlobError::BlobNotFound)?;
        conditions.allow_read(blob)?;
        Ok(blob.clone())
    }

    /// Writes a blob, if the conditions allow.
    pub(super) fn put(
        &mut self,
        container: &str,
        name: &str,
        content: Content,
        conditions: &Conditions,
    ) -> Result<Blob, BlobError> {
        conditions.allow_write(self.container(container)?.blobs.get(name))?;
        let blob = Blob { content, etag: self.next_etag(), modified: Timestamp::now() };
        let container = self.container_mut(container)?;
        container.staged.remove(name);
        container.blobs.insert(name.to_owned(), blob.clone());
        Ok(blob)
    }

    /// Deletes a blob, if the conditions allow.
    pub(super) fn delete(
        &mut self,
        container: &str,
        name: &str,
        conditions: &Conditions,
    ) -> Result<(), BlobError> {
        let container = self.container_mut(container)?;
        let blob = container.blobs.get(name).ok_or(BlobError::BlobNotFound)?;
        conditions.allow_write(Some(blob))?;
        container.blobs.remove(name);
        Ok(())
    }

    /// Keeps a block until a block list names it.
    pub(super) fn stage(
        &mut self,
        container: &str,
        name: &str,
        block: String,
        body: Bytes,
    ) -> Result<(), BlobError> {
        let staged = &mut self.container_mut(container)?.staged;
        staged.entry(name.to_owned()).or_default().insert(block, body);
        Ok(())
    }

    /// Makes the staged blocks, in this order, the body of the blob's content.
    pub(super) fn commit(
        &mut self,
        container: &str,
        name: &str,
        blocks: &[String],
        content: Content,
        conditions: &Conditions,
    ) -> Result<Blob, BlobError> {
        let staged = self.container(container)?.staged.get(name);
        let mut body = BytesMut::new();
        for block in blocks {
            let bytes = staged.and_then(|staged| staged.get(block));
            body.extend_from_slice(bytes.ok_or(BlobError::InvalidBlockList)?);
        }
        self.put(container, name, Content { body: body.freeze(), ..content }, conditions)
    }

    fn container_mut(&mut self, name: &str) -> Result<&mut Container, BlobError> {
        self.containers.get_mut(name).ok_or(BlobError::ContainerNotFound)
    }

    fn next_etag(&mut self) -> String {
        self.writes += 1;
        format!("\"0x8DE{:012X}\"", self.writes)
    }
}

impl Conditions {
    fn allow_read(&self, blob: &Blob) -> Result<(), BlobError> {
        if unmatched(self.if_match.as_deref(), &blob.etag) {
            return Err(BlobError::ConditionNotMet);
        }
        match self.if_none_match.as_deref() {
            Some(etag) if same(etag, &blob.etag) => Err(BlobError::NotModified),
            _ => Ok(()),
        }
    }

    /// Documented and seen with Azurite: `If-None-Match: *` on a blob that is there is 409, every
    /// other unmet condition 412, and `If-Match` on a blob that is not there 412 as well.
    fn allow_write(&self, present: Option<&Blob>) -> Result<(), BlobError> {
        match (present, self.if_match.as_deref(), self.if_none_match.as_deref()) {
            (None, Some(_), _) => Err(BlobError::ConditionNotMet),
            (Some(_), _, Some("*")) => Err(BlobError::BlobAlreadyExists),
            (Some(blob), _, Some(etag)) if same(etag, &blob.etag) => Err(BlobError::ConditionNotMet),
            (Some(blob), wanted, _) if unmatched(wanted, &blob.etag) => Err(BlobError::ConditionNotMet),
            _ => Ok(()),
        }
    }
}

fn unmatched(wanted: Option<&str>, current: &str) -> bool {
    wanted.is_some_and(|etag| etag != "*" && !same(etag, current))
}

/// Quotes are optional in what clients send.
fn same(left: &str, right: &str) -> bool {
    left.trim_matches('"') == right.trim_matches('"')
}
