//! The command line: `iot-hadr init`, `status`, `promote`, `check`, `owed`, `dead-letters`.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done, or nothing to do |
//! | 1 | refused, not found, still owed, or something is wrong; the reason is shown |
//! | 2 | the command line itself is wrong |
//! | 64 | bad settings |
//! | 69 | storage gives no answer |

mod check;
mod dead_letters;
mod init;
mod output;
mod owed;
mod promote;
mod status;
mod strangers;

use clap::{Args, Subcommand, ValueEnum};

pub use dead_letters::DeadLetters;
pub use output::exit;
pub use owed::Owed;

use crate::config::{Clients, Config};
use crate::replication::{Engine, Parts};
use crate::routing::{HubRole, LeaseKeeper, RecordError};

/// What the operator asks for.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Makes the routing record and the probe identities; changes no role that is there
    Init {
        /// After a loss of the record: which hub is active (otherwise the last one known)
        #[arg(long, value_enum)]
        active: Option<Hub>,
        /// A hub was really replaced: the record shall be about the hubs of the settings from now on
        #[arg(long)]
        hubs_replaced: bool,
    },
    /// Shows the record, both hubs, what is owed, dead letters, duties, and how far each partition is
    Status {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Makes the other hub the active one
    Promote(Promote),
    /// Tries the settings against both hubs and storage, and says what is missing
    Check,
    /// Identities that are not right yet
    #[command(subcommand)]
    Owed(Owed),
    /// Events that name no identity or can never be understood
    #[command(subcommand)]
    DeadLetters(DeadLetters),
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

/// What commands work with.
#[derive(Debug)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// What they lead to.
    pub clients: Clients,
}

impl Context {
    /// Replication, for commands that write.
    fn engine(&self) -> Engine {
        let Clients { hubs, store, records, .. } = self.clients.clone();
        Engine::new(Parts {
            primary: hubs.primary,
            secondary: hubs.secondary,
            authority: LeaseKeeper::new(records),
            store,
            max_in_flight: self.config.max_in_flight,
            deletes_per_hour: self.config.deletes_per_hour,
        })
    }
}

/// Does it; the exit code.
pub async fn run(command: Command, context: &Context) -> u8 {
    match command {
        Command::Init { active, hubs_replaced } => {
            init::run(context, active.map(HubRole::from), hubs_replaced).await
        }
        Command::Status { json } => status::run(context, json).await,
        Command::Promote(arguments) => promote::run(context, arguments).await,
        Command::Check => check::run(context).await,
        Command::Owed(command) => owed::run(context, command).await,
        Command::DeadLetters(command) => dead_letters::run(context, command).await,
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
