//! The registry's entries, keys included.

use reqwest::Method;
use serde_json::Value;

use super::client::{Call, HubClient};
use super::throttle::OperationClass;
use super::throttle::OperationClass::{
    RegistryCreate, RegistryDelete, RegistryList, RegistryRead, RegistryUpdate,
};
use super::wire::{about, array, identity_path, malformed, modules_path, readable_object};
use super::{Deadline, HubError};
use crate::model::{DeviceId, ETag, IdentityDocument, IdentityId, Object};

impl HubClient {
    /// GET registry entry, keys included.
    pub async fn identity(&self, id: &IdentityId, deadline: Deadline) -> Result<IdentityDocument, HubError> {
        let call = Call::new(RegistryRead, Method::GET, identity_path(id)?);
        self.one_identity(call, id, deadline).await
    }

    /// GET all modules of a device. Of a device that is missing or disabled the service says
    /// [`Denied`](super::HubErrorKind::Denied) (observed): look at the device first.
    pub async fn modules(
        &self,
        device: &DeviceId,
        deadline: Deadline,
    ) -> Result<Vec<IdentityDocument>, HubError> {
        let call = Call::new(RegistryList, Method::GET, modules_path(device)?);
        let answer = self.send(call, deadline).await?;
        let modules = array(&answer.body)?.into_iter().map(|module| module_of(device, module));
        modules.collect()
    }

    /// PUT without `If-Match`: create-only (observed). The ids are set by this call. `body` must
    /// carry `authentication`, or the service makes new keys.
    pub async fn create_identity(
        &self,
        id: &IdentityId,
        body: &Object,
        deadline: Deadline,
    ) -> Result<IdentityDocument, HubError> {
        self.one_identity(put(RegistryCreate, id, body)?, id, deadline).await
    }

    /// PUT with `If-Match`. `body` replaces the entry and must carry the full `authentication`, or the
    /// service makes new keys (observed).
    pub async fn update_identity(
        &self,
        id: &IdentityId,
        body: &Object,
        etag: &ETag,
        deadline: Deadline,
    ) -> Result<IdentityDocument, HubError> {
        self.one_identity(put(RegistryUpdate, id, body)?.if_match(etag)?, id, deadline).await
    }

    /// DELETE with `If-Match`. [`Absent`](super::HubErrorKind::Absent) after a lost answer may be this
    /// call's own doing.
    pub async fn delete_identity(
        &self,
        id: &IdentityId,
        etag: &ETag,
        deadline: Deadline,
    ) -> Result<(), HubError> {
        let call = Call::new(RegistryDelete, Method::DELETE, identity_path(id)?).if_match(etag)?;
        self.send(call, deadline).await.map(drop)
    }

    async fn one_identity(
        &self,
        call: Call,
        id: &IdentityId,
        deadline: Deadline,
    ) -> Result<IdentityDocument, HubError> {
        let answer = self.send(call, deadline).await?;
        let (members, unreadable) = readable_object(&answer.body)?;
        about(&members, id)?;
        // A partial one would rotate keys.
        if unreadable.iter().any(|path| path.first().is_some_and(|name| name == "authentication")) {
            return Err(malformed("the answer holds an authentication that is no text"));
        }
        Ok(IdentityDocument::new(members))
    }
}

fn put(class: OperationClass, id: &IdentityId, body: &Object) -> Result<Call, HubError> {
    let mut body = body.clone();
    body.insert("deviceId".to_owned(), Value::from(id.device.as_str()));
    if let Some(module) = &id.module {
        body.insert("moduleId".to_owned(), Value::from(module.as_str()));
    }
    Call::new(class, Method::PUT, identity_path(id)?).json(&body)
}

fn module_of(device: &DeviceId, module: Value) -> Result<IdentityDocument, HubError> {
    match module {
        Value::Object(members)
            if members.get("deviceId").and_then(Value::as_str) == Some(device.as_str())
                && members.get("moduleId").is_some_and(Value::is_string) =>
        {
            Ok(IdentityDocument::new(members))
        }
        _ => Err(malformed("the answer lists something else than this device's modules")),
    }
}
