//! function.json: one trigger, what comes out, and how often a failed invocation is repeated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Settings;
use crate::dotnet;
use crate::error::HostError;

/// A function: its folder's name and what starts it.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The name of the trigger binding: the member of `Data`.
    pub(crate) binding: String,
    pub(crate) trigger: Trigger,
    /// The `http` output binding, if there is one. `$return` is a name like any other.
    pub(crate) http_output: Option<String>,
    pub(crate) retry: Option<RetryPolicy>,
}

#[derive(Clone, Debug)]
pub(crate) enum Trigger {
    EventHub(EventHubTrigger),
    Timer(TimerTrigger),
    Http(HttpTrigger),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cardinality {
    Many,
    One,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataType {
    Binary,
    Text,
    Unset,
}

#[derive(Clone, Debug)]
pub(crate) struct EventHubTrigger {
    pub(crate) event_hub: String,
    pub(crate) consumer_group: String,
    pub(crate) namespace: String,
    pub(crate) cardinality: Cardinality,
    pub(crate) data_type: DataType,
}

#[derive(Clone, Debug)]
pub(crate) struct TimerTrigger {
    pub(crate) schedule: String,
    pub(crate) use_monitor: bool,
    pub(crate) run_on_startup: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct HttpTrigger {
    pub(crate) route: String,
    /// Upper case; empty means all.
    pub(crate) methods: Vec<String>,
}

/// The `retry` member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RetryPolicy {
    FixedDelay { max: i64, interval: Duration },
    ExponentialBackoff { max: i64, minimum: Duration, maximum: Duration },
}

impl RetryPolicy {
    /// How many retries before giving up; -1 never gives up.
    pub(crate) fn max_retry_count(&self) -> i64 {
        match self {
            Self::FixedDelay { max, .. } | Self::ExponentialBackoff { max, .. } => *max,
        }
    }
}

/// Reads `<folder>/function.json`.
pub(super) fn read(folder: &Path, settings: &Settings) -> Result<Function, HostError> {
    let file = folder.join("function.json");
    let text = std::fs::read_to_string(&file).map_err(|error| HostError::unreadable(&file, error))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| HostError::unreadable(&file, error))?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Reader { document, file, settings }.function(name)
}

struct Reader<'a> {
    document: Value,
    file: PathBuf,
    settings: &'a Settings,
}

