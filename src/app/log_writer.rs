//! Log lines without keys, whatever they are about: an id may hold one as well.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::model::redacted;

/// Writers of lines in which a key is removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithoutKeys<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for WithoutKeys<M> {
    type Writer = LineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        LineWriter(self.0.make_writer_for(metadata))
    }
}

/// Takes each line whole, which is how they are written (read in the subscriber's source).
#[derive(Debug)]
pub(super) struct LineWriter<W>(W);

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(redacted(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_written_once_and_without_its_key() {
        let mut written = Vec::new();
        let mut writer = LineWriter(&mut written);
        writer.write_all(b"pending identity=HostName=h;SharedAccessKey=abc detail=\"x\"\n").unwrap();
        writer.write_all("fine wört\n".as_bytes()).unwrap();
        let shown = String::from_utf8(written).unwrap();
        assert_eq!(shown, "pending identity=HostName=h;SharedAccessKey=(removed) detail=\"x\"\nfine wört\n");
    }
}
