//! What holds whatever is asked, and whenever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use proptest::prelude::*;

use super::line::{Lane, Line, Ticket, Turn};
use super::pace::Pace;
use super::tier::Limit;

/// Somebody who came after a gap, and how long they would wait.
#[derive(Debug, Clone)]
struct Caller {
    gap: Duration,
    lane: Lane,
    items: u32,
    patience: Duration,
}

fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let caller =
        (0u64..2_000, any::<bool>(), 1u32..4, 0u64..120_000).prop_map(|(gap, live, items, patience)| {
            Caller {
                gap: Duration::from_millis(gap),
                lane: if live { Lane::Live } else { Lane::Background },
                items,
                patience: Duration::from_millis(patience),
            }
        });
    prop::collection::vec(caller, 1..80)
}

/// A caller who went, and when.
#[derive(Debug)]
struct Gone {
    order: usize,
    caller: Caller,
    came: Duration,
    went: Duration,
}

/// Lets all callers come, and every one who has joined go as soon as the line says so.
fn run(limit: Limit, share: f64, callers: &[Caller]) -> Vec<Gone> {
    let mut line = Line::new(Pace::known(limit));
    line.pace.share(share);
    let (mut now, mut waiting, mut gone) = (Duration::ZERO, Vec::new(), Vec::new());
    for (order, caller) in callers.iter().enumerate() {
        let comes = now + caller.gap;
        now = let_go(&mut line, now, comes, &mut waiting, &mut gone);
        if let Ok((ticket, _)) = line.join(now, (caller.lane, caller.items), caller.patience) {
            waiting.push((ticket, order, caller.clone(), now));
        }
    }
    let_go(&mut line, now, now + Duration::from_secs(1_000_000), &mut waiting, &mut gone);
    assert!(waiting.is_empty(), "somebody waits for ever: {waiting:?}");
    gone
}

/// Until `until`, or until nobody waits.
fn let_go(
    line: &mut Line,
    mut now: Duration,
    until: Duration,
    waiting: &mut Vec<(Ticket, usize, Caller, Duration)>,
    gone: &mut Vec<Gone>,
) -> Duration {
    loop {
        let mut next = None;
        for at in 0..waiting.len() {
            match line.turn(now, waiting[at].0) {
                Turn::Go => {
                    let (_, order, caller, came) = waiting.remove(at);
                    gone.push(Gone { order, caller, came, went: now });
                    next = Some(now);
                    break;
                }
                Turn::Wait(wait) => next = Some(now + wait),
                Turn::Behind => {}
            }
        }
        match next {
            Some(at) if at <= until => now = at,
            _ => return until,
        }
    }
}

proptest! {
    #[test]
    fn no_window_ever_sees_more_than_our_part_of_the_limit(
        items in 40u32..400, half in any::<bool>(), callers in callers(),
    ) {
        let (limit, share) = (Limit { items: f64::from(items), window: Duration::from_secs(60) }, if half { 0.5 } else { 1.0 });
        let gone = run(limit, share, &callers);
        for (at, first) in gone.iter().enumerate() {
            let within: u32 = gone[at..].iter().take_while(|one| one.went < first.went + limit.window).map(|one| one.caller.items).sum();
            prop_assert!(f64::from(within) <= limit.items * share, "{} of {}", within, limit.items * share);
        }
    }

    #[test]
    fn each_lane_is_served_in_the_order_it_came(items in 10u32..400, callers in callers()) {
        let gone = run(Limit { items: f64::from(items), window: Duration::from_secs(60) }, 1.0, &callers);
        for lane in [Lane::Live, Lane::Background] {
            let orders: Vec<usize> = gone.iter().filter(|one| one.caller.lane == lane).map(|one| one.order).collect();
            prop_assert!(orders.is_sorted(), "{:?}", orders);
        }
    }

    #[test]
    fn who_is_let_into_a_line_of_one_lane_goes_within_its_patience(items in 40u32..400, callers in callers()) {
        let callers: Vec<Caller> = callers.into_iter().map(|caller| Caller { lane: Lane::Live, ..caller }).collect();
        for one in run(Limit { items: f64::from(items), window: Duration::from_secs(60) }, 1.0, &callers) {
            // A nanosecond each is what dividing costs.
            let patience = one.caller.patience + Duration::from_micros(1);
            prop_assert!(one.went <= one.came + patience, "{:?}", one);
        }
    }
}
