//! What both families of events have in common: bodies, ids, times and versions.

use jiff::Timestamp;
use serde_json::Value;

use super::hint::NotANotification;
use crate::model::{IdentityId, Object};

/// The body as JSON, with or without a byte order mark.
pub(crate) fn json(body: &[u8]) -> Result<Value, NotANotification> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(not("an empty body"));
    }
    serde_json::from_slice(body).map_err(|error| {
        NotANotification(format!("not JSON, line {} column {}", error.line(), error.column()))
    })
}

/// For this reason.
pub(crate) fn not(reason: &str) -> NotANotification {
    NotANotification(reason.to_owned())
}

/// The identity of these texts. An empty module id is none.
pub(crate) fn identity(device: &str, module: Option<&str>) -> Result<IdentityId, NotANotification> {
    let invalid = |what, error| NotANotification(format!("{what}: {error}"));
    let device = device.parse().map_err(|error| invalid("device id", error))?;
    Ok(match module.filter(|module| !module.is_empty()) {
        None => IdentityId::device(device),
        Some(module) => {
            IdentityId::module(device, module.parse().map_err(|error| invalid("module id", error))?)
        }
    })
}

/// `Z`, an offset, or none, which is UTC; any number of fraction digits.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// `version` and `properties.reported.$version` of a twin or of a part of one.
pub(crate) fn versions(twin: &Object) -> [Option<u64>; 2] {
    let section = |name: &str| twin.get("properties")?.get(name)?.get("$version")?.as_u64();
    [twin.get("version").and_then(Value::as_u64), section("reported")]
}
