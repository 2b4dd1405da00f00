//! The protocol as a whole, on the real transitions, leases and knowledge, with storage, clocks,
//! crashes, freezes and lost answers as a schedule.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::genesis::after_loss;
use super::lease::{Knowledge, Lease, NoLease, ReadTimes};
use super::record::{
    Authorship, Diverged, HubRole, Promotion, PromotionKind, RoutingRecord, StandbyState, Witness, abort,
    begin_promotion, end_rejoining, finish, margin,
};
use super::store::Stored;
use crate::iothub::BootTime;
use crate::model::ETag;

const LEASE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Send(usize),
    Serve(usize),
    Answer(usize, bool),
    Take(usize),
    Write(usize),
    Begin(usize, HubRole, PromotionKind),
    Finish(usize),
    Abort(usize),
    EndRejoining(usize),
    Deliver(usize),
    Confirm(usize),
    Crash(usize),
    Delete,
    BeginInit(usize, Option<HubRole>),
    EndInit(usize),
}

/// Everybody reads, promotes and replicates: a process is a promoter or a replicator by what it does.
struct Process {
    knowledge: Knowledge,
    offset: u64,
    per_mille: u64,
    sent: Option<BootTime>,
    served: Option<Option<Stored>>,
    last: Option<Stored>,
    taken: Option<(Lease, RoutingRecord)>,
    init: Option<(Witness, HubRole, BootTime)>,
}

impl Process {
    fn new(offset: u64, per_mille: u64) -> Self {
        let knowledge = Knowledge::new();
        Self { knowledge, offset, per_mille, sent: None, served: None, last: None, taken: None, init: None }
    }
}

struct World {
    now: u64,
    record: Option<Stored>,
    writes: u64,
    queued: Vec<(RoutingRecord, ETag)>,
    witness: Witness,
    actives: BTreeMap<u64, HubRole>,
    /// As a promotion left them and no end of a rejoining has changed it.
    parted: Option<Diverged>,
    processes: Vec<Process>,
    written_under_a_lease: u64,
    promotions: u64,
}

impl World {
    fn new(clocks: &[(u64, u64)]) -> Self {
        let mut world = Self {
            now: 1_000_000,
            record: None,
            writes: 0,
            queued: Vec::new(),
            witness: Witness::first(HubRole::Primary),
            actives: BTreeMap::new(),
            parted: None,
            processes: clocks.iter().map(|(offset, rate)| Process::new(*offset, *rate)).collect(),
            written_under_a_lease: 0,
            promotions: 0,
        };
        let first = RoutingRecord::genesis(1, HubRole::Primary, LEASE, world.by());
        world.put(first);
        world
    }

    fn by(&self) -> Authorship {
        let at = Timestamp::from_millisecond(i64::try_from(self.now).unwrap()).unwrap();
        Authorship { by: String::new(), reason: String::new(), at, nonce: self.writes.to_string() }
    }

    fn clock(&self, n: usize) -> BootTime {
        let process = &self.processes[n];
        BootTime::at(Duration::from_millis(process.offset + self.now * process.per_mille / 1000))
    }

    fn put(&mut self, record: RoutingRecord) {
        self.writes += 1;
        assert_eq!(record.diverged.is_some(), record.standby_state == StandbyState::Rejoining);
        assert!(record.diverged.is_some() || self.parted.is_none(), "nobody has ended the rejoining");
        if record.promotion.is_none() {
            let active = *self.actives.entry(record.epoch).or_insert(record.active);
            assert_eq!(active, record.active, "two hubs active in epoch {}", record.epoch);
        }
        let etag = ETag::new(&self.writes.to_string());
        self.record = Some(Stored { record, etag, written: self.by().at });
    }

    fn deliver(&mut self, index: usize) {
        if self.queued.is_empty() {
            return;
        }
        let index = if index == usize::MAX { self.queued.len() - 1 } else { index % self.queued.len() };
        let (record, etag) = self.queued.remove(index);
        let Some(before) = self.record.take_if(|stored| stored.etag == etag) else { return };
        self.follow(&before.record, &record);
        self.put(record);
    }

