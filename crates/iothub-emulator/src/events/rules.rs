//! Events that get lost, doubled or late on purpose.

use serde::Deserialize;
use std::collections::VecDeque;

use super::Event;

/// What happens to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It waits until it is released.
    Hold,
}

/// What happens to the next events of an event hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// `registry` or `devicetwin`.
    pub event_hub: String,
    /// What happens to them.
    pub mode: Mode,
    /// To how many; one unless said otherwise.
    #[serde(default = "once")]
    pub times: u64,
}

fn once() -> u64 {
    1
}

/// In which order held events are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// As they came.
    #[default]
    Forward,
    /// The last one first.
    Reverse,
}

#[derive(Debug, Default)]
pub(super) struct Rules {
    active: VecDeque<Rule>,
    held: Vec<(String, usize, Event)>,
}

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) {
        self.active.push_back(rule);
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// What of this event arrives now.
    pub(super) fn pass(&mut self, event_hub: &str, at: usize, event: Event) -> Vec<(usize, Event)> {
        match self.applies(event_hub) {
            None => vec![(at, event)],
            Some(Mode::Drop) => Vec::new(),
            Some(Mode::Duplicate) => vec![(at, event.clone()), (at, event)],
            Some(Mode::Hold) => {
                self.held.push((event_hub.to_owned(), at, event));
                Vec::new()
            }
        }
    }

    /// The first rule for that event hub, used once.
    fn applies(&mut self, event_hub: &str) -> Option<Mode> {
        let at = self.active.iter().position(|rule| rule.event_hub == event_hub)?;
        let rule = self.active.get_mut(at)?;
        let mode = rule.mode;
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            self.active.remove(at);
        }
        Some(mode)
    }

    /// What was held, in that order; rules that hold end.
    pub(super) fn release(&mut self, order: Order) -> Vec<(String, usize, Event)> {
        self.active.retain(|rule| rule.mode != Mode::Hold);
        let mut held = std::mem::take(&mut self.held);
        if order == Order::Reverse {
            held.reverse();
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &'static str) -> Event {
        let none = serde_json::Map::new();
        Event::new(text.as_bytes(), &none, &none)
    }

    fn rule(mode: Mode, times: u64) -> Rule {
        Rule { event_hub: "registry".to_owned(), mode, times }
    }

    #[test]
    fn a_rule_is_used_up_and_then_events_pass() {
        let mut rules = Rules::default();
        rules.add(rule(Mode::Drop, 1));
        rules.add(rule(Mode::Duplicate, 1));
        assert_eq!(rules.pass("registry", 0, event("a")).len(), 0);
        assert_eq!(rules.pass("devicetwin", 0, event("b")).len(), 1);
        assert_eq!(rules.pass("registry", 0, event("c")).len(), 2);
        assert_eq!(rules.pass("registry", 0, event("d")).len(), 1);
    }

    #[test]
    fn held_events_are_let_go_in_the_order_asked_for() {
        let mut rules = Rules::default();
        rules.add(rule(Mode::Hold, 10));
        for text in ["a", "b"] {
            assert!(rules.pass("registry", 0, event(text)).is_empty());
        }
        let released = rules.release(Order::Reverse);
        let bodies: Vec<&[u8]> = released.iter().map(|(_, _, event)| event.body()).collect();
        assert_eq!(bodies, [b"b", b"a"]);
        assert_eq!(rules.pass("registry", 0, event("c")).len(), 1);
    }
}
