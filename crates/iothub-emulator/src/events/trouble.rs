//! Lasting trouble: a share of the events arrives twice, late, or together with the ones before it once more. All of it
//! is what a real event hub may do at any time; the seed makes a run repeatable.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

use super::{DEVICE_TWIN, Event, REGISTRY};

/// How many of a partition's last events come again at a rewind.
const REWOUND: RangeInclusive<usize> = 2..=10;

/// How many events of its event hub overtake a late one, unless too few follow soon.
const OVERTAKEN_BY: RangeInclusive<u32> = 1..=5;

/// What happens to one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fate {
    /// It arrives twice.
    pub(super) duplicate: bool,
    /// So many of the last events of its partition, itself included, come again.
    pub(super) rewind: Option<usize>,
    /// So many others overtake it.
    pub(super) late: Option<u32>,
}

#[derive(Debug)]
struct Shares {
    event_hub: &'static str,
    duplicate: u32,
    rewind: u32,
    reorder: u32,
    random: StdRng,
}

/// An event that others overtake.
#[derive(Debug)]
struct Late {
    at: usize,
    event: Event,
    overtaken_by: u32,
}

/// The shares of both event hubs, and what is late.
#[derive(Debug)]
pub(super) struct Trouble {
    seed: u64,
    shares: [Shares; 2],
    late: Vec<Late>,
}

impl Default for Trouble {
    fn default() -> Self {
        let shares = [REGISTRY, DEVICE_TWIN].map(|event_hub| Shares {
            event_hub,
            duplicate: 0,
            rewind: 0,
            reorder: 0,
            random: StdRng::seed_from_u64(0),
        });
        Self { seed: 0, shares, late: Vec::new() }
    }
}

impl Trouble {
    /// What happens to the next event of an event hub.
    pub(super) fn fate(&mut self, event_hub: &str) -> Fate {
        let found = self.shares.iter_mut().find(|shares| shares.event_hub == event_hub);
        found.map(Shares::fate).unwrap_or_default()
    }

    /// Keeps an event of Event Grid until others have overtaken it.
    pub(super) fn delay(&mut self, at: usize, event: Event, overtaken_by: u32) {
        self.late.push(Late { at, event, overtaken_by });
    }

    /// What is no longer late, now that one more event of Event Grid has arrived.
    pub(super) fn overtake(&mut self) -> Vec<(usize, Event)> {
        for late in &mut self.late {
            late.overtaken_by = late.overtaken_by.saturating_sub(1);
        }
        self.late.extract_if(.., |late| late.overtaken_by == 0).map(|late| (late.at, late.event)).collect()
    }

    /// What is late, however few have overtaken it.
    pub(super) fn let_go(&mut self) -> Vec<(usize, Event)> {
        self.late.drain(..).map(|late| (late.at, late.event)).collect()
    }

    /// All shares in percent, and the seed, by name.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for shares in &self.shares {
            for (name, share) in [("Duplicate", shares.duplicate), ("Rewind", shares.rewind)] {
                all.insert(format!("{}{name}Percent", shares.event_hub), share.into());
            }
        }
        let reorder = self.shares.iter().find(|shares| shares.event_hub == REGISTRY);
        all.insert("registryReorderPercent".to_owned(), reorder.map_or(0, |shares| shares.reorder).into());
        all.insert("eventTroubleSeed".to_owned(), self.seed.into());
        all
    }

    /// Sets a share or the seed; `None` when there is nothing of that name. Setting the seed begins anew.
    ///
    /// # Errors
    /// When a share is more than a hundred percent, or would reorder what a route keeps in order.
    pub(super) fn set(&mut self, name: &str, number: u64) -> Option<Result<(), String>> {
        if name == "eventTroubleSeed" {
            self.seed = number;
            for (at, shares) in (0_u64..).zip(&mut self.shares) {
                shares.random = StdRng::seed_from_u64(number.wrapping_add(at));
            }
            return Some(Ok(()));
        }
        let shares = self.shares.iter_mut().find(|shares| name.starts_with(shares.event_hub))?;
        let ordered = shares.event_hub == DEVICE_TWIN;
        let share = match name.strip_prefix(shares.event_hub)? {
            "DuplicatePercent" => &mut shares.duplicate,
            "RewindPercent" => &mut shares.rewind,
            "ReorderPercent" if ordered && number > 0 => {
                return Some(Err(format!("{name}: a route keeps the order of each device's events")));
            }
            "ReorderPercent" => &mut shares.reorder,
            _ => return None,
        };
        Some(match u32::try_from(number) {
            Ok(percent @ 0..=100) => {
                *share = percent;
                Ok(())
            }
            _ => Err(format!("{name} is 0 to 100, not {number}")),
        })
    }
}

impl Shares {
    fn fate(&mut self) -> Fate {
        let mut strikes = |percent| percent > 0 && self.random.random_range(0..100) < percent;
        let (duplicate, rewind, late) =
            (strikes(self.duplicate), strikes(self.rewind), strikes(self.reorder));
        Fate {
            duplicate,
            rewind: rewind.then(|| self.random.random_range(REWOUND)),
            late: late.then(|| self.random.random_range(OVERTAKEN_BY)),
        }
    }
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
