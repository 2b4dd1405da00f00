//! Why a journal cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum JournalError {
    /// A file cannot be read or written.
    Io(PathBuf, io::Error),
    /// Another process has it.
    InUse(PathBuf),
    /// A file that this version did not write.
    Foreign(PathBuf),
    /// A file is damaged from this offset on.
    Damaged(PathBuf, u64),
    /// What is in it does not fit how the emulator was started.
    Unfit(PathBuf, String),
}

impl JournalError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io(path.to_owned(), error)
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::InUse(path) => write!(f, "{} is used by another emulator", path.display()),
            Self::Foreign(path) => write!(f, "{} is not a journal of this version", path.display()),
            Self::Damaged(path, offset) => write!(
                f,
                "{} is damaged at offset {offset}; what comes before is whole, and is all that is left when the file is \
                 cut there",
                path.display()
            ),
            Self::Unfit(path, why) => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for JournalError {}
