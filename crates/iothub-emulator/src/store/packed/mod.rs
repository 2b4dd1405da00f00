//! Identities as bytes. A fleet is a million records that nobody looks at most of the time: a record is unpacked to be
//! read, and packed again when it was changed. Packed, an identity costs about its JSON text, where unpacked it costs
//! ten times that. The journal writes the same bytes.

mod authentication;
mod members;
mod metadata;
#[cfg(test)]
mod properties;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

use super::record::{DeviceRecord, IdentityRecord, ModuleRecord};
use super::twin::{Section, TwinRecord};
use crate::stamp::Stamp;
use authentication::PackedAuthentication;
use members::Members;
use metadata::PackedMetadata;

/// A packed device without its modules, or a packed module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packed(#[serde(with = "serde_bytes")] Box<[u8]>);

/// How much of a record is wanted: a query that never looks at properties need not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Everything but the members and the metadata of desired and reported.
    Shallow,
    /// Everything.
    Whole,
}

/// What a count of devices needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) enabled: bool,
    pub(super) connected: bool,
}

#[derive(Serialize, Deserialize)]
struct PackedDevice<'a> {
    #[serde(borrow)]
    identity: PackedIdentity<'a>,
    enabled: bool,
    status_reason: Option<Cow<'a, str>>,
    status_updated: Stamp,
    capabilities: Option<Members<'a>>,
    scope: Option<Cow<'a, str>>,
    parent_scopes: Vec<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct PackedModule<'a> {
    #[serde(borrow)]
    identity: PackedIdentity<'a>,
    managed_by: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct PackedIdentity<'a> {
    generation: Stamp,
    counter: u32,
    #[serde(borrow)]
    authentication: PackedAuthentication<'a>,
    connected: bool,
    connection_updated: Stamp,
    last_activity: Stamp,
    #[serde(borrow)]
    model: Cow<'a, str>,
    extra: Members<'a>,
    twin: PackedTwin<'a>,
}

#[derive(Serialize, Deserialize)]
struct PackedTwin<'a> {
    counter: u64,
    #[serde(borrow)]
    tags: Members<'a>,
    desired: PackedSection<'a>,
    reported: PackedSection<'a>,
}

#[derive(Serialize, Deserialize)]
struct PackedSection<'a> {
    #[serde(borrow)]
    members: Members<'a>,
    version: u64,
    metadata: PackedMetadata,
}

impl Packed {
    /// A device, without its modules.
    pub(super) fn device(device: &DeviceRecord) -> Self {
        Self::bytes(&PackedDevice {
            identity: PackedIdentity::pack(&device.identity),
            enabled: device.enabled,
            status_reason: device.status_reason.as_deref().map(Cow::Borrowed),
            status_updated: device.status_updated,
            capabilities: Some(&device.capabilities).filter(|all| !usual(all)).map(Members::pack),
            scope: device.scope.as_deref().map(Cow::Borrowed),
            parent_scopes: device.parent_scopes.iter().map(|scope| Cow::Borrowed(scope.as_str())).collect(),
        })
    }

    /// A module.
    pub(super) fn module(module: &ModuleRecord) -> Self {
        Self::bytes(&PackedModule {
            identity: PackedIdentity::pack(&module.identity),
            managed_by: module.managed_by.as_deref().map(Cow::Borrowed),
        })
    }

    /// Writing to memory does not fail; should it do so, the empty bytes are no record and say so when read.
    fn bytes(packed: &impl Serialize) -> Self {
        Self(postcard::to_stdvec(packed).unwrap_or_default().into_boxed_slice())
    }

    /// The device; `None` only for bytes that [`Packed::device`] did not make.
    pub(super) fn to_device(&self, depth: Depth) -> Option<DeviceRecord> {
        let packed: PackedDevice<'_> = self.read()?;
        Some(DeviceRecord {
            identity: packed.identity.unpack(depth)?,
            enabled: packed.enabled,
            status_reason: packed.status_reason.map(Cow::into_owned),
            status_updated: packed.status_updated,
            capabilities: packed
                .capabilities
                .map_or_else(|| Some(usual_capabilities()), |all| all.unpack())?,
            scope: packed.scope.map(Cow::into_owned),
            parent_scopes: packed.parent_scopes.into_iter().map(Cow::into_owned).collect(),
        })
    }

    /// The module; `None` only for bytes that [`Packed::module`] did not make.
    pub(super) fn to_module(&self, depth: Depth) -> Option<ModuleRecord> {
        let packed: PackedModule<'_> = self.read()?;
        let managed_by = packed.managed_by.map(Cow::into_owned);
        Some(ModuleRecord { identity: packed.identity.unpack(depth)?, managed_by })
    }

    /// How a device stands, without unpacking it.
    pub(super) fn standing(&self) -> Option<Standing> {
        let device: PackedDevice<'_> = self.read()?;
        Some(Standing { enabled: device.enabled, connected: device.identity.connected })
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        let read = postcard::from_bytes(&self.0);
        read.inspect_err(|error| tracing::error!(%error, "a record cannot be read")).ok()
    }
}

impl<'a> PackedIdentity<'a> {
    fn pack(identity: &'a IdentityRecord) -> Self {
        Self {
            generation: identity.generation,
            counter: identity.counter,
            authentication: PackedAuthentication::pack(&identity.authentication),
            connected: identity.connected,
            connection_updated: identity.connection_updated,
            last_activity: identity.last_activity,
            model: Cow::Borrowed(&identity.model),
            extra: Members::pack(&identity.extra),
            twin: PackedTwin::pack(&identity.twin),
        }
    }

    fn unpack(self, depth: Depth) -> Option<IdentityRecord> {
        Some(IdentityRecord {
            generation: self.generation,
            counter: self.counter,
            authentication: self.authentication.unpack()?,
            connected: self.connected,
            connection_updated: self.connection_updated,
            last_activity: self.last_activity,
            model: self.model.into_owned(),
            extra: self.extra.unpack()?,
            twin: self.twin.unpack(depth)?,
        })
    }
}

impl PackedTwin<'_> {
    fn pack(twin: &TwinRecord) -> Self {
        Self {
            counter: twin.counter(),
            tags: Members::pack(&twin.tags),
            desired: PackedSection::pack(&twin.desired),
            reported: PackedSection::pack(&twin.reported),
        }
    }

    fn unpack(&self, depth: Depth) -> Option<TwinRecord> {
        let (desired, reported) = (self.desired.unpack(depth)?, self.reported.unpack(depth)?);
        Some(TwinRecord::restored(self.counter, self.tags.unpack()?, desired, reported))
    }
}

impl PackedSection<'_> {
    fn pack(section: &Section) -> Self {
        Self {
            members: Members::pack(&section.members),
            version: section.version,
            metadata: PackedMetadata::pack(section.metadata()),
        }
    }

    fn unpack(&self, depth: Depth) -> Option<Section> {
        let members = match depth {
            Depth::Shallow => Map::new(),
            Depth::Whole => self.members.unpack()?,
        };
        let metadata = self.metadata.unpack(&members)?;
        Some(Section::restored(members, self.version, metadata))
    }
}

/// What a device has whose body did not speak of capabilities.
fn usual_capabilities() -> Map<String, Value> {
    Map::from_iter([("iotEdge".to_owned(), Value::Bool(false))])
}

fn usual(capabilities: &Map<String, Value>) -> bool {
    capabilities.len() == 1 && capabilities.get("iotEdge") == Some(&Value::Bool(false))
}
