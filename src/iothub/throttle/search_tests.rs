//! Limits that are looked for, on hubs that shape traffic as the service does: a window's worth at once, then a queue of ten
//! seconds, then refusals.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use proptest::prelude::*;

use super::search::{Search, Sent};
use super::tier::{Limit, Limited, Tier};

const STEP: Duration = Duration::from_millis(2);
const SECOND: Duration = Duration::from_secs(1);

/// Requests that one process has in flight at most.
const PLACES: usize = 64;

/// A hub's line for one class.
struct Hub {
    limit: Option<Limit>,
    latency: Duration,
    taken_until: Duration,
}

impl Hub {
    fn new(limit: Option<Limit>, latency: u64) -> Self {
        Self { limit, latency: Duration::from_millis(latency), taken_until: Duration::ZERO }
    }

    fn of(tier: &str, limited: Limited) -> Self {
        Self::new(Some(tier.parse::<Tier>().unwrap().limit(limited)), 60)
    }

    /// How long a request takes, and whether it is refused then.
    fn ask(&mut self, now: Duration) -> (Duration, bool) {
        let Some(limit) = self.limit else { return (self.latency, false) };
        let until = self.taken_until.max(now) + limit.window.div_f64(limit.items);
        let queued = until.saturating_sub(limit.window).saturating_sub(now);
        if queued > SECOND * 10 {
            return (self.latency, true);
        }
        self.taken_until = until;
        (self.latency + queued, false)
    }
}

/// A process that has always something to do.
struct Process {
    search: Search,
    in_flight: Vec<(Duration, Sent, bool)>,
    answered: Vec<Duration>,
    refused: usize,
}

impl Process {
    fn new(limited: Limited, share: f64) -> Self {
        let mut search = Search::new(Tier::SMALLEST.limit(limited));
        search.share(share);
        Self { search, in_flight: Vec::new(), answered: Vec::new(), refused: 0 }
    }

    fn step(&mut self, now: Duration, hub: &mut Hub) {
        for (_, sent, refused) in self.in_flight.extract_if(.., |(done, ..)| *done <= now) {
            if refused {
                self.refused += 1;
                self.search.refused(now, SECOND * 10);
                self.search.failed(sent);
            } else {
                self.answered.push(now);
                self.search.answered(now, sent, true);
            }
        }
        while self.in_flight.len() < PLACES && self.search.wait(now, 1).is_zero() {
            self.search.take(now, 1);
            let sent = self.search.sent(now, 1);
            let (takes, refused) = hub.ask(now);
            self.in_flight.push((now + takes, sent, refused));
        }
    }

    /// Answers a second between two times.
    fn rate(&self, from: u64, to: u64) -> f64 {
        let within = |at: &&Duration| **at >= SECOND * from as u32 && **at < SECOND * to as u32;
        self.answered.iter().filter(within).count() as f64 / (to - from) as f64
    }
}

/// Lets them work for so long. The owner uses a tenth of the limit, too: how long that took, the quickest first.
fn run(hub: &mut Hub, processes: &mut [Process], seconds: u32) -> Vec<Duration> {
    let (mut now, mut owner) = (Duration::ZERO, Vec::new());
    let owners_turn = hub.limit.map_or(SECOND, |limit| limit.window.div_f64(limit.items / 10.0));
    while now < SECOND * seconds {
        processes.iter_mut().for_each(|process| process.step(now, hub));
        if now >= owners_turn * owner.len() as u32 {
            owner.push(hub.ask(now).0);
        }
        now += STEP;
    }
    owner.sort_unstable();
    owner
}

#[test]
fn a_hub_without_a_limit_is_used_whole_within_seconds() {
    for (limited, latency, rate) in [
        (Limited::Create, 20, 900.0),
        (Limited::Create, 60, 900.0),
        (Limited::Read, 60, 900.0),
        (Limited::TwinRead, 60, 900.0),
    ] {
        let mut process = [Process::new(limited, 0.5)];
        run(&mut Hub::new(None, latency), &mut process, 4);
        assert!(process[0].rate(3, 4) >= rate, "{limited:?} {latency}: {}", process[0].rate(3, 4));
    }
}

#[test]
fn what_the_smallest_hub_takes_at_once_goes_at_once() {
    let mut search = Search::new(Tier::SMALLEST.limit(Limited::Create));
    let mut gone = 0;
    while search.wait(Duration::ZERO, 1).is_zero() {
        search.take(Duration::ZERO, 1);
        search.sent(Duration::ZERO, 1);
        gone += 1;
    }
    assert_eq!(gone, 100);
}

/// What was used of a limit after five minutes, by each process, and how the owner fared.
struct Found {
    used: Vec<f64>,
    refused: usize,
    owner_p95: Duration,
}

fn find((tier, limited): (&str, Limited), processes: usize, share: f64) -> Found {
    let mut hub = Hub::of(tier, limited);
    let mut all: Vec<_> = (0..processes).map(|_| Process::new(limited, share)).collect();
    let owner = run(&mut hub, &mut all, 900);
    let limit = hub.limit.unwrap();
    let used = |process: &Process| process.rate(300, 900) / (limit.items / limit.window.as_secs_f64());
    Found {
        used: all.iter().map(used).collect(),
        refused: all.iter().map(|process| process.refused).sum(),
        owner_p95: owner[owner.len() * 95 / 100],
    }
}

