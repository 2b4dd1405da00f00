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
