//! Timer triggers.

mod payload;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use schedule::Schedule;

use crate::app::{Function, TimerTrigger};
use crate::error::HostError;
use crate::event_hub::Positions;
use crate::invocation::{Attempts, Failure, Runner};
use payload::ScheduleStatus;

/// A timer function, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct TimerFunction {
    pub(crate) function: Function,
    trigger: TimerTrigger,
    schedule: Schedule,
}

impl TimerFunction {
    /// # Errors
    /// When the schedule cannot be read.
    pub(crate) fn new(function: Function, trigger: TimerTrigger) -> Result<Self, HostError> {
        let schedule = Schedule::parse(&trigger.schedule)
            .map_err(|reason| HostError::rejected(format!("{}/function.json: {reason}", function.name)))?;
        Ok(Self { function, trigger, schedule })
    }
}

/// All timers, by name. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Timers {
    /// Orders to run one now; by hand with an input.
    runs: Arc<Vec<(String, mpsc::Sender<Option<String>>)>>,
    in_flight: Arc<AtomicU32>,
}

impl Timers {
    /// Starts one loop per timer. A timer never overlaps itself.
    pub(crate) fn start(
        functions: Vec<TimerFunction>,
        runner: &Runner,
        positions: &Positions,
        stop: &CancellationToken,
    ) -> Self {
        let in_flight = Arc::new(AtomicU32::new(0));
        let mut runs = Vec::new();
        for timer in functions {
            let (sender, receiver) = mpsc::channel(16);
            runs.push((timer.function.name.clone(), sender));
            let busy = Busy { in_flight: Arc::clone(&in_flight), positions: positions.clone() };
            tokio::spawn(keep_time(timer, runner.clone(), receiver, busy, stop.clone()));
        }
        Self { runs: Arc::new(runs), in_flight }
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.runs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Runs a timer at once, or right after its present run. `false`: there is no such timer.
    pub(crate) async fn run_now(&self, name: &str, input: Option<String>) -> bool {
        let Some((_, run)) = self.runs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return false;
        };
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        if run.send(input).await.is_err() {
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// Whether a timer runs, or is about to by order.
    pub(crate) fn busy(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) > 0
    }
}

/// Counts timers in flight, and tells whoever waits for idleness.
struct Busy {
    in_flight: Arc<AtomicU32>,
    positions: Positions,
}

impl Busy {
    fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.positions.nudge();
    }
}

/// Timers have no position to show.
struct Unwatched;

impl Attempts for Unwatched {
    fn begins(&self, _: i64, _: Option<&Failure>) {}
}

async fn keep_time(
    timer: TimerFunction,
    runner: Runner,
    mut orders: mpsc::Receiver<Option<String>>,
    busy: Busy,
    stop: CancellationToken,
) {
    let mut status = ScheduleStatus::new(&timer.schedule, Timestamp::now());
    let mut due = if timer.trigger.run_on_startup { Timestamp::now() } else { status.next };
    loop {
        let wait = due.duration_since(Timestamp::now()).try_into().unwrap_or_default();
        let input = tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {
                busy.begin();
                None
            }
            Some(input) = orders.recv() => input,
        };
        run(&timer, input.as_deref(), &runner, &mut status, &stop).await;
        busy.end();
        due = status.next;
    }
}

async fn run(
    timer: &TimerFunction,
    input: Option<&str>,
    runner: &Runner,
    status: &mut ScheduleStatus,
    stop: &CancellationToken,
) {
    let begun = Timestamp::now();
    let shown = timer.trigger.use_monitor && !timer.schedule.runs_within_a_minute(begun);
    let envelope = payload::envelope(&timer.function, &timer.schedule, shown.then_some(&*status), input);
    let reason = format!("Timer fired at {begun}");
    runner.run(&timer.function, &Ok(envelope), &reason, &Unwatched, stop).await;
    *status = ScheduleStatus {
        last: Some(begun),
        next: timer.schedule.next_after(Timestamp::now()),
        updated: Some(begun),
    };
}
