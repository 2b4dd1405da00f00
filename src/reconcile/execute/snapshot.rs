//! What is deleted is kept first, whole, in the operator's own storage: keys included.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::observe::Look;
use super::super::outcome::Stop;
use super::super::pass::Pass;
use crate::iothub::HubErrorKind;
use crate::model::{ETag, IdentityDocument, IdentityId, ModuleId, Object, Section, TwinDocument};
use crate::storage::Precondition;

/// Keeps the target's identity, twin and modules as `snapshots/{identity}/{registry ETag}.json`, one for each identity
/// and ETag however often a delete is tried; gives the registry ETag of what was kept.
pub(crate) async fn keep(
    pass: &Pass<'_>,
    id: &IdentityId,
    twin: &TwinDocument,
) -> Result<Option<ETag>, Stop> {
    let identity = match pass.target_identity(id).await {
        Look::Present(identity) => identity,
        Look::Absent => return Err(Stop::Again),
        Look::Unreachable(error) => return Err(Stop::target(&error)),
    };
    let modules = match id.module {
        None => modules(pass, id, twin).await?,
        Some(_) => Value::Array(Vec::new()),
    };
    let document = json!({
        "hub": pass.target().settings().name,
        "epoch": pass.lease.lease().epoch,
        "taken": Timestamp::now().to_string(),
        "identity": identity.members(),
        "twin": whole(twin),
        "modules": modules,
    });
    let etag = identity.etag().unwrap_or_else(|| twin.device_etag.clone());
    let name = format!("snapshots/{}/{}.json", id.path_segment(), path_safe(etag.as_str()));
    let bytes = Bytes::from(document.to_string());
    pass.shared.store.put(&name, bytes, Precondition::None).await?;
    Ok(identity.etag())
}

/// Modules with their twins; `null` where the registry does not answer for them, as it does not for
/// a disabled device (observed).
async fn modules(pass: &Pass<'_>, id: &IdentityId, device: &TwinDocument) -> Result<Value, Stop> {
    let found = match pass.target().modules(&id.device, pass.work_ends).await {
        Ok(found) => found,
        Err(error) if error.kind == HubErrorKind::Denied && !device.is_enabled() => return Ok(Value::Null),
        Err(error) => return Err(Stop::target(&error)),
    };
    let mut modules = Vec::new();
    for identity in found {
        let Some(module) = module_id(&identity) else { continue };
        let twin = match pass.target_twin(&IdentityId::module(id.device.clone(), module)).await {
            Look::Present(twin) => whole(&twin),
            Look::Absent => Value::Null,
            Look::Unreachable(error) => return Err(Stop::target(&error)),
        };
        modules.push(json!({"identity": identity.members(), "twin": twin}));
    }
    Ok(Value::Array(modules))
}

fn module_id(identity: &IdentityDocument) -> Option<ModuleId> {
    identity.members().get("moduleId")?.as_str()?.parse().ok()
}

/// The twin as the service showed it.
fn whole(twin: &TwinDocument) -> Value {
    let mut members = twin.other.clone();
    members.insert("etag".to_owned(), twin.etag.as_str().into());
    members.insert("deviceEtag".to_owned(), twin.device_etag.as_str().into());
    members.insert("version".to_owned(), twin.version.into());
    members.insert("tags".to_owned(), Value::Object(twin.tags.clone()));
    let properties = json!({"desired": section(&twin.desired), "reported": section(&twin.reported)});
    members.insert("properties".to_owned(), properties);
    Value::Object(members)
}

fn section(section: &Section) -> Object {
    let mut members = section.values.clone();
    members.insert("$version".to_owned(), section.version.into());
    members.insert("$metadata".to_owned(), section.metadata.clone());
    members
}

fn path_safe(etag: &str) -> String {
    etag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
