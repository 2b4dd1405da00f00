//! How long until so many may go under a limit that nobody has named: it is searched for. A pure function of time.
//!
//! What the smallest tier takes at once goes at once. Beyond that the rate begins at what flows there, and doubles as long
//! as callers wait for it and the hub answers what they send well. When a hub queues or refuses, its limit is *met*: the
//! rate is halved at once, comes back evenly, and stays there. Now and then a little more is tried, ever more seldom.

use std::time::Duration;

use super::answers::{Answers, Speed};
use super::bucket::{BURST, SLOWEST};
use super::tier::Limit;

/// The rate doubles at most once in this time, on a good answer to what was sent since the last time.
const STEP: Duration = Duration::from_millis(100);

/// How long a caller waits before it looks again: the rate may have changed.
const LOOK: Duration = Duration::from_millis(100);

/// A rate for which nobody has waited for so long is high enough.
const PRESSED: Duration = Duration::from_secs(1);

/// For how long at most a hub queues what is over its limit (documented by what its refusal says: 10 s); a little less.
const QUEUED: f64 = 9.0;

/// A hub that took so many items well within a minute has a limit of half of that a minute at least, because a burst of one
/// window is taken at once; so many of them may be in flight before it would have to refuse any: half of a sixth.
const IN_FLIGHT: f64 = 1.0 / 12.0;

/// How long the rate takes to come back after slow answers, and how long it then stays at least.
const AFTER_SLOW: Duration = Duration::from_secs(60);

/// The same after a refusal.
const AFTER_REFUSAL: Duration = Duration::from_secs(240);

/// The longest that a rate stays before a little more is tried.
const LONGEST_STAY: Duration = Duration::from_secs(1800);

/// A little more, …
const MORE: f64 = 1.25;

/// … once in this part of the limit's window, because a hub takes a window's worth at once.
const TRIES: u32 = 8;

/// What comes back at least, as a part of the smallest limit: of several processes the slowest gains most.
const CLIMB: f64 = 0.25;

/// Slow answers alone bring the rate no lower than to this part of the smallest limit: a hub may be far away.
const SLOWEST_FOR_TIME: f64 = 0.125;

/// After a slow answer the rate is halved, so what the hub has queued is gone after twice the time that it took.
const DRAINS: u32 = 2;

/// What is known of the limit.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// Nothing yet. What the smallest tier would take goes at once, counted in `taken`; `beyond` when that was not enough.
    Nothing { rate: f64, taken: f64, beyond: bool },
    /// Something was slow or refused.
    Met(Met),
    /// As `before`, and a little more is tried.
    Again { rate: f64, before: Met },
}

/// A limit that was met.
#[derive(Debug, Clone, Copy)]
struct Met {
    /// The rate that was too much.
    top: f64,
    since: Duration,
    /// How long it takes to come back.
    recovery: Duration,
    /// When a little more may be tried, since then.
    stay: Duration,
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    at: Duration,
    items: u32,
    round: u32,
}

/// The limit of one class as far as it is known, and what was taken of it.
#[derive(Debug, Clone)]
pub(super) struct Search {
    smallest: Limit,
    /// Which part of the limit is ours.
    share: f64,
    known: Known,
    /// Items that were taken and have not flowed off, at the rate of then.
    taken: f64,
    /// When that was counted.
    counted: Duration,
    /// When the rate last changed, and how often it has.
    changed: Duration,
    round: u32,
    in_flight: u32,
    /// Items that were answered well within about a minute.
    well: f64,
    failing: bool,
    /// Somebody has to wait for the rate until then.
    short_until: Duration,
    answers: Answers,
    /// Nobody goes before.
    paused_until: Duration,
    /// What the hub queued before must not be counted twice.
    drained_at: Duration,
}

impl Search {
    /// Begins at the limit of the smallest tier.
    pub(super) fn new(smallest: Limit) -> Self {
        let zero = Duration::ZERO;
        Self {
            smallest,
            share: 1.0,
            known: Known::Nothing { rate: per_second(smallest), taken: 0.0, beyond: false },
            taken: 0.0,
            counted: zero,
            changed: zero,
            round: 0,
            in_flight: 0,
            well: 0.0,
            failing: false,
            short_until: zero,
            answers: Answers::default(),
            paused_until: zero,
            drained_at: zero,
        }
    }

