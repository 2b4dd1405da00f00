//! The envelope of an invocation: `{"Data":{<binding>:…},"Metadata":{…}}`.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::nested;
use crate::model::Object;

/// One invocation as the host posts it.
#[derive(Debug, Clone, Deserialize)]
pub struct Invocation {
    #[serde(rename = "Data", alias = "data", default)]
    data: Object,
    #[serde(rename = "Metadata", alias = "metadata", default)]
    pub(super) metadata: Object,
}

/// Why a request is not an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadInvocation {
    /// Not JSON, or not an object with object members; where, without content.
    NotAnEnvelope(String),
    /// `Data` holds no binding, or more than one.
    NotOneBinding(usize),
}

impl fmt::Display for BadInvocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEnvelope(place) => write!(f, "the request is not an invocation of the host: {place}"),
            Self::NotOneBinding(n) => write!(f, "an invocation has one trigger in Data, this one {n}"),
        }
    }
}

impl std::error::Error for BadInvocation {}

impl Invocation {
    /// Reads the envelope.
    pub fn read(body: &[u8]) -> Result<Self, BadInvocation> {
        let again = |error| std::str::from_utf8(body).map_or(Err(error), nested::read);
        serde_json::from_slice(body).or_else(again).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            BadInvocation::NotAnEnvelope(place)
        })
    }

    /// The trigger's value, whatever the binding is called: our functions have one binding in.
    pub(super) fn take_trigger(&mut self) -> Result<Value, BadInvocation> {
        if self.data.len() != 1 {
            return Err(BadInvocation::NotOneBinding(self.data.len()));
        }
        let data = std::mem::take(&mut self.data);
        data.into_iter().next().map(|(_, value)| value).ok_or(BadInvocation::NotOneBinding(0))
    }

    /// The attempt, from 0. The host gives a retry context only to functions with a retry policy,
    /// and counts per process (read in its source).
    pub(super) fn retry_count(&mut self) -> u32 {
        let context = nested::take_object(&mut self.metadata, "RetryContext");
        context.get("RetryCount").and_then(Value::as_u64).map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX))
    }
}
