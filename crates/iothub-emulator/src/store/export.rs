//! Identities with their twins, as export jobs write them.

use serde_json::{Map, Value, json};
use std::ops::Bound;

use super::devices::{Found, Stored};
use super::document::{Occasion, device_identity, module_identity, twin};
use super::packed::Depth;
use super::{Hub, Id};

/// How many devices are in one page: they are printed while others wait for the hub.
const PAGE: u64 = 128;

/// Some devices, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportPage {
    /// Devices and modules, each of them a line of JSON; modules follow their device.
    pub lines: Vec<String>,
    /// How many devices that are.
    pub devices: u64,
    /// The last of them, when there may be more.
    pub last: Option<String>,
}

impl Hub {
    /// The devices after one, with keys or with `null` in their place (documented). Times and states of connections are
    /// not exported (by design, says the service team).
    #[must_use]
    pub fn export(&self, after: Option<&str>, keys: bool) -> ExportPage {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.to_owned()));
        let mut page = ExportPage::default();
        self.each_device(from, &mut |device, stored| {
            page.lines.extend(lines(device, stored, keys));
            page.devices += 1;
            page.last = Some(device.to_owned()).filter(|_| page.devices == PAGE);
            page.last.is_none()
        });
        page
    }
}

fn lines(device: &str, stored: &Stored, keys: bool) -> impl Iterator<Item = String> {
    let modules = stored.module_ids().map(move |module| Id::module(device, module));
    std::iter::once(Id::device(device)).chain(modules).filter_map(move |id| {
        Some(line(&stored.find(id.module.as_deref(), Depth::Whole)?, &id, keys).to_string())
    })
}

fn line(found: &Found, id: &Id, keys: bool) -> Value {
    let identity = match (&id.module, &found.module) {
        (Some(name), Some(module)) => module_identity(module, &id.device, name, Occasion::Read),
        _ => device_identity(&found.device, &id.device, Occasion::Read),
    };
    let twin = twin(found, id, true);
    let of = |document: &Value, name: &str| document.get(name).cloned();
    let mut all = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        all.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("id", Some(id.device.as_str().into()));
    put("moduleId", id.module.as_deref().map(Value::from));
    put("eTag", of(&identity, "etag"));
    // Lines of modules have one, too: without it they could not be imported.
    put("status", of(&identity, "status").or_else(|| Some("enabled".into())));
    let reason = found.device.status_reason.as_deref().filter(|_| id.module.is_none());
    put("statusReason", Some(reason.unwrap_or_default().into()));
    put(
        "authentication",
        of(&identity, "authentication").map(|all| if keys { all } else { without_keys(all) }),
    );
    put("twinETag", of(&twin, "etag"));
    put("tags", of(&twin, "tags"));
    put("properties", of(&twin, "properties"));
    for name in ["managedBy", "capabilities", "deviceScope", "parentScopes"] {
        put(name, of(&identity, name));
    }
    Value::Object(all)
}

fn without_keys(mut authentication: Value) -> Value {
    if let Some(keys) = authentication.get_mut("symmetricKey") {
        *keys = json!({"primaryKey": null, "secondaryKey": null});
    }
    authentication
}
