//! What is there in the end: what both hubs hold, the loss reports, and what is pending.

use std::collections::BTreeSet;

use serde_json::Value;

use super::account::{Evidence, FieldPath, Held, Hub, Loss};
use super::ledger::Section;
use crate::error::LabError;
use crate::operator;
use crate::story::watch;
use crate::world::World;

/// Looks at both hubs directly, and asks the app what it names.
///
/// # Errors
/// When the emulator or the app's command line does not answer.
pub(super) async fn gather(world: &World) -> Result<Evidence, LabError> {
    let primary = watch::identities(world, &world.primary).await?;
    let secondary = watch::identities(world, &world.secondary).await?;
    let losses = operator::losses(world).await?;
    let pending = operator::pending(world).await?;
    Ok(Evidence {
        hubs: [hub(&primary), hub(&secondary)],
        losses: losses.iter().flat_map(losses_of).collect(),
        pending: pending.iter().filter_map(identity_of).collect::<BTreeSet<_>>(),
    })
}

fn hub(identities: &[Value]) -> Hub {
    identities.iter().filter_map(|entry| Some((identity_of(entry)?, held(entry)))).collect()
}

fn held(entry: &Value) -> Held {
    let key = entry.pointer("/identity/authentication/symmetricKey/primaryKey").cloned();
    let mut held = Held { key, ..Held::default() };
    let sections = [
        (Section::Tags, "/twin/tags"),
        (Section::Desired, "/twin/properties/desired"),
        (Section::Reported, "/twin/properties/reported"),
    ];
    for (section, pointer) in sections {
        if let Some(value) = entry.pointer(pointer) {
            leaves(section, &mut Vec::new(), value, &mut held);
        }
    }
    held
}

/// Every value that is no object. An object without members holds nothing that anybody wrote.
fn leaves(section: Section, path: &mut FieldPath, value: &Value, held: &mut Held) {
    let Value::Object(members) = value else {
        held.fields.insert((section, path.clone()), value.clone());
        return;
    };
    for (name, value) in members.iter().filter(|(name, _)| !name.starts_with('$')) {
        path.push(name.clone());
        leaves(section, path, value, held);
        path.pop();
    }
}

/// The lines of one loss report that can be understood.
fn losses_of(report: &Value) -> Vec<Loss> {
    let Some(identity) = identity_of(report) else { return Vec::new() };
    let lines = report.get("losses").and_then(Value::as_array);
    lines.into_iter().flatten().filter_map(|line| loss(&identity, line)).collect()
}

fn loss(identity: &str, line: &Value) -> Option<Loss> {
    let name = line.get("section")?.as_str()?;
    // What is not about the twin is about the identity, whatever it is called.
    let section = Section::ALL.into_iter().find(|section| section.name() == name);
    let section = section.unwrap_or(Section::Registry);
    let names = line.get("path").and_then(Value::as_array).into_iter().flatten();
    let path = names.filter_map(|name| text(Some(name))).collect();
    let value = |hub: &str| line.get(hub).cloned().unwrap_or_default();
    // Named is what was not kept; what was kept must be there.
    let values = match line.get("kept").and_then(Value::as_str) {
        Some("active") => vec![value("formerActive")],
        Some("former-active" | "formerActive") => vec![value("active")],
        _ => vec![value("active"), value("formerActive")],
    };
    Some(Loss { identity: identity.to_owned(), section, path, values })
}

/// The identity of `{"identity": …}`, which is written as members or as `device/module`.
fn identity_of(entry: &Value) -> Option<String> {
    let members = match entry.get("identity")? {
        Value::String(id) => return Some(id.clone()),
        members => members,
    };
    let device = text(members.get("deviceId"))?;
    Some(text(members.get("moduleId")).map_or_else(|| device.clone(), |module| format!("{device}/{module}")))
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_is_held_by_its_key_and_its_leaves() {
        let entry = json!({
            "identity": {"deviceId":"d","authentication":{"symmetricKey":{"primaryKey":"k"}}},
            "twin": {"tags":{"site":{"a":1,"none":{}}},
                "properties":{"desired":{"$version":3,"list":[1]},"reported":{"$metadata":{},"n":7}}},
        });
        let held = hub(&[entry]).remove("d").unwrap();
        let at = |section, path: &[&str]| {
            let path: FieldPath = path.iter().map(ToString::to_string).collect();
            held.fields.get(&(section, path)).cloned()
        };
        assert_eq!(held.key, Some(json!("k")));
        assert_eq!(at(Section::Tags, &["site", "a"]), Some(json!(1)));
        assert_eq!(at(Section::Desired, &["list"]), Some(json!([1])));
        assert_eq!(at(Section::Reported, &["n"]), Some(json!(7)));
        assert_eq!(held.fields.len(), 3);
    }

    #[test]
    fn a_loss_report_is_read_line_by_line() {
        let report = json!({"identity":{"deviceId":"d"},"epoch":3,"losses":[
            {"section":"reported","path":["a","b"],"active":1,"formerActive":2,"kept":"active"},
            {"section":"identity","path":[],"formerActive":"deleted"},
        ]});
        let losses = losses_of(&report);
        let sections: Vec<Section> = losses.iter().map(|loss| loss.section).collect();
        assert_eq!(sections, [Section::Reported, Section::Registry]);
        assert_eq!(losses.first().unwrap().values, [json!(2)], "what was not kept");
        for id in [json!("e/m"), json!({"deviceId": "e", "moduleId": "m"})] {
            assert_eq!(identity_of(&json!({ "identity": id })), Some("e/m".to_owned()));
        }
    }
}
