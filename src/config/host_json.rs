//! What host.json says that this program has to fit: the Functions host reads it and sends accordingly.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::bad_settings::BadSetting;
use super::environment::Environment;

/// Where the host says which folder is the app's. By hand it is the working directory.
const APP_ROOT: &str = "FUNCTIONS_APP_ROOT_PATH";

/// Settings of this prefix override members of the file (documented).
const OVERRIDE: &str = "AzureFunctionsJobHost__";

/// The file as it is published, for where it cannot be read.
const PUBLISHED: &str = include_str!("../../host.json");

/// What holds where the file does not say (read in the extension's source).
const DEFAULT_BATCH: usize = 100;

/// The members that this program has to fit.
#[derive(Debug)]
pub(super) struct HostJson {
    /// Events in a batch at most.
    pub(super) max_event_batch_size: usize,
    /// How long an invocation may take; `None` where the file does not say, or sets no limit.
    pub(super) function_timeout: Option<Duration>,
    /// What is wrong with the file.
    pub(super) fault: Option<BadSetting>,
}

impl HostJson {
    /// Reads the file; an absent one is no fault, because commands run in any folder.
    pub(super) fn read(environment: &Environment) -> Self {
        let folder = environment.get(APP_ROOT).map(PathBuf::from).unwrap_or_default();
        let file = std::fs::read_to_string(folder.join("host.json"));
        let text = file.as_deref().unwrap_or(PUBLISHED);
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(document) => Self::of(&document, environment),
            Err(why) => {
                let published = serde_json::from_str(PUBLISHED).unwrap_or_default();
                Self { fault: Some(unreadable(&why)), ..Self::of(&published, environment) }
            }
        }
    }

    fn of(document: &Value, environment: &Environment) -> Self {
        let batch = value_of(document, environment, &["extensions", "eventHubs", "maxEventBatchSize"]);
        let timeout = value_of(document, environment, &["functionTimeout"]);
        Self {
            max_event_batch_size: batch.and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_BATCH),
            function_timeout: timeout.and_then(|text| time_span(&text)),
            fault: None,
        }
    }
}

fn unreadable(why: &serde_json::Error) -> BadSetting {
    let (line, column) = (why.line(), why.column());
    let why = format!("is not plain JSON (line {line}, column {column}): the published one is assumed");
    BadSetting { name: "host.json", why }
}

/// A member's text, or that of the setting which overrides it. .NET's configuration knows only texts, and no case in names.
fn value_of(document: &Value, environment: &Environment, path: &[&str]) -> Option<String> {
    let setting = format!("{OVERRIDE}{}", path.join("__"));
    let overriding = environment.iter().find(|(name, _)| name.eq_ignore_ascii_case(&setting));
    if let Some((_, value)) = overriding {
        return Some(value.trim().to_owned());
    }
    match path.iter().try_fold(document, |value, name| member(value, name))? {
        Value::String(text) => Some(text.trim().to_owned()),
        value => Some(value.to_string()),
    }
}

/// `hh:mm:ss`, or `d.hh:mm:ss`; `-1` is no limit.
fn time_span(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('.').filter(|(days, _)| !days.contains(':')).unwrap_or(("0", text));
    let mut seconds = days.parse::<u64>().ok()?.checked_mul(24)?;
    let mut parts = clock.split(':');
    for scale in [1, 60, 60] {
        let part = parts.next()?.split('.').next()?.parse::<u64>().ok()?;
        seconds = seconds.checked_mul(scale)?.checked_add(part)?;
    }
    Some(Duration::from_secs(seconds))
}

fn member<'a>(value: &'a Value, wanted: &str) -> Option<&'a Value> {
    let (_, value) = value.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(document: &str, settings: &[(&str, &str)]) -> HostJson {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HostJson::of(&serde_json::from_str(document).unwrap(), &settings.collect())
    }

    #[test]
    fn the_largest_batch_is_the_one_that_the_host_would_send() {
        let size = |document: &str, settings: &[(&str, &str)]| read(document, settings).max_event_batch_size;
        let setting = "AzureFunctionsJobHost__extensions__eventHubs__maxEventBatchSize";
        assert_eq!(size(PUBLISHED, &[]), 200);
        assert_eq!(size("{}", &[]), 100);
        assert_eq!(size(r#"{"Extensions":{"EventHubs":{"MaxEventBatchSize":"50"}}}"#, &[]), 50);
        assert_eq!(size(PUBLISHED, &[(setting, "7")]), 7);
        assert_eq!(size(PUBLISHED, &[(&setting.to_ascii_uppercase(), "9")]), 9);
    }

    #[test]
    fn the_time_of_an_invocation_is_read_as_net_writes_it() {
        let timeout = |text: &str| time_span(text).map(|span| span.as_secs());
        assert_eq!(read(PUBLISHED, &[]).function_timeout, Some(Duration::from_secs(600)));
        assert_eq!(
            (timeout("00:05:00"), timeout("1.02:00:01"), timeout("00:00:10.5")),
            (Some(300), Some(93_601), Some(10))
        );
        assert_eq!((timeout("-1"), timeout("soon"), timeout("")), (None, None, None));
        let setting = [("AzureFunctionsJobHost__functionTimeout", "00:01:00")];
        assert_eq!(read(PUBLISHED, &setting).function_timeout, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_published_one() {
        let nowhere = Environment::from([(APP_ROOT.to_owned(), "/nowhere".to_owned())]);
        let published = HostJson::read(&nowhere);
        assert_eq!((published.max_event_batch_size, published.fault), (200, None));
        let folder = std::env::temp_dir().join(format!("host-json-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("host.json"), "{ // a comment\n}").unwrap();
        let here = Environment::from([(APP_ROOT.to_owned(), folder.to_string_lossy().into_owned())]);
        let read = HostJson::read(&here);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.max_event_batch_size, 200);
        assert!(read.fault.is_some_and(|fault| fault.name == "host.json"));
    }
}
