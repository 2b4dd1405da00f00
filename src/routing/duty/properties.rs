//! At no time do two processes hold a duty, whatever storage, clocks and processes do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value;

use super::document::Document;
use super::term::{Candidate, Term};
use crate::iothub::BootTime;
use crate::model::ETag;

const LEASE: u64 = 5_000;

/// A step of one process, or of the world. What a process does not do for a while, it is frozen for.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Look(usize),
    Renew(usize),
    GiveBack(usize),
    /// A request that was sent, the oldest or another, arrives; its answer may get lost.
    Arrive(usize, bool),
    Crash(usize),
}

struct Request {
    process: usize,
    next: Document,
    at: Option<ETag>,
    started: BootTime,
}

#[derive(Default)]
struct Process {
    offset: u64,
    per_mille: u64,
    candidate: Candidate,
    term: Option<Term>,
    waits: bool,
}

struct World {
    now: u64,
    stored: Option<(Document, ETag)>,
    writes: u64,
    sent: Vec<Request>,
    processes: Vec<Process>,
    taken: u64,
}

impl World {
    fn new(clocks: &[(u64, u64)]) -> Self {
        let process = |(offset, per_mille): &(u64, u64)| Process {
            offset: *offset,
            per_mille: *per_mille,
            ..Process::default()
        };
        let processes = clocks.iter().map(process).collect();
        Self { now: 1_000_000, stored: None, writes: 0, sent: Vec::new(), processes, taken: 0 }
    }

    fn clock(&self, n: usize) -> BootTime {
        let Process { offset, per_mille, .. } = self.processes[n];
        BootTime::at(Duration::from_millis(offset + self.now * per_mille / 1000))
    }

    fn number(&mut self) -> String {
        self.writes += 1;
        self.writes.to_string()
    }

    fn holds(&self, n: usize) -> bool {
        let term = self.processes[n].term.as_ref();
        term.is_some_and(|term| !term.left(self.clock(n)).is_zero())
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(milliseconds) => self.now += milliseconds,
            Step::Look(n) if !self.holds(n) && !self.processes[n].waits => self.look(n),
            Step::Renew(n) if self.holds(n) && !self.processes[n].waits => self.renew(n, false),
            Step::GiveBack(n) if self.holds(n) && !self.processes[n].waits => self.renew(n, true),
            Step::Arrive(index, lost) if !self.sent.is_empty() => {
                let request = self.sent.remove(index % self.sent.len());
                self.arrive(request, lost);
            }
            Step::Crash(n) => {
                let Process { offset, per_mille, .. } = self.processes[n];
                self.processes[n] = Process { offset, per_mille, ..Process::default() };
            }
            _ => {}
        }
        let holders = (0..self.processes.len()).filter(|n| self.holds(*n)).count();
        assert!(holders <= 1, "{holders} processes hold the duty");
    }

    fn look(&mut self, n: usize) {
        let started = self.clock(n);
        let found = self.stored.clone();
        if let Some((document, etag)) = &found
            && !self.processes[n].candidate.may_take(document, etag, started)
        {
            return;
        }
        let next = Document {
            holder: Some(n.to_string()),
            since: Timestamp::UNIX_EPOCH,
            term: self.number(),
            renewed: 0,
            nonce: self.number(),
            lease_milliseconds: LEASE,
            cursor: Value::Null,
        };
        self.processes[n].waits = true;
        self.sent.push(Request { process: n, next, at: found.map(|(_, etag)| etag), started });
    }

    fn renew(&mut self, n: usize, back: bool) {
        let (started, nonce) = (self.clock(n), self.number());
        let term = self.processes[n].term.clone().unwrap();
        let next = if back { term.document.given_back(nonce) } else { term.document.renewed(None, nonce) };
        if back {
            self.processes[n].term = None;
        }
        self.processes[n].waits = true;
        self.sent.push(Request { process: n, next, at: Some(term.etag), started });
    }

    /// Whoever sent it may be another life of the process by now, or have given the answer up.
    fn arrive(&mut self, request: Request, lost: bool) {
        let applied = self.stored.as_ref().map(|(_, etag)| etag) == request.at.as_ref();
        if applied {
            let etag = ETag::new(&self.number());
            self.stored = Some((request.next.clone(), etag));
        }
        let process = &mut self.processes[request.process];
        let waits = std::mem::take(&mut process.waits);
        let Some((found, etag)) = self.stored.clone().filter(|_| waits && !lost) else { return };
        if found.nonce == request.next.nonce && found.holder.is_some() {
            process.candidate = Candidate::default();
            self.taken += u64::from(process.term.is_none());
            process.term = Some(Term::new(found, etag, request.started));
        } else if let Some(term) = &mut process.term {
            if found.term == term.document.term {
                (term.document, term.etag) = (found, etag);
            } else {
                term.end();
            }
        }
    }
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..3usize;
    let step = prop_oneof![
        6 => (0..3000u64).prop_map(Step::Pass),
        1 => (5000..9000u64).prop_map(Step::Pass),
        8 => who.clone().prop_map(Step::Look),
        6 => who.clone().prop_map(Step::Renew),
        1 => who.clone().prop_map(Step::GiveBack),
        9 => (prop_oneof![4 => Just(0usize), 1 => 0..6usize], prop::bool::weighted(0.2))
            .prop_map(|(index, lost)| Step::Arrive(index, lost)),
        1 => who.prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_lets_two_processes_hold_a_duty(
        steps in schedule(),
        // Offsets are any; rates differ by less than the margin allows.
        clocks in prop::collection::vec((0..10_000_000u64, 960..1040u64), 3),
    ) {
        let mut world = World::new(&clocks);
        for step in steps {
            world.take(step);
        }
    }
}

#[test]
fn schedules_like_these_do_get_to_take_the_duty() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut taken = 0;
    for _ in 0..200 {
        let mut world = World::new(&[(0, 1000), (1, 1000), (2, 1000)]);
        for step in schedule().new_tree(&mut runner).unwrap().current() {
            world.take(step);
        }
        taken += world.taken;
    }
    assert!(taken > 200, "{taken} times");
}

#[test]
fn a_contender_waits_the_holders_lease_and_a_margin_on_its_own_clock() {
    let document = Document::read(b"", Duration::from_secs(5));
    let (etag, at) = (ETag::new("1"), |seconds| BootTime::at(Duration::from_secs(seconds)));
    let mut candidate = Candidate::default();
    assert!(!candidate.may_take(&document, &etag, at(100)));
    assert!(!candidate.may_take(&document, &etag, at(105)), "the holder's clock may be slower");
    assert!(candidate.may_take(&document, &etag, at(106)));
    assert!(!candidate.may_take(&document, &ETag::new("2"), at(107)), "it was renewed");
    assert!(candidate.may_take(&document.given_back("2".into()), &ETag::new("3"), at(108)));
}