impl Reader<'_> {
    fn fault(&self, message: impl std::fmt::Display) -> HostError {
        HostError::rejected(format!("{}: {message}", self.file.display()))
    }

    fn function(&self, name: String) -> Result<Function, HostError> {
        let bindings = self.document.get("bindings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let is_trigger = |binding: &&Value| kind(binding).ends_with("trigger");
        let mut triggers = bindings.iter().filter(is_trigger);
        let (Some(trigger), None) = (triggers.next(), triggers.next()) else {
            return Err(self.fault("exactly one trigger binding is needed"));
        };
        let mut http_output = None;
        for other in bindings.iter().filter(|binding| !is_trigger(binding)) {
            if kind(other) != "http" || http_output.is_some() {
                return Err(
                    self.fault(format!("a second binding of type {} is not supported here", kind(other)))
                );
            }
            http_output = Some(self.required(other, "name")?.to_owned());
        }
        Ok(Function {
            binding: self.required(trigger, "name")?.to_owned(),
            trigger: self.trigger(trigger, &name)?,
            http_output,
            retry: self.retry()?,
            name,
        })
    }

    fn trigger(&self, binding: &Value, function: &str) -> Result<Trigger, HostError> {
        match kind(binding).as_str() {
            "eventhubtrigger" => Ok(Trigger::EventHub(self.event_hub(binding)?)),
            "timertrigger" => Ok(Trigger::Timer(TimerTrigger {
                schedule: self.expanded(self.required(binding, "schedule")?)?,
                use_monitor: binding.get("useMonitor").and_then(Value::as_bool).unwrap_or(true),
                run_on_startup: binding.get("runOnStartup").and_then(Value::as_bool).unwrap_or(false),
            })),
            "httptrigger" => Ok(Trigger::Http(HttpTrigger {
                route: text(binding, "route")
                    .filter(|route| !route.is_empty())
                    .unwrap_or(function)
                    .to_owned(),
                methods: methods(binding),
            })),
            other => Err(self.fault(format!("a binding of type {other} is not supported here"))),
        }
    }

    fn event_hub(&self, binding: &Value) -> Result<EventHubTrigger, HostError> {
        let connection = self.expanded(text(binding, "connection").unwrap_or_default())?;
        if !self.settings.has_connection(&connection) {
            return Err(
                self.fault(format!("the setting {connection}, named by \"connection\", has no value"))
            );
        }
        let parts = ConnectionParts::of(self.settings, &connection);
        let event_hub = match parts.entity_path {
            Some(path) => path,
            None => self.expanded(self.required(binding, "eventHubName")?)?,
        };
        Ok(EventHubTrigger {
            event_hub,
            consumer_group: self.expanded(text(binding, "consumerGroup").unwrap_or("$Default"))?,
            namespace: parts.namespace,
            cardinality: self.cardinality(binding)?,
            data_type: self.data_type(binding)?,
        })
    }

    fn cardinality(&self, binding: &Value) -> Result<Cardinality, HostError> {
        match text(binding, "cardinality").unwrap_or("one").to_ascii_lowercase().as_str() {
            "many" => Ok(Cardinality::Many),
            "one" => Ok(Cardinality::One),
            other => Err(self.fault(format!("cardinality must be many or one, not {other}"))),
        }
    }

    fn data_type(&self, binding: &Value) -> Result<DataType, HostError> {
        match text(binding, "dataType").unwrap_or_default().to_ascii_lowercase().as_str() {
            "binary" => Ok(DataType::Binary),
            "string" => Ok(DataType::Text),
            "" => Ok(DataType::Unset),
            other => Err(self.fault(format!("dataType must be binary or string, not {other}"))),
        }
    }

    fn retry(&self) -> Result<Option<RetryPolicy>, HostError> {
        let Some(retry) = self.document.get("retry").filter(|retry| !retry.is_null()) else {
            return Ok(None);
        };
        let max = retry.get("maxRetryCount").and_then(Value::as_i64).filter(|max| *max >= -1);
        let max = max.ok_or_else(|| self.fault("retry.maxRetryCount is required: -1 or more"))?;
        match text(retry, "strategy").unwrap_or_default().to_ascii_lowercase().as_str() {
            "fixeddelay" => {
                Ok(Some(RetryPolicy::FixedDelay { max, interval: self.span(retry, "delayInterval")? }))
            }
            "exponentialbackoff" => Ok(Some(RetryPolicy::ExponentialBackoff {
                max,
                minimum: self.span(retry, "minimumInterval")?,
                maximum: self.span(retry, "maximumInterval")?,
            })),
            _ => Err(self.fault("retry.strategy must be fixedDelay or exponentialBackoff")),
        }
    }

    fn span(&self, retry: &Value, name: &str) -> Result<Duration, HostError> {
        let span = text(retry, name).and_then(dotnet::time_span);
        span.ok_or_else(|| self.fault(format!("retry.{name} is required: a time span such as 00:00:05")))
    }

    fn required<'b>(&self, binding: &'b Value, name: &str) -> Result<&'b str, HostError> {
        let value = text(binding, name).filter(|value| !value.is_empty());
        value.ok_or_else(|| self.fault(format!("{name} is missing in the binding of type {}", kind(binding))))
    }

    fn expanded(&self, value: &str) -> Result<String, HostError> {
        self.settings.expand(value).map_err(|name| self.fault(format!("the setting %{name}% has no value")))
    }
}

