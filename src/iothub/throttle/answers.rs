//! How quickly a hub has answered lately, against what is usual for it. Pure: time comes in as an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// How many of the last answers are looked at.
const LATELY: usize = 8;

/// So many answers say more than chance.
const ENOUGH: usize = 3;

/// Slow is an answer that took so many times the usual, …
const SLOWED: u32 = 4;

/// … and longer than this: the service queues requests before it refuses them (documented), for seconds.
const QUICK: Duration = Duration::from_millis(500);

/// Slow is in any case what took so long: all may have been queued from the beginning.
const LONG: Duration = Duration::from_secs(1);

/// The quickest answers are remembered for one to two of these: a hub may move away.
const MEMORY: Duration = Duration::from_secs(600);

/// What an item of a bulk request may take, as a part of a request of its own (inferred).
const BULK_ITEM: f64 = 0.05;

/// What the last answers say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Speed {
    /// As usual.
    Usual,
    /// The last one was slow, and there are too few to tell.
    Unsure,
    /// The last one was slow, and most before it were not.
    Slowing,
    /// Slow on the whole.
    Slow {
        /// How many items a second were answered all the same: what a hub that queues can do.
        done: f64,
        /// How long the last answer took.
        latency: Duration,
    },
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    at: Duration,
    took: Duration,
    items: u32,
    round: u32,
}

/// The last answers, and the quickest.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    last: VecDeque<Answer>,
    quickest: [Option<Duration>; 2],
    since: Duration,
}

impl Answers {
    /// Takes note of an answer to a request of a round of equal speed.
    pub(super) fn note(&mut self, now: Duration, took: Duration, items: u32, round: u32) {
        self.last.truncate(LATELY - 1);
        self.last.push_front(Answer { at: now, took, items, round });
        if now.saturating_sub(self.since) >= MEMORY {
            let [lately, _] = self.quickest;
            (self.quickest, self.since) = ([None, lately], now);
        }
        if let Some(took) = median(self.last.iter().map(Answer::per_request)) {
            let [quickest, _] = &mut self.quickest;
            *quickest = Some(quickest.map_or(took, |quickest| quickest.min(took)));
        }
    }

    /// What the answers of this round say.
    pub(super) fn speed(&self, round: u32) -> Speed {
        let Some(usual) = self.quickest.into_iter().flatten().min() else { return Speed::Usual };
        let slow = (usual * SLOWED).clamp(QUICK, LONG);
        let of_round = || self.last.iter().filter(move |answer| answer.round == round);
        let Some(latest) = of_round().next() else { return Speed::Usual };
        match median(of_round().map(Answer::per_request)) {
            Some(took) if took > slow => Speed::Slow { done: self.done(slow), latency: latest.took },
            _ if latest.per_request() <= slow => Speed::Usual,
            None => Speed::Unsure,
            Some(_) => Speed::Slowing,
        }
    }

    /// Items a second among the last slow answers.
    fn done(&self, slow: Duration) -> f64 {
        let queued = || self.last.iter().take_while(|answer| answer.per_request() > slow);
        let (Some(latest), Some(first)) = (queued().next(), queued().last()) else { return f64::INFINITY };
        let items: u32 = queued().map(|answer| answer.items).sum::<u32>() - first.items;
        f64::from(items) / latest.at.saturating_sub(first.at).as_secs_f64()
    }
}

impl Answer {
    /// As if it were of one item.
    fn per_request(&self) -> Duration {
        self.took.div_f64(1.0 + BULK_ITEM * f64::from(self.items.saturating_sub(1)))
    }
}

/// Of enough of them.
fn median(of: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut all: Vec<Duration> = of.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().filter(|_| all.len() >= ENOUGH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Answers a second apart.
    fn of(took: &[u64]) -> Answers {
        let mut answers = Answers::default();
        for (n, took) in (1..).zip(took) {
            answers.note(ms(1000 * n), ms(*took), 1, 0);
        }
        answers
    }

    #[test]
    fn slow_is_more_than_four_times_the_usual_and_than_half_a_second() {
        for (took, slow) in [
            (&[50, 50, 50, 400, 400, 400, 400, 400][..], false),
            (&[50, 50, 50, 600, 600, 600, 600, 600], true),
            (&[200, 200, 200, 700, 700, 700, 700, 700], false),
            (&[200, 200, 200, 900, 900, 900, 900, 900], true),
            (&[3000, 3000, 3000, 3000], true),
            (&[50, 50, 50, 50, 600], false),
        ] {
            assert_eq!(matches!(of(took).speed(0), Speed::Slow { .. }), slow, "{took:?}");
        }
    }

    #[test]
    fn what_a_queueing_hub_can_do_is_seen_from_its_answers() {
        let Speed::Slow { done, latency } = of(&[50, 50, 50, 600, 1200, 1800, 2400, 3000]).speed(0) else {
            unreachable!("it is slow")
        };
        assert!((done - 1.0).abs() < 0.01, "{done}");
        assert_eq!(latency, ms(3000));
    }

    #[test]
    fn answers_of_an_earlier_round_do_not_judge_this_one() {
        let mut answers = of(&[50, 50, 50, 600, 600, 600, 600, 600]);
        assert_eq!(answers.speed(1), Speed::Usual);
        answers.note(ms(9000), ms(700), 1, 1);
        assert_eq!(answers.speed(1), Speed::Unsure);
    }

    #[test]
    fn a_bulk_request_may_take_longer() {
        let mut answers = of(&[50, 50, 50]);
        for n in 0..8 {
            answers.note(ms(5000 + 1000 * n), ms(1500), 100, 0);
        }
        assert_eq!(answers.speed(0), Speed::Usual);
    }

    #[test]
    fn the_usual_is_forgotten_in_the_end() {
        let mut answers = of(&[50, 50, 50]);
        for n in 0..2000 {
            answers.note(ms(5000 + 1000 * n), ms(600), 1, 0);
        }
        assert_eq!(answers.speed(0), Speed::Usual);
    }
}