    /// Which part of the limit is ours from now on.
    pub(super) fn share(&mut self, share: f64) {
        if let Known::Nothing { rate, .. } = &mut self.known {
            *rate *= share / self.share;
        }
        self.share = share;
    }

    /// How many a minute flow, if the limit was met.
    pub(super) fn per_minute(&self, now: Duration) -> Option<f64> {
        self.is_met().then(|| self.rate(now) * 60.0)
    }

    /// How long `items` would have to wait, as far as that can be told: while a limit is looked for, it cannot.
    pub(super) fn expected(&mut self, now: Duration, items: u32) -> Option<Duration> {
        self.flow(now);
        let rest = (self.taken + f64::from(items) - self.burst(now)).max(0.0);
        let wait = Duration::from_secs_f64(rest / self.rate(now));
        self.is_met().then(|| wait.max(self.paused_until.saturating_sub(now)))
    }

    /// How long `items` have to wait at `now`, before they look again.
    pub(super) fn wait(&mut self, now: Duration, items: u32) -> Duration {
        if now < self.paused_until {
            return self.paused_until - now;
        }
        self.flow(now);
        if self.is_always_taken(items) {
            return Duration::ZERO;
        }
        if let Known::Nothing { beyond, .. } = &mut self.known {
            *beyond = true;
        }
        if !self.is_met() && self.in_flight > 0 && f64::from(self.in_flight + items) > self.most_in_flight() {
            return LOOK;
        }
        let burst = self.burst(now);
        let over = self.taken - (burst - f64::from(items)).max(0.0);
        if over <= 0.0 {
            return Duration::ZERO;
        }
        let wait = Duration::from_secs_f64(over / self.rate(now)).max(Duration::from_nanos(1));
        self.short_until = now + wait + PRESSED;
        // Everything was answered well, and somebody waits.
        if self.in_flight == 0 && !self.failing && !self.is_met() {
            self.grow(now);
        }
        if self.is_met() { wait } else { wait.min(LOOK) }
    }

    /// Lets `items` go at `now`.
    pub(super) fn take(&mut self, now: Duration, items: u32) {
        self.flow(now);
        let always = self.is_always_taken(items);
        match &mut self.known {
            Known::Nothing { taken, .. } if always => *taken += f64::from(items),
            _ => self.taken += f64::from(items),
        }
    }

    /// They are on their way.
    pub(super) fn sent(&mut self, now: Duration, items: u32) -> Sent {
        self.in_flight += items;
        Sent { at: now, items, round: self.round }
    }

    /// They are no longer, and nothing is known of how the hub does.
    pub(super) fn failed(&mut self, sent: Sent) {
        self.in_flight = self.in_flight.saturating_sub(sent.items);
        self.failing = true;
    }

    /// The hub answered; `timed` when the time says how it does.
    pub(super) fn answered(&mut self, now: Duration, sent: Sent, timed: bool) {
        self.flow(now);
        self.in_flight = self.in_flight.saturating_sub(sent.items);
        self.failing = false;
        self.well += f64::from(sent.items);
        if timed {
            self.answers.note(now, now.saturating_sub(sent.at), sent.items, sent.round);
        }
        if sent.round != self.round || now < self.drained_at {
            return;
        }
        match self.answers.speed(self.round) {
            Speed::Usual => self.grow(now),
            // Who asks for less than the smallest hub takes has not slowed any.
            _ if self.asks_little() => {}
            speed @ (Speed::Unsure | Speed::Slowing) => self.doubt(now, speed),
            Speed::Slow { done, latency } => {
                let lowest = SLOWEST_FOR_TIME * per_second(self.smallest) * self.share;
                self.meet(now, self.rate(now).min(done).max(2.0 * lowest), AFTER_SLOW);
                self.drained_at = now + latency * DRAINS;
            }
        }
    }

    /// The hub has refused one and named a wait: nobody goes before. What was under way already is refused with it.
    pub(super) fn refused(&mut self, now: Duration, wait: Duration) {
        self.flow(now);
        let until = now.saturating_add(wait);
        if now >= self.paused_until {
            self.meet(until, self.rate(now), AFTER_REFUSAL);
        }
        self.paused_until = self.paused_until.max(until);
    }

