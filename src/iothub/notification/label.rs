//! What the properties of a message say it is.

use super::properties::{Properties, Stamp};

/// The kind of message, stamped by the hub (documented).
const SOURCE: &str = "iothub-message-source";

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Created,
    Deleted,
    UpdateTwin,
    ReplaceTwin,
    /// A twin change event that does not say which.
    SomeTwin,
    /// A lifecycle event that does not say which.
    SomeLifecycle,
    /// Stamped in a form that cannot be read.
    Unclear,
    /// What changes no identity: telemetry, connection states, and whatever else is stamped.
    Other,
}

/// A stamped source decides, and nothing else counts: a device can put every other property there itself. Without one, it is
/// the operation, then the schema. `None` when no property says anything, and for what Event Grid delivers: its body says.
pub(crate) fn label(properties: &Properties<'_>) -> Option<Label> {
    match properties.stamp(SOURCE) {
        Stamp::Text(source) => Some(stamped(source, properties)),
        Stamp::Unreadable => Some(Label::Unclear),
        Stamp::None if properties.is_from_event_grid() => None,
        Stamp::None => unstamped(properties),
    }
}

/// No stamp tells the operation: what an enrichment hid, or cannot be of this source, leaves it open.
fn stamped(source: &str, properties: &Properties<'_>) -> Label {
    match (of_source(source), operation(properties)) {
        (Label::SomeTwin, Some(label @ (Label::UpdateTwin | Label::ReplaceTwin))) => label,
        (Label::SomeLifecycle, Some(label @ (Label::Created | Label::Deleted))) => label,
        (label, _) => label,
    }
}

fn unstamped(properties: &Properties<'_>) -> Option<Label> {
    let schema = || match properties.application("iothub-message-schema")?.to_ascii_lowercase().as_str() {
        "twinchangenotification" => Some(Label::SomeTwin),
        "devicelifecyclenotification" | "modulelifecyclenotification" => Some(Label::SomeLifecycle),
        _ => None,
    };
    operation(properties)
        .or_else(schema)
        .or_else(|| properties.application(SOURCE).map(of_source))
        .or_else(|| properties.application("opType").map(|_| Label::Other))
}

fn of_source(source: &str) -> Label {
    match source.to_ascii_lowercase().as_str() {
        "twinchangeevents" => Label::SomeTwin,
        "devicelifecycleevents" => Label::SomeLifecycle,
        _ => Label::Other,
    }
}

fn operation(properties: &Properties<'_>) -> Option<Label> {
    match properties.application("opType")?.to_ascii_lowercase().as_str() {
        "updatetwin" => Some(Label::UpdateTwin),
        "replacetwin" => Some(Label::ReplaceTwin),
        "createdeviceidentity" | "createmoduleidentity" => Some(Label::Created),
        "deletedeviceidentity" | "deletemoduleidentity" => Some(Label::Deleted),
        _ => None,
    }
}
