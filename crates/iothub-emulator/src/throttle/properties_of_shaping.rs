//! What holds whatever comes, and whenever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use std::time::Duration;

use super::class::Limit;
use super::shaper::Shaper;

/// Arrivals as gaps in milliseconds and items.
fn arrivals() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..3_000, 1u64..40), 1..150)
}

/// When each request that waits at most `backlog` begins, with its items.
fn begun(limit: Limit, backlog: Duration, arrivals: &[(u64, u64)]) -> Vec<(Duration, u64)> {
    let (mut shaper, mut now, mut begun) = (Shaper::new(limit), Duration::ZERO, Vec::new());
    for (gap, items) in arrivals {
        now += Duration::from_millis(*gap);
        let wait = shaper.wait(now, *items);
        if wait <= backlog {
            shaper.take(now, *items);
            begun.push((now + wait, *items));
        }
    }
    begun
}

proptest! {
    #[test]
    fn a_window_never_sees_more_than_a_burst_and_what_refills_in_it(
        items in 40u64..500, seconds in 1u64..60, arrivals in arrivals(),
    ) {
        let limit = Limit { items, window: Duration::from_secs(seconds) };
        let begun = begun(limit, Duration::from_secs(10), &arrivals);
        for (at, (from, _)) in begun.iter().enumerate() {
            let within: u64 =
                begun[at..].iter().take_while(|(when, _)| *when <= *from + limit.window).map(|(_, n)| n).sum();
            prop_assert!(within <= 2 * items, "{within} in one window of {items}");
        }
    }

    #[test]
    fn requests_begin_in_the_order_they_came(items in 1u64..500, arrivals in arrivals()) {
        let limit = Limit { items, window: Duration::from_secs(60) };
        let begun = begun(limit, Duration::from_secs(10), &arrivals);
        prop_assert!(begun.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn nothing_waits_below_the_limit(items in 1u64..500, count in 1u64..300) {
        let limit = Limit { items, window: Duration::from_secs(60) };
        let gap = 60_000u64.div_ceil(items);
        let begun = begun(limit, Duration::ZERO, &vec![(gap, 1); usize::try_from(count).unwrap()]);
        prop_assert_eq!(begun.len() as u64, count);
    }
}
