//! A journal against its directory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;

/// Large enough for nothing to become due.
const SLACK: u64 = 1 << 30;

/// A directory of one test, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("iothub-emulator-journal-{}", uuid::Uuid::new_v4())))
    }

    fn open(&self) -> Result<(Journal, Vec<Vec<u8>>), JournalError> {
        let mut all = Vec::new();
        let journal = Journal::open(&self.0, SLACK, &mut |content| {
            all.push(content.to_vec());
            Ok(())
        })?;
        Ok((journal, all))
    }

    fn read(&self) -> Vec<Vec<u8>> {
        self.open().unwrap().1
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn append(journal: &Journal, contents: &[&[u8]]) {
    contents.iter().for_each(|content| journal.append(content).unwrap());
}

#[test]
fn what_was_appended_is_there_at_the_next_start_and_what_is_appended_then_comes_after_it() {
    let scratch = Scratch::new();
    append(&scratch.open().unwrap().0, &[b"a", b"", b"c"]);
    let (journal, read) = scratch.open().unwrap();
    assert_eq!(read, [b"a".to_vec(), b"".to_vec(), b"c".to_vec()]);
    append(&journal, &[b"d"]);
    drop(journal);
    assert_eq!(scratch.read().len(), 4);
}

#[test]
fn a_directory_has_one_process_at_a_time() {
    let scratch = Scratch::new();
    let (journal, _) = scratch.open().unwrap();
    assert!(matches!(scratch.open(), Err(JournalError::InUse(_))));
    drop(journal);
    assert!(scratch.open().is_ok());
}

#[test]
fn a_record_that_was_being_written_is_cut_off_and_the_next_one_takes_its_place() {
    let scratch = Scratch::new();
    append(&scratch.open().unwrap().0, &[b"first", b"second"]);
    let path = scratch.0.join("1.log");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (journal, before) = scratch.open().unwrap();
        append(&journal, &[b"third"]);
        drop(journal);
        let mut expected = before;
        expected.push(b"third".to_vec());
        assert!(expected.len() <= 2);
        assert_eq!(scratch.read(), expected, "cut at {cut}");
    }
}

#[test]
fn damage_is_refused_with_the_file_and_the_offset() {
    let scratch = Scratch::new();
    append(&scratch.open().unwrap().0, &[b"first", b"second"]);
    let path = scratch.0.join("1.log");
    let mut bytes = fs::read(&path).unwrap();
    let second = frame::MAGIC.len() + 12 + 5;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = scratch.open().unwrap_err();
    assert!(
        matches!(&error, JournalError::Damaged(at, offset) if *at == path && *offset == second as u64),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("1.log is damaged at offset"), "{text}");
    fs::write(&path, b"something else altogether").unwrap();
    assert!(matches!(scratch.open(), Err(JournalError::Foreign(_))));
}

#[test]
fn a_snapshot_stands_for_what_came_before_it_and_what_was_appended_meanwhile_follows() {
    let scratch = Scratch::new();
    let (journal, _) = scratch.open().unwrap();
    append(&journal, &[b"a", b"b"]);
    let mut snapshot = journal.begin_snapshot().unwrap();
    append(&journal, &[b"c"]);
    snapshot.append(b"a and b").unwrap();
    journal.finish_snapshot(snapshot).unwrap();
    append(&journal, &[b"d"]);
    drop(journal);
    assert_eq!(scratch.names(), ["2.log", "2.snapshot", "lock"]);
    assert_eq!(scratch.read(), [b"a and b".to_vec(), b"c".to_vec(), b"d".to_vec()]);
}

