//! A data directory: what the hubs and the event hubs remember, put back at start and kept from then on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::events::Emitter;
use crate::journal::{Journal, JournalError, Record};
use crate::store::{Hub, KeptHub};

/// An open data directory, with what was read from it.
#[derive(Debug)]
pub(crate) struct Data {
    directory: PathBuf,
    journal: Arc<Journal>,
    hubs: BTreeMap<String, KeptHub>,
}

/// What reading the journal has found so far.
struct Replay<'a> {
    emitter: &'a Emitter,
    partitions: u16,
    told_partitions: bool,
    hubs: BTreeMap<String, KeptHub>,
}

impl Replay<'_> {
    fn record(&mut self, bytes: &[u8]) -> Result<(), String> {
        match Record::decode(bytes)? {
            Record::Partitions(kept) if kept != self.partitions => {
                return Err(format!(
                    "it was begun with --partitions {kept}, and now there are {}",
                    self.partitions
                ));
            }
            Record::Partitions(_) => self.told_partitions = true,
            Record::Hub { hub, policies } => self.hub(&hub).policies(policies),
            Record::Kept(kept) => self.emitter.restore_kept(&kept),
            Record::Write { hub, changes, at, arrived } => {
                if !changes.is_empty() {
                    self.hub(&hub).apply(&changes)?;
                }
                arrived.iter().for_each(|arrived| self.emitter.restore_arrived(arrived, at));
            }
        }
        Ok(())
    }

    fn hub(&mut self, name: &str) -> &mut KeptHub {
        self.hubs.entry(name.to_owned()).or_default()
    }
}

impl Data {
    /// Opens a directory, puts back the events, and keeps those that come. The hubs must be among `names`: a hub that
    /// is not started would be forgotten with the next snapshot.
    ///
    /// # Errors
    /// As [`Journal::open`], and when the directory has other partitions or other hubs.
    pub(crate) fn open(
        directory: &Path,
        slack: u64,
        partitions: u16,
        names: &[&str],
        emitter: &Emitter,
    ) -> Result<Self, JournalError> {
        let mut replay = Replay { emitter, partitions, told_partitions: false, hubs: BTreeMap::new() };
        let journal = Arc::new(Journal::open(directory, slack, &mut |bytes| replay.record(bytes))?);
        let Replay { told_partitions, hubs, .. } = replay;
        if let Some(name) = hubs.keys().find(|name| !names.contains(&name.as_str())) {
            let why = format!("it has a hub {name}: give --hub {name} as well, or another directory");
            return Err(JournalError::Unfit(directory.to_owned(), why));
        }
        if !told_partitions {
            append(directory, &journal, &Record::Partitions(partitions))?;
        }
        emitter.keep_in(Arc::clone(&journal));
        Ok(Self { directory: directory.to_owned(), journal, hubs })
    }

    /// Gives a new hub what was kept of it, and keeps its name and keys; `keep_keys` says that the keys are the kept
    /// ones.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn restore(&mut self, hub: Hub, keep_keys: bool) -> Result<Hub, JournalError> {
        let kept = self.hubs.remove(&hub.name).unwrap_or_default();
        let hub = hub.restored(kept, keep_keys);
        append(&self.directory, &self.journal, &hub.record())?;
        Ok(hub)
    }

    /// Makes a snapshot whenever the journal is much larger than what lives, until `stop`.
    pub(crate) async fn compact(
        self,
        partitions: u16,
        hubs: Vec<Arc<Hub>>,
        emitter: Arc<Emitter>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = self.journal.due() => {}
                () = stop.cancelled() => return,
            }
            let (journal, hubs, emitter) = (Arc::clone(&self.journal), hubs.clone(), Arc::clone(&emitter));
            let done = tokio::task::spawn_blocking(move || {
                snapshot(&journal, partitions, &hubs, &emitter).inspect_err(|_| journal.abandon_snapshot())
            });
            match done.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the journal could not be compacted, and grows"),
                Err(error) => tracing::error!(%error, "the journal is not compacted"),
            }
        }
    }
}

fn append(directory: &Path, journal: &Journal, record: &Record<'_>) -> Result<(), JournalError> {
    let appended = record.encode().and_then(|bytes| journal.append(&bytes));
    appended.map_err(|error| JournalError::Io(directory.to_owned(), error))
}

/// Writes everything that lives. The hubs go on meanwhile: what they write is in the log that is read after this.
fn snapshot(journal: &Journal, partitions: u16, hubs: &[Arc<Hub>], emitter: &Emitter) -> io::Result<()> {
    let (mut snapshot, events) = emitter.begin_snapshot(journal)?;
    snapshot.append(&Record::Partitions(partitions).encode()?)?;
    for partition in &events {
        partition.records().try_for_each(|record| snapshot.append(&record.encode()?))?;
    }
    for hub in hubs {
        hub.records(&mut |record| snapshot.append(&record.encode()?))?;
    }
    journal.finish_snapshot(snapshot)
}
