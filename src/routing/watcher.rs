//! Follows the record in the background: renews the write lease, keeps the answer for devices fresh, makes
//! the first record, and finishes promotions whose promoter died.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::authorship::authorship;
use super::genesis::{Genesis, confirm, first_start, remember_probes};
use super::hubs::Hubs;
use super::lease::Desk;
use super::record::{Phase, StandbyState, finish};
use super::store::{RecordError, Stored};
use crate::iothub::BootTime;
use crate::iothub::Deadline;

/// How a process follows the record.
#[derive(Debug, Clone)]
pub struct RoutingSettings {
    /// How long a write lease lasts after a read, for a record that is made here.
    pub lease: Duration,
    /// How often the record is read in the background.
    pub refresh: Duration,
    /// What this process calls itself in what it writes.
    pub process: String,
}

/// To be run in the background for as long as the process lives.
#[derive(Debug)]
pub struct Watcher {
    desk: Arc<Desk>,
    settings: RoutingSettings,
    hubs: Option<Hubs>,
    confirmed: Option<(u64, StandbyState)>,
    complained: Option<String>,
}

impl Watcher {
    pub(super) fn new(desk: Arc<Desk>, settings: RoutingSettings, hubs: Option<Hubs>) -> Self {
        Self { desk, settings, hubs, confirmed: None, complained: None }
    }

    /// Reads every `refresh`, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let round = async {
                self.round().await;
                tokio::time::sleep(self.settings.refresh).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    async fn round(&mut self) {
        let ended = match self.desk.refresh().await {
            Ok(None) => self.begin().await,
            Ok(Some(stored)) => self.follow(&stored).await,
            Err(error) => Err(error),
        };
        self.complain_once(ended);
    }

    /// A record that was seen and is gone is a loss, not a beginning.
    async fn begin(&mut self) -> Result<(), RecordError> {
        let (ever_seen, highest) = {
            let knowledge = self.desk.knowledge();
            (knowledge.ever_seen(), knowledge.highest())
        };
        if ever_seen || highest > 0 {
            return Err(RecordError::Refused("the routing record is gone; `iot-hadr init`".to_owned()));
        }
        match first_start(&self.desk.store, self.settings.lease, &self.settings.process).await? {
            Genesis::NeedsInit(witness) => Err(RecordError::Refused(format!(
                "the routing record is gone, epoch {} was the last one seen; `iot-hadr init`",
                witness.epoch
            ))),
            Genesis::Created(stored) => {
                // Before anyone here has a write lease: without a probe, the first deletes would be pending.
                let made = self.make_probes(&stored).await;
                self.read_and_follow().await.and(made)
            }
            Genesis::OtherHubs(why) => Err(RecordError::Refused(why)),
            Genesis::Exists(_) | Genesis::Renamed { .. } => self.read_and_follow().await,
        }
    }

    async fn read_and_follow(&mut self) -> Result<(), RecordError> {
        match self.desk.refresh().await? {
            Some(stored) => self.follow(&stored).await,
            None => Ok(()),
        }
    }

    async fn follow(&mut self, stored: &Stored) -> Result<(), RecordError> {
        let record = &stored.record;
        let state = (record.epoch, record.standby_state);
        if record.phase == Phase::Steady && self.confirmed != Some(state) {
            let witness = confirm(&self.desk.store, record).await?;
            self.confirmed = Some(state);
            self.hubs = self.hubs.take().filter(|_| !witness.probes_made);
            info!(epoch = record.epoch, active = %record.active, other = ?record.standby_state, "routing record");
        }
        let ripe = self.desk.knowledge().ripe_promotion(BootTime::now()).cloned();
        match ripe {
            Some(promoting) => self.finish(&promoting).await,
            None => self.make_probes(stored).await,
        }
    }

    /// Until it has worked once; from then on a missing probe means another hub.
    async fn make_probes(&mut self, stored: &Stored) -> Result<(), RecordError> {
        let Some(hubs) = &self.hubs else { return Ok(()) };
        let deadline = Deadline::after(self.settings.refresh.max(Duration::from_secs(2)));
        match hubs.make_probes(deadline).await {
            Ok(()) => {
                remember_probes(&self.desk.store, stored.record.active).await?;
                self.hubs = None;
                Ok(())
            }
            Err((hub, error)) => {
                Err(RecordError::Unavailable(format!("no probe identity on the {hub} hub yet: {error}")))
            }
        }
    }

    async fn finish(&self, promoting: &Stored) -> Result<(), RecordError> {
        let by = authorship(&self.settings.process, &promoting.record.reason);
        let Ok(steady) = finish(&promoting.record, promoting.written, by) else { return Ok(()) };
        match self.desk.store.replace(steady, &promoting.etag).await {
            Ok(stored) => info!(epoch = stored.record.epoch, "finished a promotion that was begun elsewhere"),
            Err(RecordError::Lost) => {}
            Err(error) => return Err(error),
        }
        self.desk.refresh().await.map(|_| ())
    }

    /// A failure that lasts is logged once.
    fn complain_once(&mut self, ended: Result<(), RecordError>) {
        let complaint = ended.err().map(|error| error.to_string());
        if let Some(text) = &complaint
            && self.complained.as_ref() != Some(text)
        {
            warn!("routing record: {text}");
        }
        self.complained = complaint;
    }
}
