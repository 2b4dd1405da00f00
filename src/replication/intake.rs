//! From a batch of records to hints and dead letters.

use super::batch::Placed;
use super::dead_letter::{DeadLetter, ORIGIN_UNKNOWN};
use super::origin;
use super::unknown_hubs::shown;
use jiff::Timestamp;

use crate::host::{EventBatch, EventRecord};
use crate::iothub::HubSettings;
use crate::iothub::notification::{self, Hint};
use crate::pending::Position;
use crate::routing::Marker;

/// What a batch says.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// About identities, in order.
    pub(crate) hints: Vec<Placed>,
    /// What can never be understood, one letter per event.
    pub(crate) dead: Vec<DeadLetter>,
    /// Hints about the app's own identities, and those that change nothing.
    pub(crate) ignored: usize,
    /// Marks on the app's own identities: which hub, and what was marked.
    pub(crate) markers: Vec<Marker>,
    /// The names of hubs that are neither of the two, as they may be shown; `None` where events name no hub.
    pub(crate) unknown_hubs: Vec<Option<String>>,
}

/// Reads every record of a batch; a bad one harms only itself.
pub(crate) fn intake(batch: &EventBatch, primary: &HubSettings, secondary: &HubSettings) -> Intake {
    let mut intake = Intake::default();
    for record in &batch.records {
        if let Some(reason) = intake.record(batch, record, primary, secondary) {
            intake.dead.push(DeadLetter::new(batch, record, reason, Timestamp::now()));
        }
    }
    intake
}

impl Intake {
    /// Takes one record in; gives why it must be kept as a dead letter.
    fn record(
        &mut self,
        batch: &EventBatch,
        record: &EventRecord,
        primary: &HubSettings,
        secondary: &HubSettings,
    ) -> Option<String> {
        let mut bad = Vec::new();
        let at = Position {
            log: format!("{}/{}", batch.event_hub, batch.partition),
            sequence: record.sequence_number,
        };
        let found = notification::parse(&record.body, &record.properties, &record.system);
        if found.is_empty() {
            bad.push("it names no identity".to_owned());
        }
        for element in found {
            match element {
                Err(why) => bad.push(why.0),
                Ok(None) => self.ignored += 1,
                Ok(Some(hint)) => match origin::whose(hint.hub.as_deref(), primary, secondary) {
                    None => bad.extend(self.of_an_unknown_hub(&hint)),
                    Some(hub) if hint.identity.device.is_probe() => {
                        self.ignored += 1;
                        self.markers.extend(Marker::read(hub, &hint.writes));
                    }
                    Some(hub) => self.hints.push(Placed { hint, hub, at: at.clone() }),
                },
            }
        }
        (!bad.is_empty()).then(|| bad.join("; "))
    }

    /// Why such an event is kept; one about a probe is nothing to keep.
    fn of_an_unknown_hub(&mut self, hint: &Hint) -> Option<String> {
        let name = hint.hub.as_deref().map(shown);
        let why = match &name {
            Some(name) => format!("it is of hub {name:?}, which is neither of the two configured"),
            None => "it does not say of which hub it is".to_owned(),
        };
        if !self.unknown_hubs.contains(&name) {
            self.unknown_hubs.push(name);
        }
        if hint.identity.device.is_probe() {
            self.ignored += 1;
            return None;
        }
        Some(format!("{ORIGIN_UNKNOWN}{why}"))
    }
}
