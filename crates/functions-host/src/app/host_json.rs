//! host.json, as far as this host acts on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Settings;
use crate::dotnet;
use crate::error::HostError;
use crate::log::Level;

/// `functionTimeout` when host.json does not say: documented for every plan but Consumption.
const DEFAULT_FUNCTION_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// `customHandler.initializationTimeout` when host.json does not say: read in source.
const DEFAULT_INITIALIZATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Environment variables of this prefix override members of host.json.
const OVERRIDE_PREFIX: &str = "AzureFunctionsJobHost__";

/// What host.json says, defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct HostJson {
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) working_directory: PathBuf,
    /// Standard error is an error unless a line says it is a warning (true), or only if it says so (false).
    pub(crate) stderr_is_for_errors: bool,
    pub(crate) forward_http: bool,
    pub(crate) initialization_timeout: Duration,
    /// `None`: no limit.
    pub(crate) function_timeout: Option<Duration>,
    pub(crate) max_event_batch_size: usize,
    pub(crate) prefetch_count: usize,
    pub(crate) route_prefix: String,
    pub(crate) log_levels: BTreeMap<String, Level>,
}

impl HostJson {
    /// Reads `<root>/host.json`.
    pub(crate) fn read(root: &Path, settings: &Settings) -> Result<Self, HostError> {
        let file = root.join("host.json");
        let text = std::fs::read_to_string(&file).map_err(|error| HostError::unreadable(&file, error))?;
        let mut document: Value =
            serde_json::from_str(&text).map_err(|error| HostError::unreadable(&file, error))?;
        apply_overrides(&mut document, settings);
        let reader = Reader { document, file };
        reader.check_supported()?;
        reader.host_json(root, settings)
    }
}

/// `AzureFunctionsJobHost__a__b=c` sets member `b` of member `a`: documented.
fn apply_overrides(document: &mut Value, settings: &Settings) {
    for (name, value) in settings.all() {
        let Some(path) = name.strip_prefix(OVERRIDE_PREFIX) else { continue };
        let pointer = path.replace("__", "/");
        let parsed = match serde_json::from_str::<Value>(value) {
            Ok(parsed) if parsed.is_boolean() || parsed.is_u64() => parsed,
            _ => Value::from(value),
        };
        set(document, &pointer, parsed);
    }
}

fn set(document: &mut Value, path: &str, value: Value) {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    let Some(members) = document.as_object_mut() else { return };
    let name = members.keys().find(|key| key.eq_ignore_ascii_case(first)).cloned();
    let member = members.entry(name.unwrap_or_else(|| first.to_owned())).or_insert(Value::Null);
    match rest {
        Some(rest) => set(member, rest, value),
        None => *member = value,
    }
}

struct Reader {
    document: Value,
    file: PathBuf,
}

impl Reader {
    fn get(&self, path: &str) -> Option<&Value> {
        path.split('/')
            .try_fold(&self.document, |value, name| value.get(name))
            .filter(|value| !value.is_null())
    }

    fn fault(&self, message: impl std::fmt::Display) -> HostError {
        HostError::rejected(format!("{}: {message}", self.file.display()))
    }

    fn text(&self, path: &str) -> Result<Option<&str>, HostError> {
        let wrong = || self.fault(format!("{} must be a string", path.replace('/', ".")));
        self.get(path).map(|value| value.as_str().ok_or_else(wrong)).transpose()
    }

    fn flag(&self, path: &str, default: bool) -> Result<bool, HostError> {
        let wrong = || self.fault(format!("{} must be true or false", path.replace('/', ".")));
        self.get(path).map_or(Ok(default), |value| value.as_bool().ok_or_else(wrong))
    }

