//! Reads settings one by one and remembers what is wrong with them.

use std::time::Duration;

use super::bad_settings::BadSetting;
use super::connection_kind::{ConnectionKind, unresolved_reference};
use super::environment::{Environment, given};
use super::host_settings::is_the_hosts;
use super::log_filter::log_filter;
use super::settings::{self, Default, Setting};
use crate::iothub::{HubSettings, Tier};
use crate::model::Secret;
use crate::storage::Account;

/// Longest container name, less the length of `-witness` (63 and these characters: documented).
const MAX_CONTAINER: usize = 63 - 8;

pub(super) struct Reader<'a> {
    environment: &'a Environment,
    bad: Vec<BadSetting>,
}

impl<'a> Reader<'a> {
    /// A reference that was not resolved is called that, whatever setting it is in.
    pub(super) fn new(environment: &'a Environment) -> Self {
        let mut reader = Self { environment, bad: Vec::new() };
        for setting in settings::ALL.iter().filter(|setting| !is_the_hosts(setting)) {
            if let Some(why) = reader.given(setting).and_then(unresolved_reference) {
                reader.complain(setting, why.to_owned());
            }
        }
        reader
    }

    pub(super) fn into_bad(self) -> Vec<BadSetting> {
        self.bad
    }

    pub(super) fn hub(
        &mut self,
        connection: &Setting,
        name: &Setting,
        mqtt_port: &Setting,
    ) -> Option<HubSettings> {
        let port = self.number(mqtt_port);
        let text = self.required(connection)?;
        match HubSettings::parse(text) {
            Ok(mut hub) => {
                if let Some(name) = self.value(name) {
                    name.clone_into(&mut hub.name);
                }
                hub.mqtt_port = u16::try_from(port).unwrap_or(hub.mqtt_port);
                Some(hub)
            }
            Err(why) => {
                self.complain(connection, of_another_kind(text, ConnectionKind::IotHub, why.to_string()));
                None
            }
        }
    }

    /// One hub twice would replicate onto itself.
    pub(super) fn two_hubs(&mut self, primary: &HubSettings, secondary: &HubSettings) {
        if primary.host_name.eq_ignore_ascii_case(&secondary.host_name) {
            self.complain(&settings::HUB2, format!("is the same hub as {}", settings::HUB1.name));
        }
    }

    pub(super) fn storage(&mut self) -> Option<Secret> {
        if self.given(&settings::STORAGE).is_none() && self.is_by_identity(&settings::STORAGE) {
            let why =
                "is set for an identity, which only the host understands: this app needs a connection string";
            self.complain(&settings::STORAGE, why.to_owned());
            return None;
        }
        let text = self.required(&settings::STORAGE)?;
        match Account::check(text) {
            Ok(()) => Some(Secret::new(text)),
            Err(why) => {
                let why = of_another_kind(text, ConnectionKind::Storage, why.to_string());
                self.complain(&settings::STORAGE, why);
                None
            }
        }
    }

    pub(super) fn container(&mut self) -> String {
        let name = self.text(&settings::CONTAINER);
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let shape = name.chars().all(allowed) && !name.contains("--");
        let ends = !name.starts_with('-') && !name.ends_with('-');
        if !shape || !ends || !(3..=MAX_CONTAINER).contains(&name.len()) {
            let why = format!(
                "'{name}' is no container name: 3 to {MAX_CONTAINER} lower-case letters, digits and single hyphens"
            );
            self.complain(&settings::CONTAINER, why);
        }
        name
    }

    pub(super) fn log(&mut self) -> String {
        let filter = log_filter(&self.text(&settings::LOG));
        filter.unwrap_or_else(|why| {
            self.complain(&settings::LOG, why);
            String::new()
        })
    }

    pub(super) fn tier(&mut self, setting: &Setting) -> Option<Tier> {
        let text = self.value(setting)?;
        match text.parse() {
            Ok(tier) => Some(tier),
            Err(why) => {
                self.complain(setting, format!("'{text}' {why}"));
                None
            }
        }
    }

    /// Percent as a part of one.
    pub(super) fn part(&mut self, setting: &Setting) -> f64 {
        u32::try_from(self.number(setting)).map_or(0.0, |percent| f64::from(percent) / 100.0)
    }

    pub(super) fn seconds(&mut self, setting: &Setting) -> Duration {
        Duration::from_secs(self.number(setting))
    }

    pub(super) fn count(&mut self, setting: &Setting) -> usize {
        usize::try_from(self.number(setting)).unwrap_or(usize::MAX)
    }

    fn number(&mut self, setting: &Setting) -> u64 {
        let default = match setting.default {
            Default::Number(number) => number,
            _ => 0,
        };
        let Some(text) = self.value(setting) else { return default };
        match text.parse() {
            Ok(number) if setting.range.contains(&number) => number,
            _ => {
                let (from, to) = (setting.range.start(), setting.range.end());
                self.complain(
                    setting,
                    format!("'{text}' is not a number of {} from {from} to {to}", setting.unit),
                );
                default
            }
        }
    }

    fn text(&self, setting: &Setting) -> String {
        match (self.value(setting), setting.default) {
            (Some(text), _) | (None, Default::Text(text)) => text.to_owned(),
            _ => String::new(),
        }
    }

    fn required(&mut self, setting: &Setting) -> Option<&'a str> {
        let value = self.value(setting);
        if self.given(setting).is_none() {
            self.complain(setting, "is not set".to_owned());
        }
        value
    }

    /// A reference that was not resolved counts as none: it has been named.
    fn value(&self, setting: &Setting) -> Option<&'a str> {
        self.given(setting).filter(|value| unresolved_reference(value).is_none())
    }

    fn given(&self, setting: &Setting) -> Option<&'a str> {
        given(self.environment, setting.name)
    }

    /// `NAME__…` settings, which Azure's own clients take together for a connection (documented).
    fn is_by_identity(&self, setting: &Setting) -> bool {
        let prefix = format!("{}__", setting.name);
        self.environment.keys().any(|name| name.starts_with(&prefix))
    }

    fn complain(&mut self, setting: &Setting, why: String) {
        self.bad.push(BadSetting { name: setting.name, why });
    }
}

/// What a string that cannot be read is instead, where it is of another kind.
fn of_another_kind(text: &str, wanted: ConnectionKind, why: String) -> String {
    match ConnectionKind::of(text) {
        Some(kind) if kind != wanted => kind.in_words().to_owned(),
        _ => why,
    }
}
