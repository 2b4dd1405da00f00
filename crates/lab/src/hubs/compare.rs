//! Are two hubs the same? Everything the service API says about every identity is compared, less
//! what a hub makes up itself.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream;
use serde_json::{Map, Value};

use super::Hub;
use crate::error::LabError;

/// What hubs set themselves, so that it cannot be equal: versions, times, generations, connections.
const OWN_TO_EACH_HUB: [&str; 11] = [
    "etag",
    "deviceEtag",
    "generationId",
    "version",
    "connectionState",
    "connectionStateUpdatedTime",
    "statusUpdatedTime",
    "statusUpdateTime",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
    "modelId",
];
/// What the app makes for itself; outside replication.
const PROBES: &str = "hadr-probe-";
/// Requests in flight while reading a hub.
const IN_FLIGHT: usize = 16;

/// Every identity of a hub, by `device` or `device/module`, with its twin.
pub(crate) type Snapshot = BTreeMap<String, Value>;

/// Reads a whole hub through the service API.
///
/// # Errors
/// When any request fails: a part of a hub is no snapshot.
pub(crate) async fn snapshot(hub: &Hub) -> Result<Snapshot, LabError> {
    let devices: Vec<Value> = hub.devices().await?.into_iter().filter(|device| !is_probe(device)).collect();
    let mut whole = Snapshot::new();
    let mut reads =
        stream::iter(devices).map(|device| identity_tree(hub, device)).buffer_unordered(IN_FLIGHT);
    while let Some(entries) = reads.next().await {
        whole.extend(entries?);
    }
    Ok(whole)
}

/// One line per member that differs; empty when the hubs are the same.
pub(crate) fn differences(left: (&str, &Snapshot), right: (&str, &Snapshot)) -> Vec<String> {
    let ids: BTreeSet<&String> = left.1.keys().chain(right.1.keys()).collect();
    let mut lines = Vec::new();
    for id in ids {
        match (left.1.get(id), right.1.get(id)) {
            (Some(a), Some(b)) => differ(id, a, b, &mut lines),
            (Some(_), None) => lines.push(format!("{id}: only in {}", left.0)),
            _ => lines.push(format!("{id}: only in {}", right.0)),
        }
    }
    lines
}

fn is_probe(device: &Value) -> bool {
    text(device, "deviceId").starts_with(PROBES)
}

async fn identity_tree(hub: &Hub, device: Value) -> Result<Vec<(String, Value)>, LabError> {
    let id = text(&device, "deviceId").to_owned();
    // With a shared access policy, module calls on a disabled device are refused (401).
    let modules = match text(&device, "status") {
        "disabled" => Vec::new(),
        _ => hub.modules(&id).await?,
    };
    let mut entries = vec![(id.clone(), whole(hub, device).await?)];
    for module in modules {
        let key = format!("{id}/{}", text(&module, "moduleId"));
        entries.push((key, whole(hub, module).await?));
    }
    Ok(entries)
}

async fn whole(hub: &Hub, identity: Value) -> Result<Value, LabError> {
    let twin = hub.twin(&identity).await?;
    Ok(serde_json::json!({ "identity": comparable(identity), "twin": comparable(twin) }))
}

/// The value without what each hub makes up. Outside tags and properties `null` and absent mean
/// the same to the service.
fn comparable(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let kept = members.into_iter().filter(|(name, value)| {
        !OWN_TO_EACH_HUB.contains(&name.as_str()) && !value.is_null() && *value != Value::Array(Vec::new())
    });
    kept.map(|(name, value)| match name.as_str() {
        "tags" | "properties" => (name, content(value)),
        _ => (name.clone(), scoped(&name, comparable(value))),
    })
    .collect::<Map<_, _>>()
    .into()
}

/// What was written to a twin, less the hub's own `$version` and `$metadata`.
fn content(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let kept = members.into_iter().filter(|(name, _)| !name.starts_with('$'));
    kept.map(|(name, value)| (name, content(value))).collect::<Map<_, _>>().into()
}

/// A scope ends in the generation of the device it belongs to; only the device is comparable.
fn scoped(name: &str, value: Value) -> Value {
    let cut = |text: &str| text.rsplit_once('-').map_or(text, |(device, _)| device).to_owned();
    match (name, value) {
        ("deviceScope", Value::String(scope)) => Value::String(cut(&scope)),
        ("parentScopes", Value::Array(scopes)) => {
            scopes.iter().map(|scope| cut(scope.as_str().unwrap_or_default())).collect()
        }
        (_, value) => value,
    }
}

fn differ(path: &str, left: &Value, right: &Value, lines: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differ(&format!("{path} {name}"), a, b, lines);
            }
        }
        (a, b) if a == b => {}
        // Keys stay where they are, also when they are wrong.
        _ if path.contains(" authentication") => lines.push(format!("{path}: differs")),
        (a, b) => lines.push(format!("{path}: {a} and {b}")),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(value: Value) -> Snapshot {
        Snapshot::from([("d".to_owned(), comparable(value))])
    }

    #[test]
    fn what_a_hub_makes_up_itself_is_no_difference() {
        let left = json!({"etag":"a","generationId":"1","status":"enabled","statusReason":null,
            "deviceScope":"ms-azure-iot-edge://d-1","properties":{"desired":{"x":1,"$version":4,"$metadata":{}}}});
        let right = json!({"etag":"b","generationId":"2","status":"enabled","parentScopes":[],
            "deviceScope":"ms-azure-iot-edge://d-2","properties":{"desired":{"x":1,"$version":9}}});
        assert_eq!(differences(("p", &one(left)), ("s", &one(right))), Vec::<String>::new());
    }

    #[test]
    fn a_different_property_is_named_with_both_values() {
        let left = json!({"properties":{"desired":{"rate":5}}});
        let right = json!({"properties":{"desired":{"rate":6}}});
        let lines = differences(("p", &one(left)), ("s", &one(right)));
        assert_eq!(lines, ["d properties desired rate: 5 and 6"]);
    }

    #[test]
    fn a_property_named_like_a_hubs_own_member_is_compared() {
        let left = json!({"tags":{"etag":"x"},"properties":{"reported":{"version":[]}}});
        let right = json!({"tags":{"etag":"x"},"properties":{"reported":{}}});
        let lines = differences(("p", &one(left)), ("s", &one(right)));
        assert_eq!(lines, ["d properties reported version: [] and null"]);
    }

    #[test]
    fn a_different_key_is_named_without_its_value() {
        let left = json!({"authentication":{"symmetricKey":{"primaryKey":"secret one"}}});
        let right = json!({"authentication":{"symmetricKey":{"primaryKey":"secret two"}}});
        let lines = differences(("p", &one(left)), ("s", &one(right)));
        assert_eq!(lines, ["d authentication symmetricKey primaryKey: differs"]);
    }

    #[test]
    fn an_identity_on_one_hub_only_is_a_difference() {
        let lines = differences(("p", &one(json!({}))), ("s", &Snapshot::new()));
        assert_eq!(lines, ["d: only in p"]);
    }
}
