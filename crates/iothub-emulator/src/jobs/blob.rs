//! Blobs of lines, written and read without holding them whole.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};

use super::container::{Container, StorageError};

/// How much is sent at once, in bytes: with the 50,000 blocks that a blob may have, it holds 200 GB.
const BLOCK: usize = 4 * 1024 * 1024;

/// Longest line that is read, in bytes: an identity with a full twin and its metadata has less.
const LINE: usize = 1024 * 1024;

/// A blob that is being written. Nobody sees it before [`BlobWriter::finish`].
#[derive(Debug)]
pub(super) struct BlobWriter<'a> {
    container: &'a Container,
    name: &'a str,
    buffer: Vec<u8>,
    blocks: Vec<String>,
}

impl<'a> BlobWriter<'a> {
    /// A blob of that name.
    pub(super) fn new(container: &'a Container, name: &'a str) -> Self {
        Self { container, name, buffer: Vec::new(), blocks: Vec::new() }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// What storage says, here and below.
    pub(super) async fn line(&mut self, line: &str) -> Result<(), StorageError> {
        self.buffer.extend_from_slice(line.as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
        if self.buffer.len() < BLOCK { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<(), StorageError> {
        // Ids of one length, as storage wants them.
        let id = STANDARD.encode(format!("{:08}", self.blocks.len()));
        let block = Bytes::from(std::mem::take(&mut self.buffer));
        self.container.put_block(self.name, &id, block).await?;
        self.blocks.push(id);
        Ok(())
    }

    /// Makes the blob what was written, also when that is nothing.
    pub(super) async fn finish(mut self) -> Result<(), StorageError> {
        if !self.buffer.is_empty() {
            self.send().await?;
        }
        self.container.commit(self.name, &self.blocks).await
    }
}

/// What stands on a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Text, without its end.
    Text(String),
    /// Nothing that can be read; why.
    Unreadable(&'static str),
}

/// A blob that is being read line by line.
#[derive(Debug)]
pub(super) struct BlobReader {
    response: Response,
    codec: LinesCodec,
    buffer: BytesMut,
    /// In bytes, as far as storage told it.
    length: Option<u64>,
    read: u64,
    ended: bool,
}

impl BlobReader {
    /// Opens the blob of that name.
    ///
    /// # Errors
    /// What storage says, here and below.
    pub(super) async fn open(container: &Container, name: &str) -> Result<Self, StorageError> {
        let response = container.open(name).await?;
        let codec = LinesCodec::new_with_max_length(LINE);
        // Now: what is left of the body is what the response tells later.
        let length = response.content_length();
        Ok(Self { response, codec, buffer: BytesMut::new(), length, read: 0, ended: false })
    }

    /// How much of the blob has been read, in percent.
    pub(super) fn percent(&self) -> u64 {
        let length = self.length.unwrap_or(0).max(1);
        (self.read.saturating_mul(100) / length).min(100)
    }

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, StorageError> {
        loop {
            let decoded = match self.ended {
                false => self.codec.decode(&mut self.buffer),
                true => self.codec.decode_eof(&mut self.buffer),
            };
            match decoded {
                Ok(Some(text)) => return Ok(Some(Line::Text(text))),
                Err(LinesCodecError::MaxLineLengthExceeded) => {
                    return Ok(Some(Line::Unreadable("the line is too long")));
                }
                Err(LinesCodecError::Io(_)) => return Ok(Some(Line::Unreadable("the line is not UTF-8"))),
                Ok(None) if self.ended => return Ok(None),
                Ok(None) => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> Result<(), StorageError> {
        match self.response.chunk().await? {
            Some(chunk) => {
                self.read += chunk.len() as u64;
                self.buffer.extend_from_slice(&chunk);
            }
            None => self.ended = true,
        }
        Ok(())
    }
}