    fn count(&self, path: &str, default: usize) -> Result<usize, HostError> {
        let wrong = || self.fault(format!("{} must be a whole number above 0", path.replace('/', ".")));
        let Some(value) = self.get(path) else { return Ok(default) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.filter(|number| *number > 0).ok_or_else(wrong)
    }

    fn span(&self, path: &str, default: Duration) -> Result<Option<Duration>, HostError> {
        let Some(text) = self.text(path)? else { return Ok(Some(default)) };
        if text == "-1" {
            return Ok(None);
        }
        let wrong = || {
            self.fault(format!("{} must be a time span such as 00:10:00, not {text}", path.replace('/', ".")))
        };
        dotnet::time_span(text).map(Some).ok_or_else(wrong)
    }

    /// What would need behaviour this host does not have is refused, never guessed.
    fn check_supported(&self) -> Result<(), HostError> {
        if self.count("extensions/eventHubs/batchCheckpointFrequency", 1)? != 1 {
            return Err(self
                .fault("extensions.eventHubs.batchCheckpointFrequency other than 1 is not supported here"));
        }
        if self.text("extensions/eventHubs/initialOffsetOptions/type")?.unwrap_or("fromStart") != "fromStart"
        {
            return Err(self.fault(
                "extensions.eventHubs.initialOffsetOptions.type other than fromStart is not supported here",
            ));
        }
        if self.flag("customHandler/enableProxyingHttpRequest", false)? {
            return Err(self.fault("customHandler.enableProxyingHttpRequest is not supported here"));
        }
        Ok(())
    }

    fn host_json(&self, root: &Path, settings: &Settings) -> Result<HostJson, HostError> {
        let description = self.get("customHandler/description");
        if description.is_none() {
            return Err(self.fault("Missing worker Description. (customHandler.description)"));
        }
        let initialization =
            self.span("customHandler/initializationTimeout", DEFAULT_INITIALIZATION_TIMEOUT)?;
        Ok(HostJson {
            executable: self.executable(root, settings)?,
            arguments: self.arguments(settings)?,
            working_directory: root
                .join(self.text("customHandler/description/workingDirectory")?.unwrap_or_default()),
            stderr_is_for_errors: self
                .flag("customHandler/description/useStdErrorStreamForErrorsOnly", true)?,
            forward_http: self.flag("customHandler/enableForwardingHttpRequest", false)?,
            initialization_timeout: initialization.unwrap_or(Duration::MAX),
            function_timeout: self.span("functionTimeout", DEFAULT_FUNCTION_TIMEOUT)?,
            max_event_batch_size: self.count("extensions/eventHubs/maxEventBatchSize", 100)?,
            prefetch_count: self.count("extensions/eventHubs/prefetchCount", 300)?,
            route_prefix: self
                .text("extensions/http/routePrefix")?
                .unwrap_or("api")
                .trim_matches('/')
                .to_owned(),
            log_levels: self.log_levels(),
        })
    }

    /// A relative path is joined to `workerDirectory`; if that file is absent the value is left to a PATH lookup.
    fn executable(&self, root: &Path, settings: &Settings) -> Result<PathBuf, HostError> {
        let written = self.text("customHandler/description/defaultExecutablePath")?.unwrap_or_default();
        let named = settings.expand_or_empty(written);
        if named.is_empty() {
            return Err(self.fault("customHandler.description.defaultExecutablePath is missing"));
        }
        let directory =
            root.join(self.text("customHandler/description/workerDirectory")?.unwrap_or_default());
        let joined = directory.join(&named);
        Ok(if joined.is_file() { joined } else { PathBuf::from(named) })
    }

    /// The host joins arguments with spaces and does not quote them, so one argument with a space is two.
    fn arguments(&self, settings: &Settings) -> Result<Vec<String>, HostError> {
        let mut arguments = Vec::new();
        for path in ["customHandler/description/arguments", "customHandler/description/workerArguments"] {
            for value in self.get(path).and_then(Value::as_array).into_iter().flatten() {
                let wrong = || self.fault(format!("{} must be strings", path.replace('/', ".")));
                let text = settings.expand_or_empty(value.as_str().ok_or_else(wrong)?);
                arguments.extend(text.split_whitespace().map(str::to_owned));
            }
        }
        Ok(arguments)
    }

    fn log_levels(&self) -> BTreeMap<String, Level> {
        let levels = self.get("logging/logLevel").and_then(Value::as_object).into_iter().flatten();
        levels.filter_map(|(name, level)| Some((name.clone(), Level::named(level.as_str()?)?))).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(host_json: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("app-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("host.json"), host_json).unwrap();
        folder
    }

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<HostJson, HostError> {
        let root = folder(text);
        let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::read(Path::new("/nowhere"), pairs, &[])?;
        let read = HostJson::read(&root, &settings);
        std::fs::remove_dir_all(&root).unwrap();
        read
    }

    #[test]
    fn the_documented_host_json_is_understood() {
        let host = read(include_str!("../../tests/golden/host.json"), &[]).unwrap();
        assert_eq!(host.function_timeout, Some(Duration::from_secs(600)));
        assert_eq!(host.initialization_timeout, Duration::from_secs(60));
        assert_eq!((host.max_event_batch_size, host.prefetch_count), (100, 300));
        assert!(host.forward_http && !host.stderr_is_for_errors);
        assert_eq!(host.route_prefix, "api");
    }

    #[test]
    fn what_host_json_does_not_say_has_the_hosts_defaults() {
        let host = read(r#"{"customHandler":{"description":{"defaultExecutablePath":"sh"}}}"#, &[]).unwrap();
        assert_eq!(host.executable, PathBuf::from("sh"));
        assert_eq!(host.function_timeout, Some(Duration::from_secs(1_800)));
        assert!(host.stderr_is_for_errors && !host.forward_http);
    }

    #[test]
    fn an_environment_variable_overrides_a_member() {
        let text = r#"{"functionTimeout":"00:01:00","customHandler":{"description":{"defaultExecutablePath":"sh"}}}"#;
        let environment = [
            ("AzureFunctionsJobHost__functionTimeout", "-1"),
            ("AzureFunctionsJobHost__customHandler__description__defaultExecutablePath", "other"),
        ];
        let host = read(text, &environment).unwrap();
        assert_eq!((host.function_timeout, host.executable), (None, PathBuf::from("other")));
    }

    #[test]
    fn a_missing_description_is_said_in_the_hosts_words() {
        let error = read(r#"{"version":"2.0"}"#, &[]).unwrap_err();
        assert!(error.to_string().contains("Missing worker Description."));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let text = r#"{"customHandler":{"description":{"defaultExecutablePath":"sh"}},
            "extensions":{"eventHubs":{"batchCheckpointFrequency":5}}}"#;
        assert!(read(text, &[]).unwrap_err().to_string().contains("batchCheckpointFrequency"));
    }
}
