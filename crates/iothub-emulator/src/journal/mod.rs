//! An append-only journal: what a write changes is with the kernel before the write is answered.
//!
//! So nothing that was acknowledged is lost when the process is killed at any moment. A machine that loses power is
//! another matter: the kernel writes to the disk when it sees fit, and nothing here waits for that, except that a
//! snapshot is on the disk before what it stands for is removed.
//!
//! One write is one record, and a record that is there in part only is none: a write took effect as a whole or not at
//! all. A record that cannot be written is taken back, and so is the write that it was about.

mod error;
mod files;
mod frame;
mod record;

pub use error::JournalError;
pub(crate) use record::{Arrived, Kept, Parts, PolicyKeys, Record};

use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tokio::sync::Notify;

use files::Files;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    /// Held as long as this process has the directory.
    _lock: File,
    active: Mutex<Active>,
    /// Least number of bytes that a snapshot must be able to save.
    slack: u64,
    due: Notify,
}

/// The log that is appended to.
#[derive(Debug)]
struct Active {
    file: File,
    number: u64,
    /// Bytes of whole records in it.
    length: u64,
    /// Bytes in logs since the last snapshot, and those of the snapshot.
    since: u64,
    base: u64,
    /// A record could not be taken back: nothing can be appended any more.
    broken: bool,
    compacting: bool,
}

impl Journal {
    /// Opens the journal of a directory, or begins one; `visit` is shown every record, in order. What the last record
    /// lacks of being whole is cut off.
    ///
    /// # Errors
    /// When another process has the directory, a file is damaged or cannot be used, or `visit` says why not.
    pub(crate) fn open(
        directory: &Path,
        slack: u64,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Self, JournalError> {
        fs::create_dir_all(directory).map_err(JournalError::io(directory))?;
        let lock = lock(directory)?;
        let files = Files::find(directory)?;
        let mut base = 0;
        if let Some(number) = files.snapshot {
            base = files::replay(&files::snapshot(directory, number), false, visit)?;
        }
        let last = files.logs.last().copied().or(files.snapshot).unwrap_or(1);
        let (mut since, mut length) = (0, 0);
        for number in &files.logs {
            length = files::replay(&files::log(directory, *number), *number == last, visit)?;
            since += length;
        }
        let path = files::log(directory, last);
        let file = begin(&path, length).map_err(JournalError::io(&path))?;
        let length = length.max(frame::MAGIC.len() as u64);
        let active = Active { file, number: last, length, since, base, broken: false, compacting: false };
        let journal = Self {
            directory: directory.to_owned(),
            _lock: lock,
            active: Mutex::new(active),
            slack,
            due: Notify::new(),
        };
        journal.remind(&journal.active.lock());
        Ok(journal)
    }

    /// Appends a record; when this returns, the kernel has it.
    ///
    /// # Errors
    /// When it cannot be written; then it is as if it had not been tried.
    pub(crate) fn append(&self, content: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(content.len() + 16);
        frame::put(&mut bytes, content)?;
        let mut active = self.active.lock();
        if active.broken {
            return Err(io::Error::other("the journal cannot be written any more"));
        }
        if let Err(error) = active.file.write_all(&bytes) {
            let length = active.length;
            active.broken = active.file.set_len(length).is_err();
            tracing::error!(%error, broken = active.broken, "the journal cannot be written");
            return Err(error);
        }
        active.length += bytes.len() as u64;
        active.since += bytes.len() as u64;
        self.remind(&active);
        Ok(())
    }

    fn remind(&self, active: &Active) {
        if self.is_due(active) {
            self.due.notify_one();
        }
    }

    fn is_due(&self, active: &Active) -> bool {
        !active.broken && !active.compacting && active.since > self.slack.max(active.base)
    }

    /// Resolves when the journal is much larger than what lives: a snapshot is due.
    pub(crate) async fn due(&self) {
        // A reminder may be left from before the last snapshot.
        while !self.is_due(&self.active.lock()) {
            self.due.notified().await;
        }
    }

    /// Begins a new log, and the snapshot that will stand for all before it. Whatever is appended from now on is read
    /// after the snapshot; the snapshot may or may not know of it.
    ///
    /// # Errors
    /// When a file cannot be made; the old log goes on then.
    pub(crate) fn begin_snapshot(&self) -> io::Result<Snapshot> {
        let mut active = self.active.lock();
        if active.broken {
            return Err(io::Error::other("the journal cannot be written any more"));
        }
        let number = active.number + 1;
        let unfinished = files::unfinished(&self.directory, number);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        file.write_all(frame::MAGIC)?;
        let path = files::log(&self.directory, number);
        // A log that begins in vain must not stand behind the one that goes on.
        active.file = begin(&path, 0).inspect_err(|_| {
            for path in [&path, &unfinished] {
                drop(fs::remove_file(path));
            }
        })?;
        active.number = number;
        active.length = frame::MAGIC.len() as u64;
        active.compacting = true;
        Ok(Snapshot { file, number, length: frame::MAGIC.len() as u64 })
    }

    /// Lets a snapshot stand for what came before it, and removes that.
    ///
    /// # Errors
    /// When it cannot be brought to the disk; what came before is kept then.
    pub(crate) fn finish_snapshot(&self, snapshot: Snapshot) -> io::Result<()> {
        let Snapshot { file, number, length } = snapshot;
        let finished = self.settle(file, number);
        let mut active = self.active.lock();
        active.compacting = false;
        if finished.is_ok() {
            active.base = length;
            active.since = active.length;
        }
        finished
    }

    /// A snapshot that came to nothing: the logs go on, and it is tried again after as much has been written once more.
    /// What there is of it goes at once: the disk may be full, and the log needs the room.
    pub(crate) fn abandon_snapshot(&self) {
        let mut active = self.active.lock();
        active.compacting = false;
        active.base = active.since.saturating_add(self.slack.max(active.base));
        match fs::remove_file(files::unfinished(&self.directory, active.number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "what there is of a snapshot cannot be removed");
            }
            _ => {}
        }
    }

    fn settle(&self, file: BufWriter<File>, number: u64) -> io::Result<()> {
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(files::unfinished(&self.directory, number), files::snapshot(&self.directory, number))?;
        File::open(&self.directory)?.sync_all()?;
        // Finds what the new snapshot covers, and removes it.
        Files::find(&self.directory).map(drop).map_err(io::Error::other)
    }
}

/// A snapshot in the making.
#[derive(Debug)]
pub(crate) struct Snapshot {
    file: BufWriter<File>,
    number: u64,
    length: u64,
}

impl Snapshot {
    /// Appends a record.
    ///
    /// # Errors
    /// When it cannot be written; the snapshot is of no use then.
    pub(crate) fn append(&mut self, content: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(content.len() + 16);
        frame::put(&mut bytes, content)?;
        self.length += bytes.len() as u64;
        self.file.write_all(&bytes)
    }
}

fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(JournalError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::InUse(directory.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(JournalError::Io(path, error)),
    }
}

/// Opens a log for appending behind its whole records; one without any begins anew.
fn begin(path: &Path, length: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(length)?;
    if length == 0 {
        file.write_all(frame::MAGIC)?;
    }
    Ok(file)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
