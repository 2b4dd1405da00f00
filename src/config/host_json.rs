//! What host.json says that this program has to fit: the Functions host reads it and sends accordingly.

use std::path::PathBuf;

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

/// Events in a batch at most, and what is wrong with the file.
pub(super) fn max_event_batch_size(environment: &Environment) -> (usize, Option<BadSetting>) {
    let folder = environment.get(APP_ROOT).map(PathBuf::from).unwrap_or_default();
    let file = std::fs::read_to_string(folder.join("host.json"));
    let text = file.as_deref().unwrap_or(PUBLISHED);
    let (document, fault) = match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(document) => (document, None),
        Err(why) => (serde_json::from_str(PUBLISHED).unwrap_or_default(), Some(unreadable(&why))),
    };
    (batch_size(&document, environment), fault)
}

fn unreadable(why: &serde_json::Error) -> BadSetting {
    let why = format!(
        "is not plain JSON (line {}, column {}): the published one is assumed",
        why.line(),
        why.column()
    );
    BadSetting { name: "host.json", why }
}

fn batch_size(document: &Value, environment: &Environment) -> usize {
    const PATH: [&str; 3] = ["extensions", "eventHubs", "maxEventBatchSize"];
    let setting = format!("{OVERRIDE}{}", PATH.join("__"));
    let overriding = environment.iter().find(|(name, _)| name.eq_ignore_ascii_case(&setting));
    let overriding = overriding.and_then(|(_, value)| value.trim().parse().ok());
    let member = || PATH.iter().try_fold(document, |value, name| member(value, name)).and_then(count);
    overriding.or_else(member).unwrap_or(DEFAULT_BATCH)
}

/// .NET's configuration compares names without case.
fn member<'a>(value: &'a Value, wanted: &str) -> Option<&'a Value> {
    let (_, value) = value.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(value)
}

/// And takes a number in a string for a number.
fn count(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => usize::try_from(value.as_u64()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn size(document: &str, settings: &[(&str, &str)]) -> usize {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        batch_size(&serde_json::from_str(document).unwrap(), &settings.collect())
    }

    #[test]
    fn the_largest_batch_is_the_one_that_the_host_would_send() {
        let override_name = "AzureFunctionsJobHost__extensions__eventHubs__maxEventBatchSize";
        assert_eq!(size(PUBLISHED, &[]), 200);
        assert_eq!(size("{}", &[]), 100);
        assert_eq!(size(r#"{"Extensions":{"EventHubs":{"MaxEventBatchSize":"50"}}}"#, &[]), 50);
        assert_eq!(size(PUBLISHED, &[(override_name, "7")]), 7);
        assert_eq!(size(PUBLISHED, &[(&override_name.to_ascii_uppercase(), "9")]), 9);
        assert_eq!(size(PUBLISHED, &[(override_name, "many")]), 200);
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_published_one() {
        let nowhere = Environment::from([(APP_ROOT.to_owned(), "/nowhere".to_owned())]);
        assert_eq!(max_event_batch_size(&nowhere), (200, None));
        let folder = std::env::temp_dir().join(format!("host-json-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("host.json"), "{ // a comment\n}").unwrap();
        let here = Environment::from([(APP_ROOT.to_owned(), folder.to_string_lossy().into_owned())]);
        let (size, fault) = max_event_batch_size(&here);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(size, 200);
        assert!(fault.is_some_and(|fault| fault.name == "host.json"));
    }
}