    /// Items a second.
    fn rate(&self, now: Duration) -> f64 {
        match self.known {
            Known::Nothing { rate, .. } | Known::Again { rate, .. } => rate,
            Known::Met(Met { top, since, recovery, .. }) => {
                let from = self.share.min(0.5);
                let climb = (top * (self.share - from)).max(per_second(self.smallest) * self.share * CLIMB);
                let part = now.saturating_sub(since).as_secs_f64() / recovery.as_secs_f64();
                top * from + climb * part.min(1.0)
            }
        }
    }

    /// How many beyond those that always go may go at once.
    fn burst(&self, now: Duration) -> f64 {
        (self.rate(now) * self.smallest.window.as_secs_f64() * BURST).max(1.0)
    }

    fn is_met(&self) -> bool {
        matches!(self.known, Known::Met(_))
    }

    /// Whether the smallest hub would take them, too: a window's worth at once, and what has flowed since.
    fn is_always_taken(&self, items: u32) -> bool {
        let burst = self.smallest.items * self.share;
        matches!(self.known, Known::Nothing { taken, .. } if taken + f64::from(items).min(burst) <= burst)
    }

    /// Whether the smallest hub would take it without noticing.
    fn asks_little(&self) -> bool {
        let little = self.well < self.smallest.items * self.share;
        matches!(self.known, Known::Nothing { beyond: false, .. }) && little
    }

    fn most_in_flight(&self) -> f64 {
        (per_second(self.smallest) * self.share * QUEUED).max(self.well * IN_FLIGHT)
    }

    /// More, when the rate holds somebody up and the last step is long enough ago.
    fn grow(&mut self, now: Duration) {
        let step = match self.known {
            Known::Nothing { .. } => STEP,
            Known::Met(met) => (met.since + met.stay).saturating_sub(self.changed),
            Known::Again { .. } => (self.smallest.window / TRIES).max(STEP),
        };
        if now >= self.short_until || now < self.changed + step {
            return;
        }
        let now_is = self.rate(now);
        match &mut self.known {
            Known::Nothing { rate, .. } => *rate *= 2.0,
            Known::Again { rate, .. } => *rate *= MORE,
            Known::Met(before) => self.known = Known::Again { rate: now_is, before: *before },
        }
        self.next_round(now);
    }

    /// A slow answer, before there are enough of them to be sure: back to what was good before.
    fn doubt(&mut self, now: Duration, speed: Speed) {
        let first = per_second(self.smallest) * self.share;
        match &mut self.known {
            Known::Nothing { rate, .. } if *rate > first && speed == Speed::Unsure => *rate = first,
            Known::Again { before, .. } => self.known = Known::Met(before.again(now)),
            _ => return,
        }
        self.next_round(now);
    }

    fn meet(&mut self, since: Duration, top: f64, recovery: Duration) {
        let top = top.max(2.0 * SLOWEST * per_second(self.smallest));
        let before = match self.known {
            Known::Nothing { .. } => None,
            Known::Met(before) | Known::Again { before, .. } => Some(before),
        };
        // Where it was met before, it will be met again.
        let stay = before.filter(|before| top < 2.0 * before.top).map_or(recovery, |before| before.longer());
        self.known = Known::Met(Met { top, since, recovery, stay: stay.max(recovery) });
        self.next_round(since);
    }

    fn next_round(&mut self, now: Duration) {
        (self.changed, self.round) = (now, self.round.wrapping_add(1));
    }

    /// What has flowed off until `now`.
    fn flow(&mut self, now: Duration) {
        let seconds = now.saturating_sub(self.counted).as_secs_f64();
        self.taken = (self.taken - self.rate(now) * seconds).max(0.0);
        self.well *= (1.0 - seconds / 60.0).max(0.0);
        if let Known::Nothing { taken, beyond, .. } = &mut self.known {
            *beyond &= *taken > 0.0;
            *taken = (*taken - per_second(self.smallest) * self.share * seconds).max(0.0);
        }
        self.counted = self.counted.max(now);
    }
}

impl Met {
    fn longer(self) -> Duration {
        (self.stay * 2).min(LONGEST_STAY)
    }

    /// The same, come back to already.
    fn again(self, now: Duration) -> Self {
        let stay = self.longer() + self.recovery;
        Self { since: now.saturating_sub(self.recovery), stay, ..self }
    }
}

fn per_second(limit: Limit) -> f64 {
    limit.items / limit.window.as_secs_f64()
}
