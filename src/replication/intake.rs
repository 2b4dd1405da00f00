//! From a batch of records to hints and dead letters.

use super::batch::Placed;
use super::dead_letter::DeadLetter;
use super::origin;
use super::unknown_hubs::shown;

use jiff::Timestamp;

use crate::host::{EventBatch, EventRecord};
use crate::iothub::HubSettings;
use crate::iothub::notification::{self, Hint, HintKind};
use crate::pending::Position;
use crate::routing::{HubRole, MarkKind, Marker};

/// What a batch says.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// About identities, in order.
    pub(crate) hints: Vec<Placed>,
    /// What can never be understood, one per event.
    pub(crate) dead: Vec<Dead>,
    /// Hints about the app's own identities, and those that change nothing.
    pub(crate) ignored: usize,
    /// Marks on the app's own identities: which hub, and what was marked.
    pub(crate) markers: Vec<Marker>,
    /// The names of hubs that are neither of the two, as they may be shown; `None` where events name no hub.
    pub(crate) unknown_hubs: Vec<Option<String>>,
}

/// An event that leads nowhere.
#[derive(Debug)]
pub(crate) struct Dead {
    /// What is kept of it.
    pub(crate) letter: DeadLetter,
    /// All that is wrong with it is its hub, whose name is said apart.
    pub(crate) is_of_an_unknown_hub: bool,
}

/// Why an event leads nowhere.
#[derive(Default)]
struct Bad {
    reasons: Vec<String>,
    of_unknown_hubs: usize,
}

/// Reads every record of a batch; a bad one harms only itself.
pub(crate) fn intake(batch: &EventBatch, primary: &HubSettings, secondary: &HubSettings) -> Intake {
    let mut intake = Intake::default();
    let whose = |hint: &Hint| origin::whose(hint.hub.as_deref(), primary, secondary);
    for record in &batch.records {
        let Bad { reasons, of_unknown_hubs } = intake.record(batch, record, whose);
        if !reasons.is_empty() {
            let is_of_an_unknown_hub = reasons.len() == of_unknown_hubs;
            let letter = DeadLetter::new(batch, record, reasons.join("; "), Timestamp::now());
            intake.dead.push(Dead { letter, is_of_an_unknown_hub });
        }
    }
    intake
}

/// The mark that an event of one of the app's own identities is.
fn marker(hint: &Hint, hub: HubRole) -> Option<Marker> {
    let passing = |kind| Marker::of_passing(hub, kind, &hint.identity.device);
    match hint.kind {
        HintKind::Created => passing(MarkKind::Created),
        HintKind::Deleted => passing(MarkKind::Deleted),
        HintKind::Lifecycle => None,
        HintKind::Twin { .. } => Marker::read(hub, &hint.writes),
    }
}

impl Intake {
    /// Takes one record in; gives why it must be kept as a dead letter.
    fn record(
        &mut self,
        batch: &EventBatch,
        record: &EventRecord,
        whose: impl Fn(&Hint) -> Option<HubRole>,
    ) -> Bad {
        let mut bad = Bad::default();
        let at = Position {
            log: format!("{}/{}", batch.event_hub, batch.partition),
            sequence: record.sequence_number,
        };
        for element in notification::parse(&record.body, &record.properties, &record.system) {
            match element {
                Err(why) => bad.reasons.push(why.0),
                Ok(None) => self.ignored += 1,
                // Nobody can ask a hub about it; it must not be waited for.
                Ok(Some(hint)) if !hint.identity.fits_a_url() => {
                    bad.reasons.push(format!("no URL can name '{}'", hint.identity));
                }
                Ok(Some(hint)) => match whose(&hint) {
                    Some(hub) => self.hint(hint, hub, &at),
                    None => {
                        let reason = self.of_an_unknown_hub(&hint);
                        bad.of_unknown_hubs += usize::from(reason.is_some());
                        bad.reasons.extend(reason);
                    }
                },
            }
        }
        bad
    }

    fn hint(&mut self, hint: Hint, hub: HubRole, at: &Position) {
        if hint.identity.device.is_probe() {
            self.ignored += 1;
            self.markers.extend(marker(&hint, hub));
        } else {
            self.hints.push(Placed { hint, hub, at: at.clone() });
        }
    }

    /// Why such an event is kept; one about a probe is nothing to keep.
    fn of_an_unknown_hub(&mut self, hint: &Hint) -> Option<String> {
        let name = hint.hub.as_deref().map(shown);
        let why = match &name {
            Some(name) => {
                format!("OriginUnknown: it is of hub {name:?}, which is neither of the two configured")
            }
            None => "OriginUnknown: it does not say of which hub it is".to_owned(),
        };
        if !self.unknown_hubs.contains(&name) {
            self.unknown_hubs.push(name);
        }
        if hint.identity.device.is_probe() {
            self.ignored += 1;
            return None;
        }
        Some(why)
    }
}
