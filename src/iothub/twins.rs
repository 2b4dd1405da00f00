//! Twins, read and patched over the service API.

use reqwest::Method;
use serde_json::Value;

use super::client::{Answer, Call, HubClient};
use super::throttle::OperationClass::{TwinRead, TwinWrite};
use super::wire::{about, malformed, readable_object, twin_path};
use super::{Deadline, HubError};
use crate::model::{ETag, IdentityId, Object, Path, TwinDocument};

impl HubClient {
    /// GET twin of a device or module. Always current (documented), unlike a query.
    pub async fn twin(&self, id: &IdentityId, deadline: Deadline) -> Result<TwinDocument, HubError> {
        let call = Call::new(TwinRead, Method::GET, twin_path(id)?);
        twin_of(id, &self.send(call, deadline).await?)
    }

    /// PATCH tags and desired with `If-Match`; the twin as it is then. `patch` is a merge patch with
    /// `tags` and `properties.desired`; the service accepts `properties.reported` and ignores it
    /// (documented).
    pub async fn patch_twin(
        &self,
        id: &IdentityId,
        patch: &Object,
        etag: &ETag,
        deadline: Deadline,
    ) -> Result<TwinDocument, HubError> {
        let call = Call::new(TwinWrite, Method::PATCH, twin_path(id)?).json(patch)?.if_match(etag)?;
        twin_of(id, &self.send(call, deadline).await?)
    }
}

fn twin_of(id: &IdentityId, answer: &Answer) -> Result<TwinDocument, HubError> {
    let (members, unreadable) = readable_object(&answer.body)?;
    about(&members, id)?;
    // Without `properties` it would be read as an empty twin, and an empty twin would be copied.
    let is_section = |path: &Path| match path.as_slice() {
        [whole] => whole == "tags" || whole == "properties",
        [properties, half] => properties == "properties" && (half == "desired" || half == "reported"),
        _ => false,
    };
    if !members.get("properties").is_some_and(Value::is_object) || unreadable.iter().any(is_section) {
        return Err(malformed("the answer is a twin without properties"));
    }
    let mut twin = TwinDocument::from_json(members).map_err(|error| malformed(error.0))?;
    twin.unreadable =
        unreadable.into_iter().filter(|path| !path.iter().any(|name| name == "$metadata")).collect();
    Ok(twin)
}
