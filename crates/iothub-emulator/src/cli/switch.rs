//! Switches that are set before anything is served.

use serde_json::Value;
use std::str::FromStr;

/// A switch and what it is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchOption {
    /// Its name, as the control port knows it.
    pub name: String,
    /// `true`, `false`, a number, or else a text.
    pub value: Value,
}

impl FromStr for SwitchOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
        let value = match value.parse::<u64>() {
            Ok(number) => Value::from(number),
            Err(_) => value.parse::<bool>().map_or_else(|_| Value::from(value), Value::from),
        };
        Ok(Self { name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_switch_takes_a_truth_a_number_or_a_text() {
        let value = |text: &str| text.parse::<SwitchOption>().unwrap().value;
        assert_eq!(value("connectionStateEvents=true"), Value::Bool(true));
        assert_eq!(value("registryRewindPercent=5"), Value::from(5));
        assert_eq!(value("eventGridSchema=cloudEvents"), Value::from("cloudEvents"));
        assert!("connectionStateEvents".parse::<SwitchOption>().is_err());
    }
}
