//! Log lines as the host prints them under `func start`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;

/// The severity of a log line, in the host's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    Information,
    Warning,
    Error,
    /// As a threshold: nothing at all.
    None,
}

impl Level {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Some(Self::Debug),
            "information" => Some(Self::Information),
            "warning" => Some(Self::Warning),
            "error" | "critical" => Some(Self::Error),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// The category of everything the handler writes to its standard streams.
pub(crate) const CONSOLE: &str = "Host.Function.Console";
/// The category of the host's own lines about starting and stopping.
pub(crate) const STARTUP: &str = "Host.Startup";
/// The category of the handler's life and death.
pub(crate) const WORKER: &str = "Host.Worker";
/// The category of executions.
pub(crate) const RESULTS: &str = "Host.Results";
/// The category of the event hub listeners.
pub(crate) const EVENT_HUBS: &str = "Host.Triggers.EventHubs";

/// Writes host-like lines to standard error, filtered by `logging.logLevel` of host.json. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct HostLog {
    levels: Arc<BTreeMap<String, Level>>,
}

impl HostLog {
    /// `levels` is from category prefix to the least level shown; `default` stands for all others.
    pub(crate) fn new(levels: BTreeMap<String, Level>) -> Self {
        Self { levels: Arc::new(levels) }
    }

    pub(crate) fn information(&self, category: &str, message: &str) {
        self.write(category, Level::Information, message);
    }

    pub(crate) fn warning(&self, category: &str, message: &str) {
        self.write(category, Level::Warning, message);
    }

    pub(crate) fn error(&self, category: &str, message: &str) {
        self.write(category, Level::Error, message);
    }

    pub(crate) fn write(&self, category: &str, level: Level, message: &str) {
        if level < self.threshold(category) {
            return;
        }
        let mark = match level {
            Level::Warning => "warn: ",
            Level::Error => "fail: ",
            Level::Debug | Level::Information | Level::None => "",
        };
        let line = format!("[{:.3}] {category}: {mark}{message}\n", Timestamp::now());
        // A closed standard error must not stop the host.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn threshold(&self, category: &str) -> Level {
        let longest = self
            .levels
            .iter()
            .filter(|(prefix, _)| covers(prefix, category))
            .max_by_key(|(prefix, _)| prefix.len());
        longest
            .or_else(|| self.levels.get_key_value("default"))
            .map_or(Level::Information, |(_, level)| *level)
    }
}

/// Whether a category prefix of host.json covers a category: by whole dotted words.
fn covers(prefix: &str, category: &str) -> bool {
    category.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The category of what a function says itself.
pub(crate) fn user_category(function: &str) -> String {
    format!("Function.{function}.User")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_category_prefix_decides_the_level() {
        let levels =
            [("default", Level::Information), ("Host", Level::Warning), ("Host.Function", Level::None)];
        let log = HostLog::new(levels.map(|(name, level)| (name.to_owned(), level)).into());
        assert_eq!(log.threshold(CONSOLE), Level::None);
        assert_eq!(log.threshold(RESULTS), Level::Warning);
        assert_eq!(log.threshold("Function.x.User"), Level::Information);
        assert_eq!(log.threshold("Hosting"), Level::Information);
    }
}
