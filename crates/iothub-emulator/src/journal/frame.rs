//! Records in a file: a length with its checksum, the checksum of the content, the content.
//!
//! A process that is killed leaves a file that ends early, and nothing else: what it wrote is with the kernel. So an
//! incomplete frame at the end is what was being written, while a checksum that does not fit is damage, wherever it is.

use std::io::{self, Read};

/// How every file begins; another number is another format.
pub(super) const MAGIC: &[u8] = b"iothub-emulator journal 2\n";

/// Bytes before the content: length, checksum of the length, checksum of the content.
const HEAD: usize = 12;

/// Appends a frame to `buffer`.
pub(super) fn put(buffer: &mut Vec<u8>, content: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "a record of more than 4 GiB");
    let length = u32::try_from(content.len()).map_err(too_long)?.to_le_bytes();
    buffer.extend_from_slice(&length);
    buffer.extend_from_slice(&crc32fast::hash(&length).to_le_bytes());
    buffer.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    buffer.extend_from_slice(content);
    Ok(())
}

/// What was found where a frame should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A frame; its content is in the buffer.
    Frame,
    /// The end, exactly behind a frame.
    End,
    /// The beginning of a frame, and then the end.
    Torn,
    /// Something that was not written so.
    Damage,
}

/// Reads frames one after the other.
#[derive(Debug)]
pub(super) struct Frames<R> {
    reader: R,
    length: u64,
    at: u64,
}

impl<R: Read> Frames<R> {
    /// Begins behind the magic; `None` when the file does not begin with it. A file that ends within it is empty.
    pub(super) fn begin(mut reader: R, length: u64) -> io::Result<Option<Self>> {
        let mut magic = Vec::new();
        reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        let at = if magic == MAGIC { magic.len() as u64 } else { 0 };
        let length = if at == 0 { 0 } else { length };
        Ok(MAGIC.starts_with(&magic).then_some(Self { reader, length, at }))
    }

    /// Where the next frame begins.
    pub(super) fn offset(&self) -> u64 {
        self.at
    }

    /// Reads the next frame into `content`.
    pub(super) fn next(&mut self, content: &mut Vec<u8>) -> io::Result<Found> {
        let left = self.length.saturating_sub(self.at);
        if left < HEAD as u64 {
            return Ok(if left == 0 { Found::End } else { Found::Torn });
        }
        let [length, length_sum, sum] = self.head()?;
        if crc32fast::hash(&length.to_le_bytes()) != length_sum {
            return Ok(Found::Damage);
        }
        let length = u64::from(length);
        if left - (HEAD as u64) < length {
            return Ok(Found::Torn);
        }
        content.clear();
        self.reader.by_ref().take(length).read_to_end(content)?;
        if content.len() as u64 != length || crc32fast::hash(content) != sum {
            return Ok(Found::Damage);
        }
        self.at += HEAD as u64 + length;
        Ok(Found::Frame)
    }

    fn head(&mut self) -> io::Result<[u32; 3]> {
        let mut numbers = [0; 3];
        for number in &mut numbers {
            let mut bytes = [0; 4];
            self.reader.read_exact(&mut bytes)?;
            *number = u32::from_le_bytes(bytes);
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn file(contents: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        contents.iter().for_each(|content| put(&mut bytes, content).unwrap());
        bytes
    }

    /// The contents, where the last good frame ended, and what came then.
    fn read(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, u64, Found)> {
        let mut frames = Frames::begin(bytes, bytes.len() as u64).unwrap()?;
        let (mut all, mut content) = (Vec::new(), Vec::new());
        loop {
            match frames.next(&mut content).unwrap() {
                Found::Frame => all.push(content.clone()),
                other => return Some((all, frames.offset(), other)),
            }
        }
    }

    fn contents() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_gives_the_records_before_the_cut(contents in contents()) {
            let bytes = file(&contents);
            for cut in 0..=bytes.len() {
                let (read, end, then) = read(&bytes[..cut]).unwrap();
                prop_assert_eq!(&read[..], &contents[..read.len()]);
                let whole = if end == 0 { Vec::new() } else { file(&read) };
                prop_assert_eq!(end, whole.len() as u64);
                prop_assert_eq!(then == Found::End, end == cut as u64 || end == 0);
                prop_assert!(then != Found::Damage);
            }
        }

        #[test]
        fn a_changed_byte_is_noticed(contents in contents(), at: prop::sample::Index, by in 1_u8..) {
            let mut bytes = file(&contents);
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            match read(&bytes) {
                None => prop_assert!(at < MAGIC.len()),
                Some((read, _, then)) => {
                    prop_assert_eq!(then, Found::Damage);
                    prop_assert_eq!(&read[..], &contents[..read.len()]);
                }
            }
        }
    }
}