fn kind(binding: &Value) -> String {
    text(binding, "type").unwrap_or_default().to_ascii_lowercase()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn methods(binding: &Value) -> Vec<String> {
    let named = binding.get("methods").and_then(Value::as_array).into_iter().flatten();
    named.filter_map(Value::as_str).map(str::to_ascii_uppercase).collect()
}

/// What the trigger needs of an event hubs connection. The key is never looked at.
struct ConnectionParts {
    namespace: String,
    entity_path: Option<String>,
}

impl ConnectionParts {
    fn of(settings: &Settings, connection: &str) -> Self {
        let identity = settings.get(&format!("{connection}__fullyQualifiedNamespace"));
        let value = settings.get(connection).unwrap_or_default();
        let part = |wanted: &str| {
            let parts = value.split(';').filter_map(|part| part.split_once('='));
            parts
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.to_owned())
                .next()
        };
        let endpoint = part("Endpoint").unwrap_or_default();
        let host = endpoint.split("://").last().unwrap_or_default().trim_end_matches('/').to_owned();
        Self { namespace: identity.map_or(host, str::to_owned), entity_path: part("EntityPath") }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(document: &str, environment: &[(&str, &str)]) -> Result<Function, HostError> {
        let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::read(Path::new("/nowhere"), pairs, &[])?;
        let document = serde_json::from_str(document).unwrap();
        Reader { document, file: PathBuf::from("f/function.json"), settings: &settings }
            .function("f".to_owned())
    }

    #[test]
    fn the_documented_function_json_is_understood() {
        let settings = [
            ("TWIN_EVENTHUB_NAME", "iothub-events"),
            ("TWIN_CONSUMER_GROUP", "twins"),
            ("TwinEvents__fullyQualifiedNamespace", "contoso-ns.servicebus.windows.net"),
        ];
        let function = read(include_str!("../../tests/golden/function.json"), &settings).unwrap();
        let Trigger::EventHub(trigger) = function.trigger else { unreachable!("an event hub trigger") };
        assert_eq!((trigger.event_hub.as_str(), trigger.consumer_group.as_str()), ("iothub-events", "twins"));
        assert_eq!(trigger.namespace, "contoso-ns.servicebus.windows.net");
        assert_eq!((trigger.cardinality, trigger.data_type), (Cardinality::Many, DataType::Binary));
        assert_eq!(function.retry.unwrap().max_retry_count(), -1);
    }

    #[test]
    fn an_entity_path_overrides_the_event_hub_name() {
        let text =
            r#"{"bindings":[{"type":"eventHubTrigger","name":"e","eventHubName":"a","connection":"C"}]}"#;
        let connection = "Endpoint=sb://ns.example/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=b";
        let function = read(text, &[("C", connection)]).unwrap();
        let Trigger::EventHub(trigger) = function.trigger else { unreachable!("an event hub trigger") };
        assert_eq!((trigger.event_hub.as_str(), trigger.namespace.as_str()), ("b", "ns.example"));
        assert_eq!((trigger.cardinality, trigger.consumer_group.as_str()), (Cardinality::One, "$Default"));
    }

    #[test]
    fn a_missing_setting_is_named_with_the_file_that_needs_it() {
        let text =
            r#"{"bindings":[{"type":"eventHubTrigger","name":"e","eventHubName":"%HUB%","connection":"C"}]}"#;
        let missing = read(text, &[]).unwrap_err().to_string();
        assert!(missing.contains("f/function.json") && missing.contains("setting C"), "{missing}");
        let missing = read(text, &[("C", "Endpoint=sb://x/")]).unwrap_err().to_string();
        assert!(missing.contains("%HUB%"), "{missing}");
    }

    #[test]
    fn a_binding_this_host_does_not_know_is_refused_by_name() {
        let text = r#"{"bindings":[{"type":"queueTrigger","name":"q"}]}"#;
        assert!(read(text, &[]).unwrap_err().to_string().contains("queuetrigger"));
        let text = r#"{"bindings":[{"type":"timerTrigger","name":"t","schedule":"* * * * * *"},{"type":"blob","name":"b"}]}"#;
        assert!(read(text, &[]).unwrap_err().to_string().contains("blob"));
    }

    #[test]
    fn a_retry_policy_without_its_interval_is_refused() {
        let text = r#"{"bindings":[{"type":"timerTrigger","name":"t","schedule":"* * * * * *"}],
            "retry":{"strategy":"fixedDelay","maxRetryCount":2}}"#;
        assert!(read(text, &[]).unwrap_err().to_string().contains("delayInterval"));
    }
}
