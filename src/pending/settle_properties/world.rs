//! Two hubs, their clients, and processes of the app that know only what is durable.

use serde_json::{Value, json};

use super::account::Accepted;
use super::hub::{Hub, time};
use super::process::Process;
use crate::model::{Object, Path, member};
use crate::pending::note::{At, PendingNote};
use crate::pending::terms::Terms;
use crate::reconcile::{Loss, Reason};
use crate::routing::{Diverged, HubRole};

/// A section of a twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Tags,
    Desired,
    Reported,
}

/// Between two commands.
pub(super) const TICK: i64 = 1_000;

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// A client writes a member, or removes it (`None` of a value), on the hub that it is at.
    Client { at_former: bool, part: Part, path: Path, removes: bool, at_once: bool },
    /// The device connects or goes away.
    Connects(bool),
    /// The device follows the router.
    Follows,
    /// The former hub can be read or not.
    Silent(bool),
    /// A process gets events of a hub, from some before the first that is not acknowledged on.
    Batch { process: usize, of_former: bool, back: usize, count: usize },
    /// A process looks at the identity without an event.
    Look { process: usize },
    /// A process goes on.
    Step { process: usize, steps: usize },
    /// A process ends where it is.
    Crash { process: usize },
}

/// Where the roles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    InSync,
    Promoting,
    Moving,
    Moved,
    Closing,
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    hubs: [Hub; 2],
    pub(super) now: i64,
    pub(super) phase: Phase,
    pub(super) active: HubRole,
    pub(super) terms: Option<Terms>,
    pub(super) note: Option<PendingNote>,
    pub(super) losses: Vec<Loss>,
    pub(super) acknowledged: [usize; 2],
    pub(super) accepted: Vec<Accepted>,
    pub(super) is_silent: bool,
    pub(super) processes: [Process; 2],
    /// A comparison has been finished.
    pub(super) is_closed: bool,
    device: HubRole,
    is_online: bool,
    nulls: bool,
    epoch: u64,
}

impl World {
    pub(super) fn new(nulls: bool) -> Self {
        Self {
            hubs: [Hub::new(nulls), Hub::new(nulls)],
            now: 0,
            phase: Phase::InSync,
            active: HubRole::Primary,
            terms: None,
            note: None,
            losses: Vec::new(),
            acknowledged: [0, 0],
            accepted: Vec::new(),
            is_silent: false,
            processes: [Process::default(), Process::default()],
            is_closed: false,
            device: HubRole::Primary,
            is_online: false,
            nulls,
            epoch: 1,
        }
    }

    pub(super) fn hub(&self, role: HubRole) -> &Hub {
        &self.hubs[role as usize]
    }

    pub(super) fn hub_mut(&mut self, role: HubRole) -> &mut Hub {
        &mut self.hubs[role as usize]
    }

    pub(super) fn at(&self) -> At {
        At { now: time(self.now), epoch: self.epoch }
    }