    /// Every promotion parts the hubs, unless they are apart already; only an end of the rejoining
    /// makes them one.
    fn follow(&mut self, before: &RoutingRecord, after: &RoutingRecord) {
        if before.active != after.active {
            self.promotions += 1;
            let parted = after.diverged.unwrap();
            assert_eq!(parted, *self.parted.get_or_insert(before.diverged.unwrap_or(parted)));
            assert!(
                before.diverged.is_some() || (parted.origin, parted.epoch) == (before.active, after.epoch)
            );
        } else if after.epoch == before.epoch && after.promotion.is_none() {
            self.parted = None;
        } else {
            assert_eq!(before.diverged, after.diverged);
        }
    }

    fn queue(&mut self, record: Option<RoutingRecord>, etag: ETag) {
        self.queued.extend(record.map(|record| (record, etag)));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(milliseconds) => self.now += milliseconds,
            Step::Send(n) => {
                let started = self.clock(n);
                let epoch = self.witness.epoch;
                let process = &mut self.processes[n];
                if process.knowledge.highest() == 0 {
                    process.knowledge.learn_epoch(epoch);
                }
                (process.sent, process.served) = (Some(started), None);
            }
            Step::Serve(n) if self.processes[n].sent.is_some() => {
                self.processes[n].served = Some(self.record.clone());
            }
            Step::Answer(n, lost) => self.answer(n, lost),
            Step::Take(n) => {
                let held = self.processes[n].knowledge.lease(self.clock(n)).ok();
                self.processes[n].taken = held.map(|(lease, record)| (lease, record.clone()));
            }
            Step::Write(n) => self.write(n),
            Step::Begin(n, to, kind) => {
                let Some(known) = self.processes[n].last.clone() else { return };
                let begun = begin_promotion(&known.record, Promotion { to, kind }, self.by()).ok();
                if let Some(record) = &begun {
                    self.witness.reserve(record.epoch);
                }
                self.queue(begun, known.etag);
            }
            Step::Finish(n) => {
                let now = self.clock(n);
                let Some(ripe) = self.processes[n].knowledge.ripe_promotion(now).cloned() else { return };
                let done = finish(&ripe.record, ripe.written, self.by()).ok();
                self.queue(done, ripe.etag);
            }
            Step::Abort(n) => {
                let Some(known) = self.processes[n].last.clone() else { return };
                let back = abort(&known.record, self.by()).ok();
                if let Some(record) = &back {
                    self.witness.reserve(record.epoch);
                }
                self.queue(back, known.etag);
            }
            Step::EndRejoining(n) => {
                let Some(known) = self.processes[n].last.clone() else { return };
                self.queue(end_rejoining(&known.record, self.by()).ok(), known.etag);
            }
            Step::Deliver(index) => self.deliver(index),
            Step::Confirm(n) => {
                if let Some(known) = &self.processes[n].last {
                    self.witness.confirm(&known.record);
                }
            }
            Step::Crash(n) => {
                let (offset, rate) = (self.processes[n].offset, self.processes[n].per_mille);
                self.processes[n] = Process::new(offset, rate);
            }
            Step::Delete => self.record = None,
            Step::BeginInit(n, active) if self.record.is_none() => {
                let active = active.unwrap_or(self.witness.active);
                self.processes[n].init = Some((self.witness.clone(), active, self.clock(n)));
            }
            Step::EndInit(n) => self.end_init(n),
            Step::Serve(_) | Step::BeginInit(..) => {}
        }
    }

    fn answer(&mut self, n: usize, lost: bool) {
        let answered = self.clock(n);
        let process = &mut self.processes[n];
        let (Some(started), Some(served)) = (process.sent.take(), process.served.take()) else { return };
        match served {
            _ if lost => process.knowledge.learn_nothing("lost".to_owned()),
            None => process.knowledge.learn_absence(),
            Some(stored) => {
                process.knowledge.learn(&stored, ReadTimes { started, answered });
                process.last = Some(stored);
            }
        }
    }

    /// A write to a hub, under a lease that was taken some time ago: between the two the process may
    /// have been frozen for any time, so what counts is the lease at the moment of sending. Where the
    /// write goes must be where the record, if any, sends everybody.
    fn write(&mut self, n: usize) {
        let Some((lease, under)) = self.processes[n].taken.clone() else { return };
        if lease.remaining(self.clock(n)).is_none() {
            return;
        }
        if let Some(Stored { record, .. }) = &self.record {
            assert_eq!(under.active, record.active, "a write under a dead lease");
            let in_sync = under.standby_state == StandbyState::InSync;
            assert!(!in_sync || record.diverged.is_none(), "a write to a hub that is rejoining");
        }
        self.written_under_a_lease += 1;
    }

    fn end_init(&mut self, n: usize) {
        let Some((witness, active, since)) = self.processes[n].init.take() else { return };
        let waited = self.clock(n).since(since) >= LEASE + margin(LEASE);
        if self.record.is_some() || !(waited || witness.is_certain_of(active)) {
            return;
        }
        let (found, epoch) = (self.witness.clone(), self.witness.next_epoch());
        self.witness.reserve(epoch);
        let record = after_loss(&found, epoch, active, LEASE, self.by());
        let parted = record.diverged;
        self.put(record);
        // What a lost record said of the time may be lost with it, but not that they parted.
        self.parted = parted;
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4usize;
    let hub = prop_oneof![Just(HubRole::Primary), Just(HubRole::Secondary)];
    let kind = prop_oneof![Just(PromotionKind::Planned), Just(PromotionKind::Forced)];
    prop_oneof![
        4 => (0..3000u64).prop_map(Step::Pass),
        8 => who.clone().prop_map(Step::Send),
        8 => who.clone().prop_map(Step::Serve),
        8 => (who.clone(), prop::bool::weighted(0.15)).prop_map(|(n, lost)| Step::Answer(n, lost)),
        6 => who.clone().prop_map(Step::Take),
        8 => who.clone().prop_map(Step::Write),
        4 => (who.clone(), hub.clone(), kind).prop_map(|(n, to, kind)| Step::Begin(n, to, kind)),
        4 => who.clone().prop_map(Step::Finish),
        1 => who.clone().prop_map(Step::Abort),
        3 => who.clone().prop_map(Step::EndRejoining),
        6 => (0..8usize).prop_map(Step::Deliver),
        2 => who.clone().prop_map(Step::Confirm),
        1 => who.clone().prop_map(Step::Crash),
        1 => Just(Step::Delete),
        1 => (who.clone(), prop::option::of(hub)).prop_map(|(n, active)| Step::BeginInit(n, active)),
        2 => who.prop_map(Step::EndInit),
    ]
}

