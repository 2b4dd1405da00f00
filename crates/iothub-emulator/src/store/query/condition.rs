//! What follows `WHERE`.

use serde_json::Value;
use std::cmp::Ordering;

use super::path::{Path, at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Compare(Path, Comparison, Value),
    /// With another member, as the hub's own metrics of edge deployments do.
    CompareMembers(Path, Comparison, Path),
    In(Path, Vec<Value>),
    NotIn(Path, Vec<Value>),
    Defined(Path),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    pub(super) fn holds(&self, document: &Value) -> bool {
        match self {
            Self::Compare(path, comparison, wanted) => {
                at(document, path).is_some_and(|found| compare(found, *comparison, wanted))
            }
            Self::CompareMembers(left, comparison, right) => {
                let found = at(document, left).zip(at(document, right));
                found.is_some_and(|(left, right)| compare(left, *comparison, right))
            }
            Self::In(path, list) => at(document, path).is_some_and(|found| contains(list, found)),
            Self::NotIn(path, list) => at(document, path).is_some_and(|found| !contains(list, found)),
            Self::Defined(path) => at(document, path).is_some(),
            Self::Not(inner) => !inner.holds(document),
            Self::And(left, right) => left.holds(document) && right.holds(document),
            Self::Or(left, right) => left.holds(document) || right.holds(document),
        }
    }

    /// Whether any path in it is of a certain kind.
    pub(super) fn mentions(&self, kind: &dyn Fn(&Path) -> bool) -> bool {
        match self {
            Self::Compare(path, ..) | Self::In(path, _) | Self::NotIn(path, _) | Self::Defined(path) => {
                kind(path)
            }
            Self::CompareMembers(left, _, right) => kind(left) || kind(right),
            Self::Not(inner) => inner.mentions(kind),
            Self::And(left, right) | Self::Or(left, right) => left.mentions(kind) || right.mentions(kind),
        }
    }

    /// The device it demands, if it demands one: then there is no need to look at all others.
    pub(super) fn pinned_device(&self) -> Option<&str> {
        match self {
            Self::Compare(path, Comparison::Equal, Value::String(device)) => {
                (path.as_slice() == ["deviceId"]).then_some(device)
            }
            Self::And(left, right) => left.pinned_device().or_else(|| right.pinned_device()),
            _ => None,
        }
    }
}

fn contains(list: &[Value], found: &Value) -> bool {
    list.iter().any(|wanted| compare(found, Comparison::Equal, wanted))
}

/// Primitives only (documented); different kinds are unequal and have no order.
fn compare(found: &Value, comparison: Comparison, wanted: &Value) -> bool {
    let order = match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => Some(found.cmp(wanted)),
        (Value::Bool(found), Value::Bool(wanted)) => Some(found.cmp(wanted)),
        (Value::Number(found), Value::Number(wanted)) => {
            found.as_f64().zip(wanted.as_f64()).and_then(|(found, wanted)| found.partial_cmp(&wanted))
        }
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}
