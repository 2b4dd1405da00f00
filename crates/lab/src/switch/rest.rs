//! Coming to rest: when traffic has ended, both hubs are looked at until nothing changes any more.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::account::{self, Evidence};
use super::evidence;
use crate::error::LabError;
use crate::operator;
use crate::terminal::Line;
use crate::world::World;

/// How long both hubs may take to come to rest when traffic has ended.
const SETTLES_WITHIN: Duration = Duration::from_secs(300);
/// When nothing has changed for so long, nothing will.
const AT_REST: Duration = Duration::from_secs(25);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// What is there at one moment.
struct Look {
    idle: bool,
    state: String,
    evidence: Evidence,
    differences: Vec<String>,
}

/// Waits until both hubs are at rest: in-sync, nothing pending, all events worked off, no difference; or until nothing
/// changes any more.
///
/// # Errors
/// When the emulator, a functions host or the app's command line does not answer.
pub(super) async fn settled(world: &World) -> Result<Evidence, LabError> {
    let mut line = Line::start("traffic has ended");
    let deadline = Instant::now() + SETTLES_WITHIN;
    let mut since = Instant::now();
    let mut before = Default::default();
    loop {
        let look = look(world).await?;
        line.show(&look.in_words());
        // While events are on their way something may change.
        let now = (look.in_words(), look.differences.clone());
        if !look.idle || now != before {
            (before, since) = (now, Instant::now());
        }
        if look.is_right() || since.elapsed() > AT_REST || Instant::now() > deadline {
            line.done(&look.in_words());
            return Ok(look.evidence);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(world: &World) -> Result<Look, LabError> {
    let idle = world.hosts_are_idle().await?;
    let status = operator::status(world).await?;
    let state =
        status.pointer("/record/standbyState").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let evidence = evidence::gather(world).await?;
    let differences = account::differences(&evidence);
    Ok(Look { idle, state, evidence, differences })
}

impl Look {
    fn is_right(&self) -> bool {
        self.idle
            && self.state == "in-sync"
            && self.evidence.pending.is_empty()
            && self.differences.is_empty()
    }

    fn in_words(&self) -> String {
        let (pending, differences) = (self.evidence.pending.len(), self.differences.len());
        let events = if self.idle { "events worked off" } else { "events on their way" };
        format!("{} · {pending} pending · {differences} differences · {events}", self.state)
    }
}
