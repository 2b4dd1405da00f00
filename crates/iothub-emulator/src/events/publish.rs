//! How events arrive: together with the write that they tell of, or not at all.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::log::Enqueued;
use super::{
    ConnectionChanged, DEVICE_TWIN, Emitter, Event, Lifecycle, Partition, REGISTRY, State, TwinChanged,
    message, partition_of,
};
use crate::journal::{Arrived, Journal, Kept, Parts, Record, Snapshot};
use crate::stamp::Stamp;

/// Something that a write tells.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'a> {
    /// An identity came or went.
    Lifecycle(Lifecycle<'a>),
    /// A twin was written.
    TwinChanged(TwinChanged<'a>),
    /// A device connected or disconnected.
    Connection(ConnectionChanged<'a>),
}

/// An event on its way into a partition, counted around.
pub(super) type Arrival = (String, usize, Event);

impl Emitter {
    /// Writes to this journal from now on.
    pub(crate) fn keep_in(&self, journal: Arc<Journal>) {
        let _kept_already = self.journal.set(journal);
    }

    /// Lets a hub's write be kept and told, in this order: what it changes, as the store encodes it, goes into the
    /// journal together with the events.
    ///
    /// # Errors
    /// When the journal cannot be written; then nothing was told.
    pub(crate) fn publish(
        &self,
        hub: &str,
        changes: &dyn Fn() -> io::Result<Vec<u8>>,
        happened: &[Happened<'_>],
    ) -> io::Result<()> {
        let mut state = self.lock();
        let mut arrivals = Vec::new();
        happened.iter().for_each(|happened| self.word(&mut state, happened, &mut arrivals));
        let changes = if self.journal.get().is_some() { changes()? } else { Vec::new() };
        self.arrive(hub, &changes, arrivals)
    }

    /// Tells what no write is behind.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn tell(&self, happened: Happened<'_>) -> io::Result<()> {
        self.publish("", &|| Ok(Vec::new()), &[happened])
    }

    /// Appends to a partition what does not come from a write; gives the sequence number, or nothing when there is no
    /// such partition.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn append(&self, event_hub: &str, partition: usize, event: Event) -> io::Result<Option<u64>> {
        let _in_order = self.lock();
        let Some(found) = self.event_hub(event_hub).and_then(|hub| hub.partitions.get(partition)) else {
            return Ok(None);
        };
        let sequence = found.next();
        self.arrive("", &[], vec![(event_hub.to_owned(), partition, event)])?;
        Ok(Some(sequence))
    }

    /// Called with the state locked, so that journal and partitions have one order.
    pub(super) fn arrive(&self, hub: &str, changes: &[u8], arrivals: Vec<Arrival>) -> io::Result<()> {
        let at = Stamp::now();
        if let Some(journal) = self.journal.get() {
            let arrived = arrivals.iter().map(|(event_hub, at, event)| Arrived {
                event_hub: Cow::Borrowed(event_hub.as_str()),
                partition: *at % self.count(event_hub),
                parts: Parts::new(event.parts()),
            });
            let (hub, changes) = (Cow::Borrowed(hub), Cow::Borrowed(changes));
            journal.append(&Record::Write { hub, changes, at, arrived: arrived.collect() }.encode()?)?;
        }
        for (event_hub, partition, event) in arrivals {
            self.append_at(&event_hub, partition % self.count(&event_hub), event, at);
        }
        Ok(())
    }

    /// Lets events arrive that no write waits for; those that the journal does not take are lost.
    pub(super) fn arrive_anyway(&self, arrivals: Vec<Arrival>) {
        let count = arrivals.len();
        if count > 0
            && let Err(error) = self.arrive("", &[], arrivals)
        {
            tracing::error!(%error, count, "events are lost");
        }
    }

    /// The events that tell of something, without those that are kept back, and with those that come again.
    fn word(&self, state: &mut State, happened: &Happened<'_>, arrivals: &mut Vec<Arrival>) {
        let wording = state.wording;
        match happened {
            Happened::Lifecycle(event) => {
                // Event Grid tells of devices only (documented).
                if event.id.module.is_none() {
                    let at = state.next_partition();
                    self.pass(state, REGISTRY, at, message::grid(event, wording), arrivals);
                }
                let at = partition_of(&event.id.device);
                self.pass(state, DEVICE_TWIN, at, message::lifecycle(event, wording), arrivals);
            }
            Happened::TwinChanged(event) => {
                let at = partition_of(&event.id.device);
                self.pass(state, DEVICE_TWIN, at, message::twin_changed(event, wording), arrivals);
            }
            Happened::Connection(event) => {
                let (at, sequence) = (state.next_partition(), message::connection_sequence());
                let grid = message::grid_connection(event, &sequence, wording);
                self.pass(state, REGISTRY, at, grid, arrivals);
                let at = partition_of(&event.id.device);
                let routed = message::connection(event, &sequence, wording);
                self.pass(state, DEVICE_TWIN, at, routed, arrivals);
            }
        }
    }

    /// Lets the rules decide, then the lasting trouble.
    fn pass(
        &self,
        state: &mut State,
        event_hub: &'static str,
        at: usize,
        event: Event,
        arrivals: &mut Vec<Arrival>,
    ) {
        let arrival = |at, event| (event_hub.to_owned(), at, event);
        for (at, event) in state.rules.pass(event_hub, at, event) {
            let fate = state.trouble.fate(event_hub);
            if let Some(overtaken_by) = fate.late {
                state.trouble.delay(at, event, overtaken_by);
                self.late.notify_one();
                continue;
            }
            if fate.duplicate {
                arrivals.push(arrival(at, event.clone()));
            }
            arrivals.push(arrival(at, event));
            let again = self.last(event_hub, at, fate.rewind.unwrap_or(0), arrivals);
            arrivals.extend(again.into_iter().map(|event| arrival(at, event)));
            if event_hub == REGISTRY {
                arrivals.extend(state.trouble.overtake().into_iter().map(|(at, event)| arrival(at, event)));
            }
        }
    }

    /// The last events of a partition, in their order, those that are about to arrive included.
    fn last(&self, event_hub: &str, at: usize, most: usize, arrivals: &[Arrival]) -> Vec<Event> {
        let count = self.count(event_hub);
        let same = |arrival: &&Arrival| arrival.0 == event_hub && arrival.1 % count == at % count;
        let mut last: Vec<Event> =
            arrivals.iter().rev().filter(same).take(most).map(|(_, _, event)| event.clone()).collect();
        last.reverse();
        let older = most.saturating_sub(last.len());
        let Some(partition) = self.partition(event_hub, at).filter(|_| older > 0) else { return last };
        let from = partition.next().saturating_sub(u64::try_from(older).unwrap_or_default());
        let older = partition.from(from, older).into_iter().map(|enqueued| enqueued.event);
        older.chain(last).collect()
    }

    fn partition(&self, event_hub: &str, at: usize) -> Option<&Partition> {
        let hub = self.event_hub(event_hub)?;
        hub.partitions.get(at % hub.partitions.len().max(1))
    }

    fn count(&self, event_hub: &str) -> usize {
        self.event_hub(event_hub).map_or(1, |hub| hub.partitions.len().max(1))
    }

    fn append_at(&self, event_hub: &str, partition: usize, event: Event, at: Stamp) {
        if let Some(partition) = self.event_hub(event_hub).and_then(|hub| hub.partitions.get(partition)) {
            partition.append_at(event, at);
        }
    }

    /// Puts back an event that arrived before the last start.
    pub(crate) fn restore_arrived(&self, arrived: &Arrived<'_>, at: Stamp) {
        let event = Event::assemble(arrived.parts.array());
        self.append_at(&arrived.event_hub, arrived.partition, event, at);
    }

    /// Puts back an event that a snapshot has.
    pub(crate) fn restore_kept(&self, kept: &Kept<'_>) {
        let Kept { sequence, offset, at, event: arrived } = kept;
        let found = self.event_hub(&arrived.event_hub).and_then(|hub| hub.partitions.get(arrived.partition));
        if let Some(partition) = found {
            let event = Event::assemble(arrived.parts.array());
            partition.restore([Enqueued { sequence: *sequence, offset: *offset, at: *at, event }]);
        }
    }

    /// Begins a snapshot of the journal, with the events as they are at that moment.
    pub(crate) fn begin_snapshot(&self, journal: &Journal) -> io::Result<(Snapshot, Vec<KeptEvents>)> {
        let _in_order = self.lock();
        let snapshot = journal.begin_snapshot()?;
        let partitions = self.event_hubs().iter().flat_map(|hub| {
            let numbered = hub.partitions.iter().enumerate();
            numbered.map(|(partition, log)| KeptEvents {
                event_hub: hub.name,
                partition,
                events: log.from(0, usize::MAX),
            })
        });
        Ok((snapshot, partitions.collect()))
    }
}

/// What a partition had at some moment.
#[derive(Debug)]
pub(crate) struct KeptEvents {
    event_hub: &'static str,
    partition: usize,
    events: Vec<Enqueued>,
}

impl KeptEvents {
    /// As records.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.events.iter().map(|Enqueued { sequence, offset, at, event }| {
            let (event_hub, parts) = (Cow::Borrowed(self.event_hub), Parts::new(event.parts()));
            let event = Arrived { event_hub, partition: self.partition, parts };
            Record::Kept(Kept { sequence: *sequence, offset: *offset, at: *at, event })
        })
    }
}

impl State {
    /// Event Grid spreads its events over the partitions.
    fn next_partition(&mut self) -> usize {
        self.round_robin = self.round_robin.wrapping_add(1);
        self.round_robin
    }
}
