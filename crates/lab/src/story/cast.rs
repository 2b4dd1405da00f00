//! Who is in the story: a fleet of ordinary devices, and one of each kind that replication could
//! get wrong.

use serde_json::{Value, json};

use crate::sas;

/// A made-up thumbprint: 40 hex digits, as SHA-1 thumbprints are.
const THUMBPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// One ordinary device with its own key.
#[derive(Debug, Clone)]
pub(crate) struct Pump {
    /// `pump-001` and so on.
    pub(crate) id: String,
    key: String,
}

impl Pump {
    /// The `number`th one, with a new key.
    pub(crate) fn new(number: u32) -> Self {
        Self { id: format!("pump-{number:03}"), key: sas::new_key() }
    }

    /// The key the device signs with.
    pub(crate) fn key(&self) -> Vec<u8> {
        sas::decoded_key(&self.key).unwrap_or_default()
    }

    /// What is written to the registry.
    pub(crate) fn identity(&self) -> Value {
        json!({
            "deviceId": self.id,
            "status": "enabled",
            "authentication": {
                "type": "sas",
                "symmetricKey": { "primaryKey": self.key, "secondaryKey": sas::new_key() },
            },
        })
    }

    /// The same as one item of a bulk create, with tags and desired properties of its own.
    pub(crate) fn bulk_item(&self, tags: &Value, desired: &Value) -> Value {
        let mut item = json!({
            "id": self.id,
            "importMode": "create",
            "tags": tags,
            "properties": { "desired": desired },
        });
        for member in ["status", "authentication"] {
            if let (Some(item), Some(value)) = (item.as_object_mut(), self.identity().get(member)) {
                item.insert(member.to_owned(), value.clone());
            }
        }
        item
    }

    /// Its identity, by id alone.
    pub(crate) fn named(&self) -> Value {
        json!({ "deviceId": self.id })
    }
}

/// A device with a self-signed certificate: no keys at all.
pub(crate) fn with_certificate() -> Value {
    json!({
        "deviceId": "gate-x509",
        "status": "enabled",
        "authentication": {
            "type": "selfSigned",
            "x509Thumbprint": { "primaryThumbprint": THUMBPRINT, "secondaryThumbprint": THUMBPRINT },
        },
    })
}

/// A device whose certificate comes from an authority the hub knows.
pub(crate) fn with_authority() -> Value {
    json!({
        "deviceId": "gate-ca",
        "status": "enabled",
        "authentication": { "type": "certificateAuthority" },
    })
}

/// A device that must not connect, and the reason an operator gave.
pub(crate) fn disabled() -> Value {
    let mut device = Pump::new(0).identity();
    if let Some(members) = device.as_object_mut() {
        members.insert("deviceId".to_owned(), json!("pump-stolen"));
        members.insert("status".to_owned(), json!("disabled"));
        members.insert("statusReason".to_owned(), json!("reported stolen"));
    }
    device
}

/// An edge device: a gateway for others, with the hub's own two modules on it.
pub(crate) fn gateway() -> Value {
    let mut device = Pump::new(0).identity();
    if let Some(members) = device.as_object_mut() {
        members.insert("deviceId".to_owned(), json!("gateway"));
        members.insert("capabilities".to_owned(), json!({ "iotEdge": true }));
    }
    device
}

/// A device behind a gateway: it names the gateway's scope, which each hub makes up itself.
pub(crate) fn behind(gateway: &Value) -> Value {
    let mut device = Pump::new(0).identity();
    if let Some(members) = device.as_object_mut() {
        members.insert("deviceId".to_owned(), json!("pump-behind-gateway"));
        members.insert("deviceScope".to_owned(), gateway.get("deviceScope").cloned().unwrap_or_default());
    }
    device
}

/// A module on a device, with keys of its own.
pub(crate) fn module_of(pump: &Pump) -> Value {
    let mut module = Pump::new(0).identity();
    if let Some(members) = module.as_object_mut() {
        members.remove("status");
        members.insert("deviceId".to_owned(), json!(pump.id));
        members.insert("moduleId".to_owned(), json!("controller"));
        members.insert("managedBy".to_owned(), json!("lab"));
    }
    module
}