/// Single steps, between moves that belong together, so that schedules get somewhere.
fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..4usize;
    let hub = prop_oneof![Just(HubRole::Primary), Just(HubRole::Secondary)];
    let read = |n| vec![Step::Send(n), Step::Serve(n), Step::Answer(n, false)];
    let begin = (who.clone(), hub).prop_map(move |(n, to)| {
        [read(n), vec![Step::Begin(n, to, PromotionKind::Forced), Step::Deliver(usize::MAX)]].concat()
    });
    let finish = (who.clone(), 5000..8000u64).prop_map(move |(n, wait)| {
        [read(n), vec![Step::Pass(wait), Step::Finish(n), Step::Deliver(usize::MAX)]].concat()
    });
    // Frozen between the two for longer than some leases last.
    let write = (who.clone(), 0..12_000u64).prop_map(move |(n, frozen)| {
        [read(n), vec![Step::Take(n), Step::Pass(frozen), Step::Write(n)]].concat()
    });
    let taken = who.clone().prop_map(move |n| [read(n), vec![Step::Take(n)]].concat());
    let ended = who
        .clone()
        .prop_map(move |n| [read(n), vec![Step::EndRejoining(n), Step::Deliver(usize::MAX)]].concat());
    let served = who.prop_map(|n| vec![Step::Send(n), Step::Serve(n)]);
    let some = prop_oneof![12 => step().prop_map(|step| vec![step]), 1 => write, 1 => taken, 2 => served, 1 => begin, 2 => finish, 1 => ended];
    prop::collection::vec(some, 1..120).prop_map(|steps| steps.into_iter().flatten().collect())
}