    /// A change of the note by compare-and-swap.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut PendingNote)) {
        let at = self.at();
        let mut note = self.note.take().unwrap_or_else(|| {
            let mut note = PendingNote::blank(&"pump".parse().unwrap(), at);
            note.rests(at);
            note
        });
        change(&mut note);
        self.note = Some(note);
    }

    pub(super) fn run(&mut self, commands: &[Command]) {
        for command in commands {
            if !matches!(command, Command::Client { at_once: true, .. }) {
                self.now = (self.now / TICK + 1) * TICK;
            }
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Client { at_former, part, path, removes, .. } => {
                self.client(*at_former, *part, path, *removes);
            }
            Command::Connects(is_online) => {
                self.is_online = *is_online;
                self.connect();
            }
            Command::Follows => self.device_moves(),
            Command::Silent(is_silent) => self.is_silent = *is_silent && self.terms.is_some(),
            Command::Batch { process, of_former, back, count } => {
                let hub = if *of_former { self.active.other() } else { self.active };
                self.take(*process, |process, world| process.batch(world, hub, *back, *count));
            }
            Command::Look { process } => self.take(*process, |process, world| process.look(world)),
            Command::Step { process, steps } => {
                for _ in 0..*steps {
                    self.take(*process, |process, world| process.step(world));
                }
            }
            Command::Crash { process } => self.processes[*process] = Process::default(),
        }
    }

    pub(super) fn take(&mut self, number: usize, work: impl FnOnce(&mut Process, &mut Self)) {
        self.now += 1;
        let mut process = std::mem::take(&mut self.processes[number]);
        work(&mut process, self);
        self.processes[number] = process;
    }

    /// Whether no event says that a member of this part is taken away now, and no twin will show it: where events carry no
    /// `null`, only properties that were gone before the roles changed can be missed on the origin.
    fn is_unsayable(&self, part: Part) -> bool {
        !self.nulls && (part == Part::Tags || self.phase != Phase::InSync)
    }

    /// Whether the comparison may bring back what is taken away now. What was set on the former hub while it was active,
    /// between two promotions of one rejoining, is in no note; the comparison finds it in the twin, and where a client of
    /// the active hub takes that member away at the same moment, only an event tells, which may be heard too late.
    fn is_missed_by_the_comparison(&self, part: Part) -> bool {
        let was_active_before = self.terms.is_some_and(|terms| terms.epoch > terms.diverged.epoch);
        self.phase == Phase::Closing && was_active_before && part != Part::Tags
    }

    fn client(&mut self, at_former: bool, part: Part, path: &Path, removes: bool) {
        if removes && (self.is_unsayable(part) || self.is_missed_by_the_comparison(part)) {
            return;
        }
        let mut hub =
            if at_former && self.phase == Phase::Moving { self.active.other() } else { self.active };
        if part == Part::Reported {
            hub = self.device;
        }
        let value = (!removes).then(|| Value::from(self.accepted.len()));
        let mut patch = value.clone().unwrap_or_default();
        for name in path.iter().rev() {
            patch = json!({ name: patch });
        }
        let twin = self.hub(hub).twin();
        let is_scalar =
            |above: &&[String]| member(part.of(&twin), above).is_some_and(|value| !value.is_object());
        let replaced = (1..path.len()).map(|length| &path[..length]).find(is_scalar).unwrap_or(path).to_vec();
        let now = self.now;
        let object = |value: Value| -> Object { value.as_object().cloned().unwrap() };
        match part {
            Part::Tags => self.hub_mut(hub).patch_twin(&object(json!({"tags": patch})), now),
            Part::Desired => {
                self.hub_mut(hub).patch_twin(&object(json!({"properties": {"desired": patch}})), now);
            }
            Part::Reported => self.hub_mut(hub).patch_reported(&object(patch), now),
        }
        self.accepted.push(Accepted { by: hub, at: now, part, path: path.clone(), value, replaced });
    }

    fn connect(&mut self) {
        for role in [HubRole::Primary, HubRole::Secondary] {
            self.hubs[role as usize].is_connected = self.is_online && self.device == role;
        }
    }

    fn device_moves(&mut self) {
        if self.phase != Phase::Promoting {
            self.device = self.active;
            self.connect();
        }
    }

    /// The first step of a promotion: nobody gets a lease any more.
    pub(super) fn cut(&mut self) {
        self.now = (self.now / TICK + 1) * TICK;
        self.phase = Phase::Promoting;
    }

    /// The second step, after the last lease; clients have moved after `moving` commands.
    pub(super) fn promote(&mut self, moving: usize) {
        self.processes = Default::default();
        self.now = (self.now / TICK + 1) * TICK;
        self.epoch += 1;
        let origin = self.active;
        let since = time(self.now);
        let diverged =
            self.terms.map_or(Diverged { epoch: self.epoch, origin, since }, |terms| terms.diverged);
        self.active = self.active.other();
        self.terms = Some(Terms {
            former: self.active.other(),
            active: self.active,
            diverged,
            moved_by: time(self.now + (moving as i64 + 2) * TICK),
            epoch: self.epoch,
            closing: false,
            compared: false,
        });
        self.phase = Phase::Moving;
        self.now += TICK;
    }

    /// Clients have moved.
    pub(super) fn moved(&mut self) {
        self.phase = Phase::Moved;
        self.device_moves();
        self.now += 2 * TICK;
    }

    /// What a rejoining waits for: every event is delivered, and nothing is pending.
    pub(super) fn wait_for_all(&mut self) {
        self.is_silent = false;
        for _ in 0..20 {
            self.finish_processes();
            for hub in [HubRole::Primary, HubRole::Secondary] {
                self.take(0, |process, world| process.batch(world, hub, 0, usize::MAX));
                self.finish_processes();
            }
            if self.note.as_ref().is_some_and(|note| note.reason.is_trouble() || note.epoch < self.epoch) {
                self.take(0, |process, world| process.look(world));
                self.finish_processes();
            }
            self.now = (self.now / TICK + 1) * TICK;
        }
        let acknowledged = self.acknowledged;
        assert_eq!(acknowledged, [self.hubs[0].log.len(), self.hubs[1].log.len()], "it comes to rest");
    }

    pub(super) fn finish_processes(&mut self) {
        for number in [0, 1] {
            while !self.processes[number].is_idle() {
                self.take(number, |process, world| process.step(world));
            }
        }
    }

    /// The comparison begins; `end` ends it.
    pub(super) fn begin_closing(&mut self) {
        self.phase = Phase::Closing;
        self.terms.iter_mut().for_each(|terms| terms.closing = true);
        self.is_closed = false;
    }

    /// The comparison is done once, and the standby is in sync.
    pub(super) fn end(&mut self) {
        self.is_silent = false;
        for _ in 0..20 {
            if !self.is_closed {
                self.finish_processes();
                self.take(0, |process, world| process.look(world));
                self.finish_processes();
            }
        }
        assert!(self.is_closed, "the comparison ends: {:?}", self.note);
        (self.terms, self.phase) = (None, Phase::InSync);
    }

    /// Notes that were kept for the rejoining only.
    pub(super) fn forget_rests(&mut self) {
        self.note.take_if(|note| note.reason == Reason::Rejoining);
    }

    /// In sync, whatever was listed meanwhile is compared.
    pub(super) fn compare_the_rest(&mut self) {
        self.wait_for_all();
        self.take(0, |process, world| process.look(world));
        self.finish_processes();
    }

    /// The device is gone, so that its reported properties can be written.
    pub(super) fn device_goes(&mut self) {
        self.is_online = false;
        self.connect();
    }
}