#[test]
fn a_snapshot_that_was_not_finished_leaves_the_logs_as_they_were() {
    let scratch = Scratch::new();
    let (journal, _) = scratch.open().unwrap();
    append(&journal, &[b"a"]);
    let mut snapshot = journal.begin_snapshot().unwrap();
    snapshot.append(b"half").unwrap();
    append(&journal, &[b"b"]);
    drop((journal, snapshot));
    assert_eq!(scratch.read(), [b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(scratch.names(), ["1.log", "2.log", "lock"]);
}

#[test]
fn a_log_that_is_missing_in_between_is_noticed() {
    let scratch = Scratch::new();
    let (journal, _) = scratch.open().unwrap();
    drop(journal.begin_snapshot().unwrap());
    drop(journal.begin_snapshot().unwrap());
    drop(journal);
    fs::remove_file(scratch.0.join("2.log")).unwrap();
    assert!(matches!(scratch.open(), Err(JournalError::Unfit(path, _)) if path.ends_with("2.log")));
}

#[test]
fn a_record_that_cannot_be_written_is_taken_back() {
    let scratch = Scratch::new();
    let (journal, _) = scratch.open().unwrap();
    append(&journal, &[b"a"]);
    // A file that is open for reading only takes nothing, and cannot be cut either.
    journal.active.lock().file = File::open(scratch.0.join("1.log")).unwrap();
    assert!(journal.append(b"b").is_err());
    assert!(journal.append(b"c").is_err());
    assert!(journal.begin_snapshot().is_err());
    drop(journal);
    assert_eq!(scratch.read(), [b"a".to_vec()]);
}

#[tokio::test]
async fn a_snapshot_is_due_when_much_more_was_written_than_lives() {
    let scratch = Scratch::new();
    let journal = Journal::open(&scratch.0, 1000, &mut |_| Ok(())).unwrap();
    let due = || async { tokio::time::timeout(std::time::Duration::ZERO, journal.due()).await.is_ok() };
    journal.append(&[0; 500]).unwrap();
    assert!(!due().await);
    journal.append(&[0; 500]).unwrap();
    assert!(due().await);
    let mut snapshot = journal.begin_snapshot().unwrap();
    snapshot.append(&[0; 3000]).unwrap();
    journal.finish_snapshot(snapshot).unwrap();
    journal.append(&[0; 2000]).unwrap();
    assert!(!due().await);
    journal.append(&[0; 2000]).unwrap();
    assert!(due().await);
}

#[tokio::test]
async fn a_snapshot_that_came_to_nothing_leaves_no_file_and_is_not_tried_again_at_once() {
    let scratch = Scratch::new();
    let journal = Journal::open(&scratch.0, 1000, &mut |_| Ok(())).unwrap();
    let due = || async { tokio::time::timeout(std::time::Duration::ZERO, journal.due()).await.is_ok() };
    journal.append(&[0; 1000]).unwrap();
    assert!(due().await);
    let mut snapshot = journal.begin_snapshot().unwrap();
    snapshot.append(b"half").unwrap();
    drop(snapshot);
    journal.abandon_snapshot();
    assert_eq!(scratch.names(), ["1.log", "2.log", "lock"]);
    journal.append(&[0; 900]).unwrap();
    assert!(!due().await);
    journal.append(&[0; 200]).unwrap();
    assert!(due().await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_record_comes_back_as_it_was(
        hub in "[a-z]{0,8}", changes in prop::collection::vec(any::<u8>(), 0..50), partition in 0_usize..40,
        parts in prop::array::uniform4(prop::collection::vec(any::<u8>(), 0..20)), sequence: u64, offset: u64
    ) {
        let at = crate::stamp::Stamp::now();
        let [body, properties, system, key] = &parts;
        let arrived = || Arrived {
            event_hub: "devicetwin".into(), partition, parts: record::Parts::new([body, properties, system, key]),
        };
        let records = [
            Record::Write { hub: hub.as_str().into(), changes: changes.into(), at, arrived: vec![arrived(), arrived()] },
            Record::Kept(Kept { sequence, offset, at, event: arrived() }),
            Record::Partitions(7),
        ];
        for record in records {
            let bytes = record.encode().unwrap();
            prop_assert_eq!(Record::decode(&bytes), Ok(record));
        }
    }
}
