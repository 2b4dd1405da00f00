//! Whether everything there is has been worked off.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::{Partition, Positions};

/// How often the logs are looked at again when nothing has changed here.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until every partition that is owned here stands at the end of its log and nothing is in flight. `false`: not by the deadline.
///
/// `busy` says whether something else, a timer for one, is in flight.
pub(crate) async fn is_idle(
    partitions: &[Arc<Partition>],
    positions: &Positions,
    busy: impl Fn() -> bool,
    deadline: Instant,
) -> bool {
    let mut changes = positions.changes();
    loop {
        changes.mark_unchanged();
        if nothing_in_flight(positions) && !busy() && at_the_end(partitions, positions).await {
            // Something may have begun while the logs were asked.
            if nothing_in_flight(positions) && !busy() {
                return true;
            }
        }
        if Instant::now() >= deadline {
            return false;
        }
        let until = deadline.min(Instant::now() + LOOK_AGAIN);
        let _ = timeout_at(until, changes.changed()).await;
    }
}

fn nothing_in_flight(positions: &Positions) -> bool {
    let all = positions.all();
    all.values().flat_map(|partitions| partitions.values()).all(|position| position.in_flight == 0)
}

async fn at_the_end(partitions: &[Arc<Partition>], positions: &Positions) -> bool {
    let owned: Vec<&Arc<Partition>> = partitions.iter().filter(|partition| partition.is_owned()).collect();
    let ends = join_all(owned.iter().map(|partition| partition.end())).await;
    owned.iter().zip(ends).all(|(partition, end)| {
        let next = positions.get(partition.name(), partition.id()).map(|position| position.next);
        end.ok().zip(next).is_some_and(|(end, next)| next >= end)
    })
}
