//! Keeps the handler running within the host's rules.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::exit::{End, ErrorCount, Reaction};
use super::{Handler, Kill, Launch, Order, Phase, Status};
use crate::error::HostError;
use crate::log::WORKER;

/// How often the handler is asked whether it answers.
const READINESS_INTERVAL: Duration = Duration::from_millis(25);

/// Owns the handler's process. [`Supervisor::run`] ends only when the host has to.
pub(crate) struct Supervisor {
    launch: Launch,
    client: reqwest::Client,
    errors: ErrorCount,
    status: watch::Sender<Status>,
    kills: mpsc::Receiver<Order>,
    stop: CancellationToken,
}

/// What [`Supervisor::watch`] saw.
enum Seen {
    Ended(End),
    Stopped,
}

impl Supervisor {
    /// Prepares the supervisor and the handle for everybody else. Nothing is started yet.
    pub(crate) fn new(
        launch: Launch,
        client: reqwest::Client,
        max_restarts: u32,
        stop: CancellationToken,
    ) -> (Self, Handler) {
        let (status, receiver) = watch::channel(Status { phase: Phase::Starting, pid: None, restarts: 0 });
        let (sender, kills) = mpsc::channel(8);
        let handler = Handler { port: launch.port, status: receiver, kills: sender };
        (Self { launch, client, errors: ErrorCount::new(max_restarts), status, kills, stop }, handler)
    }

    /// Starts the handler, restarts it as the host would, and kills it when told to stop.
    ///
    /// # Errors
    /// When the handler cannot be started, or has failed too often.
    pub(crate) async fn run(mut self) -> Result<(), HostError> {
        let outcome = self.keep_running().await;
        self.status.send_modify(|status| status.phase = Phase::Gone);
        outcome
    }

    async fn keep_running(&mut self) -> Result<(), HostError> {
        loop {
            let mut child = self.launch.start()?;
            let pid = child.id();
            self.status.send_modify(|status| (status.phase, status.pid) = (Phase::Starting, pid));
            let seen = self.watch(&mut child).await;
            kill_group(&mut child).await;
            let Seen::Ended(end) = seen else { return Ok(()) };
            self.launch
                .log
                .error(WORKER, &format!("The handler's process {} ended: {end:?}", pid.unwrap_or_default()));
            if !self.react(end).await? {
                return Ok(());
            }
            // Whoever waits for the handler must not see the dead one as ready.
            self.status.send_modify(|status| {
                (status.phase, status.pid) = (Phase::Starting, None);
                status.restarts += 1;
            });
        }
    }

    /// Whether to start again (`true`) or to stop quietly.
    async fn react(&mut self, end: End) -> Result<bool, HostError> {
        match self.errors.react(end, Instant::now()) {
            Reaction::Restart => Ok(true),
            Reaction::StopHost => Err(HostError::Crashed),
            Reaction::Ignore => {
                self.status.send_modify(|status| status.pid = None);
                let stop = self.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => Ok(false),
                    order = self.kills.recv() => Ok(order.is_some()),
                }
            }
        }
    }

    /// Waits for the end of the process, or for what ends it.
    async fn watch(&mut self, child: &mut Child) -> Seen {
        let stop = self.stop.clone();
        let (client, status) = (self.client.clone(), self.status.clone());
        let readiness = report_ready(client, self.launch.port, status);
        let mut readiness = std::pin::pin!(readiness);
        let deadline = tokio::time::sleep(self.launch.host.initialization_timeout);
        let mut deadline = std::pin::pin!(deadline);
        let (mut ready, mut silent_exit, mut by_host) = (false, false, None);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Seen::Stopped,
                () = &mut readiness, if !ready && !silent_exit => ready = true,
                () = &mut deadline, if !ready => return Seen::Ended(End::NeverReady),
                Some(order) = self.kills.recv() => {
                    if order.pid != child.id() {
                        continue;
                    }
                    by_host = by_host.or((order.why == Kill::FunctionTimeout).then_some(End::TimedOut));
                    send_kill(child);
                }
                status = child.wait(), if !silent_exit => {
                    let code = status.ok().and_then(|status| status.code());
                    if code == Some(0) && !ready {
                        // The real host notices only when the readiness timeout runs out.
                        silent_exit = true;
                        continue;
                    }
                    return Seen::Ended(by_host.unwrap_or(code.map_or(End::Killed, End::Exited)));
                }
            }
        }
    }
}

/// Asks until the handler gives any answer, then says so.
async fn report_ready(client: reqwest::Client, port: u16, status: watch::Sender<Status>) {
    let url = format!("http://127.0.0.1:{port}/");
    while client.get(&url).send().await.is_err() {
        tokio::time::sleep(READINESS_INTERVAL).await;
    }
    status.send_modify(|status| status.phase = Phase::Ready);
}

/// SIGKILL to the whole group. The child is not reaped before this, so its id cannot be another's.
fn send_kill(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

async fn kill_group(child: &mut Child) {
    send_kill(child);
    let _ = child.wait().await;
}