fn clocks() -> impl Strategy<Value = Vec<(u64, u64)>> {
    // Offsets are any; rates differ by less than the margin allows.
    prop::collection::vec((0..10_000_000u64, 960..1040u64), 4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_writes_under_a_dead_lease_or_has_two_actives_in_one_epoch_or_forgets_that_the_hubs_parted(
        steps in schedule(),
        clocks in clocks(),
    ) {
        let mut world = World::new(&clocks);
        for step in steps {
            world.take(step);
        }
    }
}

fn read(world: &mut World, n: usize) {
    for step in [Step::Send(n), Step::Serve(n), Step::Answer(n, false)] {
        world.take(step);
    }
}

#[test]
fn a_promoter_that_dies_between_its_two_steps_is_finished_by_a_replicator_and_nobody_writes_meanwhile() {
    let mut world = World::new(&[(0, 1000), (77, 1000)]);
    read(&mut world, 0);
    read(&mut world, 1);
    world.take(Step::Begin(0, HubRole::Secondary, PromotionKind::Forced));
    world.take(Step::Deliver(0));
    world.take(Step::Crash(0));
    read(&mut world, 1);
    assert_eq!(world.processes[1].knowledge.lease(world.clock(1)).err(), Some(NoLease::Promoting));
    world.take(Step::Finish(1));
    assert!(world.queued.is_empty(), "too early");
    world.take(Step::Pass(6_000));
    world.take(Step::Finish(1));
    world.take(Step::Deliver(0));
    read(&mut world, 1);
    let clock = world.clock(1);
    let (_, record) = world.processes[1].knowledge.lease(clock).unwrap();
    assert_eq!((record.epoch, record.active), (2, HubRole::Secondary));
    assert_eq!(world.processes[1].knowledge.assignment().unwrap().hub, HubRole::Secondary);
}

#[test]
fn a_process_that_has_seen_a_higher_epoch_refuses_a_lower_one_also_when_it_starts_anew() {
    let mut world = World::new(&[(0, 1000)]);
    world.witness.epoch = 7;
    read(&mut world, 0);
    assert_eq!(world.processes[0].knowledge.lease(world.clock(0)).err(), Some(NoLease::LowerEpoch));
    assert_eq!(world.processes[0].knowledge.assignment(), None, "nothing is guessed");
}

#[test]
fn a_read_without_an_answer_extends_nothing_and_takes_nothing_away() {
    let mut world = World::new(&[(0, 1000)]);
    read(&mut world, 0);
    world.take(Step::Pass(4_000));
    for step in [Step::Send(0), Step::Serve(0), Step::Answer(0, true)] {
        world.take(step);
    }
    assert!(world.processes[0].knowledge.lease(world.clock(0)).is_ok());
    assert!(world.processes[0].knowledge.assignment().unwrap().stale);
    world.take(Step::Pass(1_000));
    assert!(world.processes[0].knowledge.lease(world.clock(0)).is_err());
}

#[test]
fn schedules_like_these_do_get_to_promote_and_to_write() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut writes, mut promotions) = (0, 0);
    for _ in 0..200 {
        let mut world = World::new(&[(0, 1000), (1, 1000), (2, 1000), (3, 1000)]);
        for step in schedule().new_tree(&mut runner).unwrap().current() {
            world.take(step);
        }
        writes += world.written_under_a_lease;
        promotions += world.promotions;
    }
    assert!(writes > 200 && promotions > 40, "{writes} writes, {promotions} promotions");
}
