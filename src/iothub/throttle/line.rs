//! Who goes next: two lanes before one limit. Pure: time comes in as an argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::pace::Pace;
use super::search::Sent;

/// How pressing a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// An event waits for it, or a person.
    #[default]
    Live,
    /// What is pending: it has waited already, and can wait.
    Background,
}

/// So many of the live lane go before one of the background that waits: what waits there is slow, never stuck.
const LIVE_IN_A_ROW: u32 = 3;

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What a place in the line is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes; its place is gone.
    Go,
    /// It is the next, after so long.
    Wait(Duration),
    /// Others are before it: it will be woken.
    Behind,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// Without an answer that tells anything of the hub's limits.
    Not,
    /// Its time says how the hub does.
    Timed,
    /// Its time is that of other things, too.
    Untimed,
}

#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    items: u32,
    woken: Arc<Notify>,
}

/// The line before one limit.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) pace: Pace,
    live: VecDeque<Waiter>,
    background: VecDeque<Waiter>,
    live_in_a_row: u32,
    tickets: u64,
}

impl Line {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, live: VecDeque::new(), background: VecDeque::new(), live_in_a_row: 0, tickets: 0 }
    }

    /// A place at the end of a lane; `Err` with the wait when that would be longer than `patience`, and nobody is
    /// made to wait for what cannot be.
    pub(super) fn join(
        &mut self,
        now: Duration,
        (lane, items): (Lane, u32),
        patience: Duration,
    ) -> Result<(Ticket, Arc<Notify>), Duration> {
        let before = self.ahead(lane).saturating_add(items);
        if let Some(wait) = self.pace.expected(now, before).filter(|wait| *wait > patience) {
            return Err(wait);
        }
        self.tickets += 1;
        let (ticket, woken) = (Ticket(self.tickets), Arc::<Notify>::default());
        self.lane(lane).push_back(Waiter { ticket, items, woken: Arc::clone(&woken) });
        Ok((ticket, woken))
    }

    /// Items that go before one that comes now. What the background gets meanwhile is not counted for the live lane:
    /// it is at most a quarter; and of the live lane no more than go before the background's places up to this one.
    fn ahead(&self, lane: Lane) -> u32 {
        let items = |lane: &VecDeque<Waiter>| lane.iter().map(|waiter| waiter.items).sum::<u32>();
        match lane {
            Lane::Live => items(&self.live),
            Lane::Background => {
                let most = (self.background.len() + 1).saturating_mul(LIVE_IN_A_ROW as usize);
                let live = self.live.iter().take(most).map(|waiter| waiter.items).sum::<u32>();
                live.saturating_add(items(&self.background))
            }
        }
    }

    /// Whether it is the turn of this place.
    pub(super) fn turn(&mut self, now: Duration, ticket: Ticket) -> Turn {
        let Some((lane, next)) = self.next() else { return Turn::Behind };
        if next.ticket != ticket {
            return Turn::Behind;
        }
        let items = next.items;
        let wait = self.pace.wait(now, items);
        if !wait.is_zero() {
            return Turn::Wait(wait);
        }
        self.pace.take(now, items);
        self.live_in_a_row = if lane == Lane::Live { self.live_in_a_row + 1 } else { 0 };
        self.lane(lane).pop_front();
        self.wake_next();
        Turn::Go
    }

    /// The hub answered a request, or did not: whoever is next may look again.
    pub(super) fn ended(&mut self, now: Duration, sent: Sent, answer: Answered) {
        match answer {
            Answered::Not => self.pace.failed(sent),
            Answered::Timed => self.pace.answered(now, sent, true),
            Answered::Untimed => self.pace.answered(now, sent, false),
        }
        self.wake_next();
    }

    /// Gives a place up; nothing happens when it is gone already.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.live.retain(|waiter| waiter.ticket != ticket);
        self.background.retain(|waiter| waiter.ticket != ticket);
        self.wake_next();
    }

    fn next(&self) -> Option<(Lane, &Waiter)> {
        let (live, background) = (self.live.front(), self.background.front());
        match (live, background) {
            (Some(live), None) => Some((Lane::Live, live)),
            (Some(live), Some(_)) if self.live_in_a_row < LIVE_IN_A_ROW => Some((Lane::Live, live)),
            (_, Some(background)) => Some((Lane::Background, background)),
            (None, None) => None,
        }
    }

    fn wake_next(&self) {
        if let Some((_, next)) = self.next() {
            next.woken.notify_one();
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Waiter> {
        match lane {
            Lane::Live => &mut self.live,
            Lane::Background => &mut self.background,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tier::Limit;
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// One a second, one at once.
    fn line() -> Line {
        Line::new(Pace::known(Limit { items: 61.0, window: Duration::from_secs(60) }))
    }

    fn join(line: &mut Line, lane: Lane) -> Ticket {
        line.join(Duration::ZERO, (lane, 1), LONG).unwrap().0
    }

    #[test]
    fn of_four_places_the_background_gets_one_and_each_lane_keeps_its_order() {
        let mut line = line();
        let live: Vec<Ticket> = (0..8).map(|_| join(&mut line, Lane::Live)).collect();
        let background: Vec<Ticket> = (0..2).map(|_| join(&mut line, Lane::Background)).collect();
        let mut gone = Vec::new();
        let mut now = Duration::ZERO;
        while gone.len() < 10 {
            now += Duration::from_secs(2);
            gone.extend(live.iter().chain(&background).filter(|ticket| line.turn(now, **ticket) == Turn::Go));
        }
        let (l, b) = (|n: usize| live.get(n).unwrap(), |n: usize| background.get(n).unwrap());
        let mut background_at =
            gone.iter().enumerate().filter(|(_, ticket)| background.contains(ticket)).map(|(at, _)| at);
        assert_eq!((background_at.next(), background_at.next()), (Some(3), Some(7)));
        assert_eq!(
            gone.iter().filter(|ticket| live.contains(ticket)).collect::<Vec<_>>(),
            (0..8).map(l).collect::<Vec<_>>()
        );
        assert_eq!(
            gone.iter().filter(|t| background.contains(t)).collect::<Vec<_>>(),
            (0..2).map(b).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_place_is_refused_when_its_turn_would_come_too_late() {
        let mut line = line();
        for _ in 0..30 {
            join(&mut line, Lane::Live);
        }
        let patience = Duration::from_secs(10);
        assert!(line.join(Duration::ZERO, (Lane::Live, 1), patience).is_err());
        assert!(line.join(Duration::ZERO, (Lane::Live, 1), Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn a_long_live_lane_does_not_keep_the_background_out() {
        let mut line = line();
        for _ in 0..100 {
            join(&mut line, Lane::Live);
        }
        // Six go at once, and then about one a second.
        let patience = Duration::from_secs(5);
        let join = |line: &mut Line| line.join(Duration::ZERO, (Lane::Background, 1), patience);
        assert!(join(&mut line).is_ok(), "it is the fourth");
        assert!(join(&mut line).is_ok(), "it is the eighth");
        assert!(join(&mut line).is_err(), "it is the twelfth");
    }

    #[test]
    fn who_leaves_makes_room() {
        let mut line = line();
        let (first, second) = (join(&mut line, Lane::Live), join(&mut line, Lane::Live));
        assert_eq!(line.turn(Duration::ZERO, second), Turn::Behind);
        line.leave(first);
        line.leave(first);
        assert_eq!(line.turn(Duration::ZERO, second), Turn::Go);
    }
}
