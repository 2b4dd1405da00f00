//! `Data` of an event hub trigger, for every cardinality and data type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Event;
use super::metadata::{self, Metadata};
use crate::app::{Cardinality, DataType, EventHubTrigger};
use crate::dotnet;
use crate::invocation::{Envelope, Failure, sys};
use crate::json::Json;

/// An event hub function's names, as the payload needs them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) function: &'a str,
    pub(super) name: &'a str,
    pub(super) trigger: &'a EventHubTrigger,
}

/// The request for one batch. With `cardinality: one` only the first event counts: batches have one.
///
/// # Errors
/// [`Failure::Binding`] when a body is not JSON and the function wants parsed values.
pub(super) fn envelope(binding: Binding<'_>, partition: &str, events: &[Event]) -> Result<Envelope, Failure> {
    match binding.trigger.cardinality {
        Cardinality::Many => many(binding, partition, events),
        Cardinality::One => one(binding, partition, events.first()),
    }
}

fn many(binding: Binding<'_>, partition: &str, events: &[Event]) -> Result<Envelope, Failure> {
    let value_of: fn(&Event) -> Result<Json, Failure> = match binding.trigger.data_type {
        DataType::Binary => |event| Ok(Json::from(event.body.as_str())),
        DataType::Text => |event| Ok(Json::from(event.text())),
        DataType::Unset => |event| parsed(&event.text()),
    };
    let values = events.iter().map(value_of).collect::<Result<Vec<_>, _>>()?;
    let mut metadata = metadata::of_many(binding.trigger, partition, events);
    metadata.push(sys(binding.function));
    Ok(Envelope::new(binding.name, Json::Array(values).on_the_wire(), metadata))
}

fn one(binding: Binding<'_>, partition: &str, event: Option<&Event>) -> Result<Envelope, Failure> {
    let event = event.ok_or_else(|| Failure::Binding("there is no event to bind".to_owned()))?;
    let mut metadata = metadata::of_one(binding.trigger, partition, event);
    metadata.push(sys(binding.function));
    let data = match binding.trigger.data_type {
        DataType::Binary => Json::from(event.body.as_str()),
        DataType::Text | DataType::Unset => {
            let text = event.text();
            add_body_members(&mut metadata, &text);
            Json::from(text).on_the_wire()
        }
    };
    Ok(Envelope::new(binding.name, data, metadata))
}

/// One body as `JsonConvert.DeserializeObject` reads it: nothing is null, and dates are written back shorter.
fn parsed(text: &str) -> Result<Json, Failure> {
    if text.trim().is_empty() {
        return Ok(Json::Null);
    }
    let value = Json::parse(text).map_err(|error| {
        let rule = "Binding parameters to complex objects (such as 'Object') uses Json.NET serialization";
        Failure::Binding(format!("{rule}: the body is not JSON: {error}"))
    })?;
    Ok(with_dates_reparsed(value))
}

fn with_dates_reparsed(value: Json) -> Json {
    match value {
        Json::Text(text) => Json::from(dotnet::reparsed_date(&text).unwrap_or(text)),
        Json::Array(items) => items.into_iter().map(with_dates_reparsed).collect(),
        Json::Object(members) => Json::Object(
            members.into_iter().map(|(name, value)| (name, with_dates_reparsed(value))).collect(),
        ),
        other => other,
    }
}

/// The host copies the top-level members of a JSON body over the metadata, names compared without case: a twin's
/// `properties` replaces the event's. Arrays are left out; what is not an object becomes its text.
fn add_body_members(metadata: &mut Metadata, body: &str) {
    let Ok(Json::Object(members)) = Json::parse(body) else { return };
    for (name, value) in members {
        let wire = match value {
            Json::Array(_) => continue,
            Json::Object(_) => value,
            scalar => Json::from(dotnet_text(&scalar)).on_the_wire(),
        };
        match metadata.iter_mut().find(|(existing, _)| existing.eq_ignore_ascii_case(&name)) {
            Some((_, existing)) => *existing = wire,
            None => metadata.push((name, wire)),
        }
    }
}

/// `JToken.ToString()` of a scalar. Inferred for booleans and null.
pub(crate) fn dotnet_text(scalar: &Json) -> String {
    match scalar {
        Json::Null => String::new(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Text(text) => text.clone(),
        other => other.to_text(),
    }
}

/// What `POST /admin/functions/{name}` hands to an event hub function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminEvent<'a> {
    pub(crate) function: &'a str,
    pub(crate) binding: &'a str,
    pub(crate) trigger: &'a EventHubTrigger,
    pub(crate) input: &'a str,
}

/// The request for an event made by hand: one event, the singular metadata even for `many`, no partition.
pub(crate) fn admin_envelope(event: AdminEvent<'_>) -> Result<Envelope, Failure> {
    let base64 = Json::from(STANDARD.encode(event.input));
    let text = Json::from(event.input);
    let data = match (event.trigger.cardinality, event.trigger.data_type) {
        (Cardinality::Many, DataType::Binary) => Json::Array(vec![base64]).on_the_wire(),
        (Cardinality::Many, DataType::Text) => Json::Array(vec![text.clone()]).on_the_wire(),
        (Cardinality::Many, DataType::Unset) => Json::Array(vec![parsed(event.input)?]).on_the_wire(),
        (Cardinality::One, DataType::Binary) => base64,
        (Cardinality::One, DataType::Text | DataType::Unset) => text.clone().on_the_wire(),
    };
    let mut metadata = metadata::of_admin_event();
    metadata.push((event.binding.to_owned(), text.on_the_wire()));
    metadata.push(sys(event.function));
    if event.trigger.cardinality == Cardinality::One && event.trigger.data_type != DataType::Binary {
        add_body_members(&mut metadata, event.input);
    }
    Ok(Envelope::new(event.binding, data, metadata))
}

#[cfg(test)]
#[path = "observed_tests.rs"]
mod observed;
#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
