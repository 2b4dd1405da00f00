//! Every switch by its name, whichever part of the emulator it turns.

use serde_json::Value;

use super::ControlPort;

impl ControlPort {
    /// All switches with what they are set to.
    #[must_use]
    pub fn all_switches(&self) -> Value {
        let mut all = self.switches.to_json();
        if let (Value::Object(all), Value::Object(wording)) = (&mut all, self.emitter.wording().to_json()) {
            all.extend(wording);
            all.extend(self.emitter.trouble());
        }
        all
    }

    /// Sets one: a behaviour is on or off; how long in milliseconds, which share in percent and a seed are numbers; the
    /// wording of events is a text.
    ///
    /// # Errors
    /// In words, when there is no such switch or it does not take that.
    pub fn set_switch(&self, name: &str, value: &Value) -> Result<(), String> {
        check(&self.all_switches(), name, value)?;
        match value {
            Value::Bool(on) => self.switches.set(name, *on),
            Value::Number(number) => {
                let trouble = number.as_u64().and_then(|number| self.emitter.set_trouble(name, number));
                trouble.unwrap_or_else(|| self.switches.set_number(name, number))
            }
            Value::String(text) => {
                let wording = self.emitter.wording().with(name, text);
                self.emitter.set_wording(wording.ok_or_else(|| format!("{name} does not take {text}"))?);
                Ok(())
            }
            _ => Err(format!("{name} takes something else")),
        }
    }
}

/// Whether there is such a switch, and it takes that kind of value.
fn check(all: &Value, name: &str, value: &Value) -> Result<(), String> {
    let Some(known) = all.get(name) else {
        let names: Vec<&str> = all.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        return Err(format!("there is no switch {name}; there are: {}", names.join(", ")));
    };
    if std::mem::discriminant(known) == std::mem::discriminant(value) {
        return Ok(());
    }
    Err(format!("the switch {name} takes {}, not {value}", kind(known)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        _ => "a text",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_switch_that_is_not_there_is_called_that_whatever_it_is_set_to() {
        let all = json!({"queryLagMs": 0, "importHonoursReported": true, "eventGridSchema": "eventGrid"});
        for value in [json!(1), json!(true), json!("text")] {
            let why = check(&all, "nope", &value).unwrap_err();
            assert!(
                why.starts_with("there is no switch nope; there are: ") && why.contains("queryLagMs"),
                "{why}"
            );
        }
        for (name, value, said) in [
            ("queryLagMs", json!(true), "the switch queryLagMs takes a number, not true"),
            (
                "importHonoursReported",
                json!(1),
                "the switch importHonoursReported takes true or false, not 1",
            ),
            ("eventGridSchema", json!(1), "the switch eventGridSchema takes a text, not 1"),
        ] {
            assert_eq!(check(&all, name, &value), Err(said.to_owned()));
        }
        assert_eq!(check(&all, "queryLagMs", &json!(5)), Ok(()));
    }
}
