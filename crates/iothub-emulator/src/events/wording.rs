//! The ways of wording events that differ between subscriptions and between hubs.

use serde_json::{Value, json};
use std::borrow::Cow;

/// How a hub's name is written in events; its case differs between sources (observed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubName {
    /// As the hub was named.
    AsIs,
    /// `HUB1`.
    Upper,
    /// `hub1`.
    Lower,
}

impl HubName {
    pub(super) fn write(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::AsIs => Cow::Borrowed(name),
            Self::Upper => Cow::Owned(name.to_uppercase()),
            Self::Lower => Cow::Owned(name.to_lowercase()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AsIs => "asIs",
            Self::Upper => "upper",
            Self::Lower => "lower",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::AsIs, Self::Upper, Self::Lower].into_iter().find(|form| form.name() == text)
    }
}

/// How events are worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wording {
    /// Event Grid delivers CloudEvents 1.0, one object; else its own schema, an array of one (documented, the default).
    pub cloud_events: bool,
    /// `hubName` of Event Grid; documented samples have it in capitals.
    pub grid_hub_name: HubName,
    /// `hubName` of routed messages.
    pub routed_hub_name: HubName,
}

impl Default for Wording {
    fn default() -> Self {
        Self { cloud_events: false, grid_hub_name: HubName::Upper, routed_hub_name: HubName::AsIs }
    }
}

impl Wording {
    /// The same with one setting changed; `None` when there is no such setting or value.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Option<Self> {
        match (name, value) {
            ("eventGridSchema", "eventGrid") => self.cloud_events = false,
            ("eventGridSchema", "cloudEvents") => self.cloud_events = true,
            ("eventGridHubName", form) => self.grid_hub_name = HubName::parse(form)?,
            ("routedHubName", form) => self.routed_hub_name = HubName::parse(form)?,
            _ => return None,
        }
        Some(self)
    }

    /// All settings by name.
    #[must_use]
    pub fn to_json(self) -> Value {
        let schema = if self.cloud_events { "cloudEvents" } else { "eventGrid" };
        json!({"eventGridSchema": schema, "eventGridHubName": self.grid_hub_name.name(),
            "routedHubName": self.routed_hub_name.name()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_takes_only_what_it_knows() {
        let wording = Wording::default();
        assert!(wording.with("eventGridSchema", "cloudEvents").is_some_and(|wording| wording.cloud_events));
        let lower = wording.with("eventGridHubName", "lower");
        assert_eq!(
            lower.map(|wording| wording.grid_hub_name.write("Hub1").into_owned()).as_deref(),
            Some("hub1")
        );
        assert_eq!(wording.with("eventGridSchema", "other"), None);
        assert_eq!(wording.with("other", "upper"), None);
    }
}
