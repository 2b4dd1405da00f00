//! The command line: `iot-hadr init`, `status`, `promote`, `check`.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done, or nothing to do |
//! | 1 | refused, or something is wrong; the reason is on stderr |
//! | 2 | the command line itself is wrong |
//! | 64 | bad settings |
//! | 69 | storage gives no answer |

mod check;
mod init;
mod output;
mod promote;
mod status;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

pub use output::exit;

use crate::routing::{HubRole, Hubs, RecordError, RecordStore};
use crate::storage::{Account, Container};

/// What the operator asks for.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Makes the routing record and the probe identities; changes nothing that is there
    Init {
        /// After a loss of the record: which hub is active (otherwise the last one known)
        #[arg(long, value_enum)]
        active: Option<Hub>,
    },
    /// Shows the record, both hubs, what is owed, dead letters, and how far each partition is
    Status {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Makes the other hub the active one
    Promote(Promote),
    /// Tries the settings against both hubs and storage, and says what is missing
    Check,
}

/// The arguments of `promote`.
#[derive(Debug, Clone, Args)]
pub struct Promote {
    /// The hub that is to become active
    #[arg(long, value_enum)]
    to: Hub,
    /// Why; kept in the record
    #[arg(long)]
    reason: String,
    /// The active hub is lost: do not ask it, and leave it rejoining
    #[arg(long)]
    force: bool,
    /// How long to wait for the backlog to be applied, in seconds
    #[arg(long, default_value_t = 120)]
    drain_timeout_seconds: u64,
    /// Do not compare the hubs identity by identity (very large fleets)
    #[arg(long)]
    skip_comparison: bool,
}

/// A hub by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hub {
    /// `iothub1`
    Primary,
    /// `iothub2`
    Secondary,
}

impl From<Hub> for HubRole {
    fn from(hub: Hub) -> Self {
        match hub {
            Hub::Primary => Self::Primary,
            Hub::Secondary => Self::Secondary,
        }
    }
}

/// What commands work with, made from the settings.
#[derive(Debug)]
pub struct Context {
    /// Both hubs.
    pub hubs: Hubs,
    /// The storage account.
    pub account: Account,
    /// The app's container.
    pub container: Container,
    /// Record and witness.
    pub store: RecordStore,
    /// The lease of a record that is made here.
    pub lease: Duration,
}

impl Context {
    /// With the app's container of this name.
    pub fn new(hubs: Hubs, account: Account, container: &str, lease: Duration) -> Self {
        let store = RecordStore::new(&account, container);
        Self { hubs, container: account.container(container), account, store, lease }
    }
}

/// Does it; the exit code.
pub async fn run(command: Command, context: &Context) -> u8 {
    match command {
        Command::Init { active } => init::run(context, active.map(HubRole::from)).await,
        Command::Status { json } => status::run(context, json).await,
        Command::Promote(arguments) => promote::run(context, arguments).await,
        Command::Check => check::run(context).await,
    }
}

/// Who gives the order, for the record: `user@host`.
fn operator() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "operator".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => user,
        host => format!("{user}@{host}"),
    }
}

fn storage_failed(error: &RecordError) -> u8 {
    output::complain(&error.to_string());
    match error {
        RecordError::Unavailable(_) => exit::NO_STORAGE,
        RecordError::Lost | RecordError::Refused(_) | RecordError::Unreadable(_) => exit::REFUSED,
    }
}
