//! App settings: the environment, completed by `Values` of local.settings.json.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::error::HostError;

/// Every setting the handler's environment will hold. Never shown: values may be secrets.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// `overrides` win over `environment`, which wins over the file. A file that is absent counts as empty.
    pub(crate) fn read(
        file: &Path,
        environment: impl Iterator<Item = (String, String)>,
        overrides: &[(String, String)],
    ) -> Result<Self, HostError> {
        let mut values = if file.is_file() { values_of(file)? } else { BTreeMap::new() };
        values.extend(environment);
        values.extend(overrides.iter().cloned());
        values.insert("AZURE_FUNCTIONS_ENVIRONMENT".to_owned(), "Development".to_owned());
        Ok(Self { values })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a connection is there: as one value, or as `NAME__…` for an identity.
    pub(crate) fn has_connection(&self, name: &str) -> bool {
        let prefix = format!("{name}__");
        self.get(name).is_some_and(|value| !value.is_empty())
            || self.values.keys().any(|key| key.starts_with(&prefix))
    }

    /// Replaces every `%NAME%` by the setting of that name.
    ///
    /// # Errors
    /// The names that have no value.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        self.replace(text, |name| self.get(name).map(str::to_owned).ok_or_else(|| name.to_owned()))
    }

    /// As [`Settings::expand`], with unknown names becoming empty, as for the handler's arguments.
    pub(crate) fn expand_or_empty(&self, text: &str) -> String {
        let known = |name: &str| Ok(self.get(name).unwrap_or_default().to_owned());
        self.replace(text, known).unwrap_or_default()
    }

    fn replace(&self, text: &str, value: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            let Some((name, behind)) = after.split_once('%') else { break };
            expanded.push_str(before);
            expanded.push_str(&value(name)?);
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

fn values_of(file: &Path) -> Result<BTreeMap<String, String>, HostError> {
    let text = std::fs::read_to_string(file).map_err(|error| HostError::unreadable(file, error))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| HostError::unreadable(file, error))?;
    if document.get("IsEncrypted").and_then(Value::as_bool).unwrap_or(true) {
        return Err(HostError::unreadable(
            file,
            "\"IsEncrypted\" must be there and false: encrypted settings are not supported",
        ));
    }
    let Some(values) = document.get("Values").and_then(Value::as_object) else {
        return Ok(BTreeMap::new());
    };
    let text_of = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        _ => Err(HostError::unreadable(file, format!("Values.{name} must be a string"))),
    };
    values.iter().map(text_of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(Path::new("/nowhere"), environment, &[]).unwrap()
    }

    #[test]
    fn percent_names_are_replaced_and_unknown_ones_are_named() {
        let settings = settings(&[("HUB", "registry"), ("N", "1")]);
        assert_eq!(settings.expand("%HUB%-%N%").unwrap(), "registry-1");
        assert_eq!(settings.expand("100 %").unwrap(), "100 %");
        assert_eq!(settings.expand("%MISSING%").unwrap_err(), "MISSING");
        assert_eq!(settings.expand_or_empty("a%MISSING%b"), "ab");
    }

    #[test]
    fn a_connection_may_be_one_value_or_an_identity() {
        let settings = settings(&[("A", "x"), ("B__fullyQualifiedNamespace", "y"), ("C", "")]);
        assert!(
            settings.has_connection("A") && settings.has_connection("B") && !settings.has_connection("C")
        );
    }

    #[test]
    fn the_environment_wins_over_the_file_and_overrides_win_over_both() {
        let file = std::env::temp_dir().join(format!("settings-{}.json", uuid::Uuid::new_v4()));
        let text = r#"{"IsEncrypted":false,"Values":{"A":"file","B":"file","C":"file"}}"#;
        std::fs::write(&file, text).unwrap();
        let environment = [("B", "env"), ("C", "env")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let overrides = [("C".to_owned(), "override".to_owned())];
        let settings = Settings::read(&file, environment.into_iter(), &overrides).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(["A", "B", "C"].map(|name| settings.get(name).unwrap()), ["file", "env", "override"]);
    }
}
