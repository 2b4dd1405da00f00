//! Reads settings one by one and remembers what is wrong with them.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::bad_settings::BadSetting;
use super::settings::{self, Default, Setting};
use crate::iothub::{HubSettings, Tier};
use crate::model::Secret;
use crate::storage::Account;

/// Longest container name, less the length of `-witness` (63 and these characters: documented).
const MAX_CONTAINER: usize = 63 - 8;

/// Environment variables.
pub type Environment = BTreeMap<String, String>;

pub(super) struct Reader<'a> {
    environment: &'a Environment,
    bad: Vec<BadSetting>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, bad: Vec::new() }
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
                self.complain(connection, why.to_string());
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
        let text = self.required(&settings::STORAGE)?;
        match Account::check(text) {
            Ok(()) => Some(Secret::new(text)),
            Err(why) => {
                self.complain(&settings::STORAGE, why.to_string());
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
        let filter = self.text(&settings::LOG);
        if let Err(why) = EnvFilter::builder().parse(&filter) {
            self.complain(&settings::LOG, format!("'{filter}' is no log filter: {why}"));
        }
        filter
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
        if value.is_none() {
            self.complain(setting, "is not set".to_owned());
        }
        value
    }

    fn value(&self, setting: &Setting) -> Option<&'a str> {
        self.environment.get(setting.name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn complain(&mut self, setting: &Setting, why: String) {
        self.bad.push(BadSetting { name: setting.name, why });
    }
}