#[test]
fn a_bulk_request_that_is_larger_than_what_goes_at_once_still_goes() {
    let mut search = Search::new(Tier::SMALLEST.limit(Limited::Create));
    search.share(0.5);
    let mut now = Duration::ZERO;
    for _ in 0..20 {
        while !search.wait(now, 100).is_zero() {
            now += Duration::from_millis(10);
        }
        search.take(now, 100);
        let sent = search.sent(now, 100);
        now += Duration::from_millis(50);
        search.answered(now, sent, true);
    }
    assert!(now < SECOND * 10, "{now:?}");
}

#[test]
fn a_hub_that_is_slow_by_nature_is_not_taken_for_one_that_is_slowed() {
    let mut search = Search::new(Tier::SMALLEST.limit(Limited::TwinRead));
    // A person's few calls in bad weather.
    for n in 0..90_u32 {
        let now = SECOND * n;
        assert_eq!(search.wait(now, 1), Duration::ZERO);
        search.take(now, 1);
        let sent = search.sent(now, 1);
        search.answered(now + Duration::from_millis(if n < 10 { 20 } else { 900 }), sent, true);
    }
    assert_eq!(search.per_minute(SECOND * 90), None);
}

#[test]
fn a_refusal_halves_the_rate_and_stops_everybody_for_as_long_as_it_says() {
    let mut search = Search::new(Tier::SMALLEST.limit(Limited::TwinRead));
    search.refused(SECOND, SECOND * 10);
    search.refused(SECOND * 2, SECOND * 5);
    assert_eq!(search.wait(SECOND * 3, 1), SECOND * 8);
    assert_eq!(search.per_minute(SECOND * 11), Some(3000.0));
    assert_eq!(search.per_minute(SECOND * 251), Some(6000.0));
}

proptest! {
    #[test]
    fn whoever_waits_goes_in_the_end(
        ways in prop::collection::vec((0u8..4, 1u32..120, 0u64..3_000), 1..300), half in any::<bool>(),
    ) {
        let mut search = Search::new(Tier::SMALLEST.limit(Limited::Create));
        search.share(if half { 0.5 } else { 1.0 });
        let (mut now, mut under_way) = (Duration::ZERO, std::collections::VecDeque::new());
        for (way, items, milliseconds) in ways {
            now += Duration::from_millis(milliseconds);
            search.take(now, items);
            under_way.push_back(search.sent(now, items));
            match way {
                0 => search.refused(now, Duration::from_millis(milliseconds * 10)),
                1 => search.failed(under_way.pop_front().unwrap()),
                _ => search.answered(now, under_way.pop_front().unwrap(), way == 2),
            }
        }
        under_way.into_iter().for_each(|sent| search.failed(sent));
        let mut looks = 0;
        loop {
            let wait = search.wait(now, 100);
            if wait.is_zero() {
                break;
            }
            prop_assert!(looks < 1_000_000 && wait < Duration::from_secs(360_000), "{:?} after {}", wait, looks);
            (now, looks) = (now + wait, looks + 1);
        }
    }
}

#[test]
fn a_standbys_limit_is_found_with_hardly_a_refusal_and_used() {
    for hub in [
        ("S1x1", Limited::Create),
        ("S1x2", Limited::Create),
        ("S1x10", Limited::Create),
        ("S2x20", Limited::Create),
        ("S1x1", Limited::Query),
        ("S1x1", Limited::TwinUpdate),
    ] {
        let Found { used, refused, owner_p95 } = find(hub, 1, 1.0);
        let found = used[0] > 0.4 && refused <= 2;
        assert!(found && owner_p95 < SECOND, "{hub:?} {used:?} {refused} {owner_p95:?}");
    }
}

#[test]
fn the_owner_of_an_active_hub_is_not_kept_waiting() {
    for hub in [("S1x1", Limited::Create), ("S1x10", Limited::Create), ("S1x1", Limited::TwinUpdate)] {
        let Found { used, refused, owner_p95 } = find(hub, 1, 0.5);
        let fair = (0.2..0.85).contains(&used[0]);
        assert!(fair && refused == 0 && owner_p95 < SECOND, "{hub:?} {used:?} {refused} {owner_p95:?}");
    }
}

#[test]
fn four_processes_that_know_nothing_of_each_other_find_their_parts() {
    for (hub, share) in [
        (("S1x1", Limited::Create), 0.5),
        (("S1x1", Limited::Create), 1.0),
        (("S1x1", Limited::TwinUpdate), 0.5),
        (("S1x1", Limited::TwinUpdate), 1.0),
    ] {
        let Found { used, refused, owner_p95 } = find(hub, 4, share);
        let fair = used.iter().all(|used| (0.1..0.4).contains(used));
        // At the beginning all of them ask for what the smallest hub takes at once; a hub of that size refuses most of it.
        assert!(fair && refused < 300, "{hub:?} {share} {used:?} {refused}");
        assert!(owner_p95 < SECOND * 5, "{hub:?} {share} {owner_p95:?}");
    }
}
