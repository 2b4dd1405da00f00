//! Who reads which partition for which consumer group: a receiver with an owner level, the epoch, reads alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

use super::performative::Failure;

/// Receivers without an epoch on one partition for one consumer group (documented quota).
const MOST_READERS: usize = 5;

/// The condition of a receiver that another one has pushed out, or that came too late.
const STOLEN: &str = "amqp:link:stolen";

/// A partition for a consumer group: event hub, group, partition.
pub(crate) type Place = (usize, String, usize);

/// The receivers of all connections.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    places: Mutex<HashMap<Place, Vec<Reader>>>,
}

#[derive(Debug)]
struct Reader {
    epoch: Option<i64>,
    name: String,
    end: Arc<Ended>,
}

/// Set once when a receiver was pushed out.
#[derive(Debug)]
struct Ended {
    why: OnceLock<Failure>,
    /// Wakes the connection of the receiver.
    wake: Arc<Notify>,
}

impl Owners {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Vec<Reader>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place among the readers, with an epoch alone: receivers without one, and with one that is not higher,
    /// are pushed out, as the service does.
    ///
    /// # Errors
    /// When a receiver with a higher epoch reads, or any with one and this has none; or too many read.
    pub(crate) fn enter(
        self: &Arc<Self>,
        place: Place,
        epoch: Option<i64>,
        name: &str,
        wake: Arc<Notify>,
    ) -> Result<Seat, Failure> {
        let mut places = self.lock();
        let readers = places.entry(place.clone()).or_default();
        refuse(readers, epoch, name)?;
        if let Some(epoch) = epoch {
            readers.drain(..).for_each(|reader| reader.push_out(name, epoch));
        }
        let end = Arc::new(Ended { why: OnceLock::new(), wake });
        readers.push(Reader { epoch, name: name.to_owned(), end: Arc::clone(&end) });
        drop(places);
        Ok(Seat { owners: Arc::clone(self), place, end })
    }
}

fn refuse(readers: &[Reader], epoch: Option<i64>, name: &str) -> Result<(), Failure> {
    let highest = readers.iter().filter_map(|reader| Some((reader.epoch?, &reader.name))).max();
    match (highest, epoch) {
        (Some((theirs, other)), Some(own)) if theirs > own => Err(Failure::new(
            STOLEN,
            format!(
                "Receiver '{other}' with a higher epoch '{theirs}' already exists. Receiver '{name}' with epoch {own} \
                 cannot be created. Make sure you are creating receiver with increasing epoch value to ensure \
                 connectivity, or ensure all old epoch receivers are closed or disconnected."
            ),
        )),
        (Some((theirs, _)), None) => Err(Failure::new(
            STOLEN,
            format!(
                "At least one receiver for the endpoint is created with epoch of '{theirs}', and so non-epoch receiver \
                 is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or \
                 disconnected."
            ),
        )),
        (None, None) if readers.len() >= MOST_READERS => Err(Failure::new(
            "amqp:resource-limit-exceeded",
            format!(
                "Exceeded the maximum number of allowed receivers per partition in a consumer group which is {MOST_READERS}."
            ),
        )),
        _ => Ok(()),
    }
}

impl Reader {
    fn push_out(self, name: &str, epoch: i64) {
        let (own, its) = (&self.name, self.epoch.map_or_else(|| "nil".to_owned(), |epoch| epoch.to_string()));
        let why = format!(
            "New receiver '{name}' with higher epoch of '{epoch}' is created hence current receiver '{own}' with epoch \
             '{its}' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used."
        );
        // Only the first one to push it out counts.
        let _said_before = self.end.why.set(Failure::new(STOLEN, why));
        self.end.wake.notify_one();
    }
}

/// A place among the readers, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    owners: Arc<Owners>,
    place: Place,
    end: Arc<Ended>,
}

impl Seat {
    /// Why its receiver must end, if it must.
    pub(crate) fn ended(&self) -> Option<&Failure> {
        self.end.why.get()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut places = self.owners.lock();
        if let Some(readers) = places.get_mut(&self.place) {
            readers.retain(|reader| !Arc::ptr_eq(&reader.end, &self.end));
            if readers.is_empty() {
                places.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn enter(owners: &Arc<Owners>, epoch: Option<i64>) -> Result<Seat, Failure> {
        owners.enter((0, "$default".to_owned(), 1), epoch, "r", Arc::default())
    }

    #[test]
    fn an_equal_or_higher_epoch_steals_and_a_lower_or_none_is_refused() {
        let owners = Arc::new(Owners::default());
        let plain = enter(&owners, None).unwrap();
        let first = enter(&owners, Some(1)).unwrap();
        assert_eq!(plain.ended().unwrap().condition, "amqp:link:stolen");
        assert!(enter(&owners, Some(0)).is_err() && enter(&owners, None).is_err());
        let second = enter(&owners, Some(1)).unwrap();
        assert!(first.ended().is_some() && second.ended().is_none());
        drop((plain, first));
        assert!(
            enter(&owners, Some(0)).is_err(),
            "the one that was pushed out must not free the other's place"
        );
        drop(second);
        assert!(enter(&owners, None).is_ok());
    }

    #[test]
    fn five_receivers_without_an_epoch_read_side_by_side_and_no_sixth() {
        let owners = Arc::new(Owners::default());
        let seats: Vec<Seat> = (0..5).map(|_| enter(&owners, None).unwrap()).collect();
        assert_eq!(enter(&owners, None).unwrap_err().condition, "amqp:resource-limit-exceeded");
        drop(seats);
        assert!(owners.lock().is_empty());
    }
}
