//! The answer to an assignment, made once, as bytes.

use std::time::Duration;

use axum::http::HeaderValue;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::negotiation::Form;
use crate::routing::{Assignment, HubRole};

/// What an assignment is turned into an answer with.
#[derive(Debug, Clone)]
pub struct Directory {
    /// `HostName` of the primary hub, as it is written in its connection string.
    pub primary: String,
    /// `HostName` of the secondary hub.
    pub secondary: String,
    /// How long a device may keep an answer.
    pub valid_for: Duration,
}

/// One form of the answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) etag: HeaderValue,
}

/// All forms of the answer to one assignment.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) assignment: Assignment,
    pub(super) cache_control: HeaderValue,
    pub(super) epoch: HeaderValue,
    json: Answer,
    text: Answer,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    iot_hub: &'a str,
    hub: HubRole,
    epoch: u64,
    valid_for_seconds: u64,
    stale: bool,
}

impl Directory {
    pub(super) fn answers(&self, assignment: Assignment) -> Answers {
        let iot_hub = match assignment.hub {
            HubRole::Primary => self.primary.as_str(),
            HubRole::Secondary => self.secondary.as_str(),
        };
        let valid_for_seconds = self.valid_for.as_secs();
        let Assignment { hub, epoch, stale } = assignment;
        let json = serde_json::to_vec(&Body { iot_hub, hub, epoch, valid_for_seconds, stale });
        Answers {
            assignment,
            cache_control: header(format!("max-age={valid_for_seconds}")),
            epoch: header(epoch.to_string()),
            json: Answer::new(json.unwrap_or_default()),
            text: Answer::new(format!("{iot_hub}\n").into_bytes()),
        }
    }
}

impl Answers {
    pub(super) fn of(&self, form: Form) -> &Answer {
        match form {
            Form::Json => &self.json,
            Form::Text => &self.text,
        }
    }
}

impl Answer {
    /// The tag follows from the bytes, so that all instances of the app agree on it.
    fn new(body: Vec<u8>) -> Self {
        let digest = Sha256::digest(&body);
        let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { body: body.into(), etag: header(format!("\"{tag}\"")) }
    }

    /// Whether `If-None-Match` names it (compared weakly, as GET is).
    pub(super) fn matches<'a>(&self, mut headers: impl Iterator<Item = &'a str>) -> bool {
        let own = self.etag.to_str().unwrap_or_default();
        headers.any(|list| {
            list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == own)
        })
    }
}

fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
