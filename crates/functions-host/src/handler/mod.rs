//! The custom handler's process: start, readiness, console, exit, restart.

mod console;
mod exit;
mod process;
mod supervisor;

use tokio::sync::{mpsc, watch};

pub(crate) use process::Launch;
pub(crate) use supervisor::Supervisor;

/// How far the handler has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Started, and not yet answering. Invocations wait.
    Starting,
    /// Has answered. It stays so when the handler exits with code 0, as in the real host.
    Ready,
    /// Ended for good. Invocations fail.
    Gone,
}

/// What is known about the handler at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) pid: Option<u32>,
    /// Restarts since the host started, whether they count towards the limit or not.
    pub(crate) restarts: u32,
}

/// Why a kill was ordered: a function that ran too long does not count as a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    ByHand,
    FunctionTimeout,
}

/// The handler as everybody else sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    port: u16,
    status: watch::Receiver<Status>,
    kills: mpsc::Sender<Order>,
}

/// Kill this process, if it is still the present one.
#[derive(Clone, Copy, Debug)]
struct Order {
    pid: Option<u32>,
    why: Kill,
}

impl Handler {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Waits until the handler answers. `false`: it never will.
    pub(crate) async fn ready(&self) -> bool {
        let mut status = self.status.clone();
        let settled = status.wait_for(|status| status.phase != Phase::Starting).await;
        settled.is_ok_and(|status| status.phase == Phase::Ready)
    }

    /// Kills the process with this id, whatever it is doing; the supervisor then decides as after any other death.
    /// Its successor is left alone.
    pub(crate) async fn kill(&self, pid: Option<u32>, why: Kill) {
        // A supervisor that has ended has nothing left to kill.
        let _ = self.kills.send(Order { pid, why }).await;
    }
}
