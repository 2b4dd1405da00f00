#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;
use serde_json::Map;

fn partition(retention: usize) -> Partition {
    Partition::new(retention, Arc::new(watch::Sender::new(())))
}

fn event(body: &[u8]) -> Event {
    Event::new(body, &Map::new(), &Map::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_and_writers_of_a_partition_never_wait_for_each_other() {
    let partition = Arc::new(partition(usize::MAX));
    let writer = Arc::clone(&partition);
    let writing = tokio::task::spawn_blocking(move || {
        for _ in 0..20_000 {
            writer.append(event(b""));
        }
    });
    let readers = [(); 3].map(|()| {
        let partition = Arc::clone(&partition);
        tokio::spawn(async move {
            let mut from = 0;
            while from < 20_000 {
                partition.reaches(from, Duration::from_secs(1)).await;
                from += partition.from(from, 10_000).len() as u64;
            }
        })
    });
    let all = async {
        writing.await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.unwrap();
}

#[test]
fn what_exceeds_the_retention_is_forgotten_and_the_beginning_moves() {
    let partition = partition(5 * (OVERHEAD + 104));
    for _ in 0..20 {
        partition.append(event(&[0; 100]));
    }
    let Bounds { beginning, next, last } = partition.bounds();
    assert_eq!((beginning, next), (15, 20));
    assert_eq!(last.unwrap().0, 19 * (OVERHEAD as u64 + 104));
    let read: Vec<u64> = partition.from(3, 2).iter().map(|enqueued| enqueued.sequence).collect();
    assert_eq!(read, [15, 16]);
    assert_eq!(partition.from(20, 9).len(), 0);
}

#[test]
fn the_newest_event_is_kept_however_large_it_is() {
    let partition = partition(10);
    partition.append(event(&[0; 100]));
    assert_eq!(partition.append(event(&[1; 100])), 1);
    assert_eq!(partition.from(0, 9)[0].event.body(), [1; 100]);
}

#[test]
fn a_reader_begins_at_a_number_an_offset_or_a_time() {
    let partition = partition(usize::MAX);
    for _ in 0..4 {
        partition.append(event(b"x"));
    }
    let all = partition.from(0, 9);
    assert_eq!(partition.seek(Position::Earliest), 0);
    assert_eq!(partition.seek(Position::Latest), 4);
    assert_eq!(partition.seek(Position::Sequence(2)), 2);
    assert_eq!(partition.seek(Position::Offset(all[2].offset)), 2);
    assert_eq!(partition.seek(Position::Offset(all[2].offset + 1)), 3);
    assert_eq!(partition.seek(Position::Time(Stamp::NEVER)), 0);
    assert_eq!(partition.seek(Position::Time(Stamp::unique_now())), 4);
}

#[test]
fn a_restored_partition_goes_on_where_the_first_one_was() {
    let first = partition(2 * (OVERHEAD + 105));
    for _ in 0..5 {
        first.append(event(&[0; 101]));
    }
    let second = partition(usize::MAX);
    second.restore(first.from(0, 9));
    assert_eq!(second.bounds(), first.bounds());
    let (number, offset) = (second.append(event(b"")), second.bounds().last.unwrap().0);
    first.append(event(b""));
    assert_eq!((number, offset), (5, first.bounds().last.unwrap().0));
}
