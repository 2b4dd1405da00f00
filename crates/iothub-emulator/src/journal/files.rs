//! The files of a journal: `N.snapshot` stands for everything before `N.log`, and what follows is in the logs from
//! there on.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::JournalError;
use super::frame::{Found, Frames};

/// What a directory has, in the order in which it is read.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) snapshot: Option<u64>,
    pub(super) logs: Vec<u64>,
}

pub(super) fn log(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number}.log"))
}

pub(super) fn snapshot(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number}.snapshot"))
}

/// A snapshot that is being written.
pub(super) fn unfinished(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number}.unfinished"))
}

impl Files {
    /// What there is to read; what a crash left over is removed.
    pub(super) fn find(directory: &Path) -> Result<Self, JournalError> {
        let (mut snapshots, mut logs, mut leftover) = (Vec::new(), Vec::new(), Vec::new());
        for entry in fs::read_dir(directory).map_err(JournalError::io(directory))? {
            let path = entry.map_err(JournalError::io(directory))?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            match (number, path.extension().and_then(|extension| extension.to_str())) {
                (Some(number), Some("snapshot")) => snapshots.push(number),
                (Some(number), Some("log")) => logs.push(number),
                (Some(_), Some("unfinished")) => leftover.push(path),
                _ => {}
            }
        }
        let snapshot = snapshots.iter().max().copied();
        let covered = |number: &u64| snapshot.is_some_and(|snapshot| *number < snapshot);
        leftover
            .extend(snapshots.iter().filter(|number| covered(number)).map(|n| self::snapshot(directory, *n)));
        leftover.extend(logs.iter().filter(|number| covered(number)).map(|n| log(directory, *n)));
        leftover.iter().try_for_each(|path| fs::remove_file(path).map_err(JournalError::io(path)))?;
        logs.retain(|number| !covered(number));
        logs.sort_unstable();
        let expected = snapshot.unwrap_or(1)..;
        match expected.zip(&logs).find(|(expected, number)| expected != *number) {
            None => Ok(Self { snapshot, logs }),
            Some((missing, _)) => {
                let why = "it is missing, and later logs are there".to_owned();
                Err(JournalError::Unfit(log(directory, missing), why))
            }
        }
    }
}

/// Shows every record of a file. Only the last log may end within a record; gives where its last whole one ends.
pub(super) fn replay(
    path: &Path,
    last: bool,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<u64, JournalError> {
    let failed = JournalError::io(path);
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(failed)?;
    let frames = Frames::begin(BufReader::with_capacity(1 << 20, file), length);
    let mut frames =
        frames.map_err(JournalError::io(path))?.ok_or_else(|| JournalError::Foreign(path.to_owned()))?;
    let mut content = Vec::new();
    loop {
        match frames.next(&mut content).map_err(JournalError::io(path))? {
            Found::Frame => {
                visit(&content).map_err(|why| JournalError::Unfit(path.to_owned(), why))?;
            }
            Found::End => return Ok(frames.offset()),
            Found::Torn if last => return Ok(frames.offset()),
            Found::Torn | Found::Damage => {
                return Err(JournalError::Damaged(path.to_owned(), frames.offset()));
            }
        }
    }
}
