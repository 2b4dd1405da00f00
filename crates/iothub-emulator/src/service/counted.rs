//! What a request counts as, for the throttles.

use serde_json::Value;

use super::Call;
use crate::store::Precondition;
use crate::throttle::{Class, Demand};

/// The classes of a request and how much of each; a path that leads nowhere counts as nothing.
pub(super) fn counted(call: &Call) -> Vec<Demand> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let class = match (call.method.as_str(), path.as_slice()) {
        ("POST", ["devices"]) => return in_bulk(&call.body),
        ("POST", ["devices", "query"]) => Class::Query,
        (_, ["jobs", ..]) => Class::JobOperation,
        ("GET", ["configurations", ..]) => Class::ConfigurationRead,
        (_, ["configurations", ..] | ["devices", _, "applyConfigurationContent"]) => {
            Class::ConfigurationWrite
        }
        ("GET", ["devices"] | ["devices", _, "modules"] | ["statistics", ..]) => Class::IdentityList,
        ("GET", ["devices", ..]) => Class::IdentityRead,
        ("DELETE", ["devices", ..]) => Class::IdentityDelete,
        // Without a precondition a PUT makes, with one it overwrites.
        ("PUT", ["devices", ..]) => match Precondition::for_identity(call.if_match.as_deref()) {
            Precondition::Absent => Class::IdentityCreate,
            _ => Class::IdentityUpdate,
        },
        ("GET", ["twins" | "digitaltwins", ..]) => Class::TwinRead,
        ("PUT" | "PATCH", ["twins" | "digitaltwins", ..]) => Class::TwinUpdate,
        _ => return Vec::new(),
    };
    vec![Demand::one(class)]
}

/// Every item of a bulk request counts (documented), by its mode.
fn in_bulk(body: &[u8]) -> Vec<Demand> {
    let items: Vec<Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut demands: Vec<Demand> = Vec::new();
    for item in &items {
        let class = class_of(item);
        match demands.iter_mut().find(|demand| demand.class == class) {
            Some(demand) => demand.items += 1,
            None => demands.push(Demand::one(class)),
        }
    }
    if demands.is_empty() {
        // It will be refused, but it was asked.
        demands.push(Demand::one(Class::IdentityUpdate));
    }
    demands
}

fn class_of(item: &Value) -> Class {
    let named = |(name, _): &(&String, &Value)| name.eq_ignore_ascii_case("importMode");
    let mode = item.as_object().and_then(|members| members.iter().find(named));
    let mode = mode.and_then(|(_, mode)| mode.as_str()).unwrap_or_default().to_ascii_lowercase();
    match mode.as_str() {
        "create" | "createorupdate" | "createorupdateifmatchetag" | "" => Class::IdentityCreate,
        "delete" | "deleteifmatchetag" => Class::IdentityDelete,
        _ => Class::IdentityUpdate,
    }
}
