//! The command line: `iot-hadr init`, `status`, `promote`, `rejoin`, `check`, `pending`, `losses`,
//! `dead-letters`.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done, or nothing to do |
//! | 1 | refused, not found, still pending, or something is wrong; the reason is shown |
//! | 2 | the command line itself is wrong |
//! | 64 | bad settings |
//! | 69 | storage gives no answer |

mod check;
mod dead_letters;
mod init;
mod losses;
mod output;
mod pending;
mod promote;
mod rejoin;
mod status;
mod strangers;

use clap::{Args, Subcommand, ValueEnum};

pub use dead_letters::DeadLetters;
pub use losses::Losses;
pub use output::exit;
pub use pending::PendingCommand;
pub use rejoin::Rejoin;

use crate::config::{Clients, Config};
use crate::pending::Pending;
use crate::reconcile::{Parts, Reconciler};
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
    /// What the rejoining of a former active hub waits for, and the word that ends a forced one
    Rejoin(Rejoin),
    /// Identities that are not right yet
    #[command(subcommand)]
    Pending(PendingCommand),
    /// What two hubs disagreed on, and which value was kept
    #[command(subcommand)]
    Losses(Losses),
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
    /// Show how far behind the standby is and what is pending, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for the events of the active hub to be applied, in seconds; 0 does not wait
    #[arg(long, default_value_t = 120)]
    drain_timeout_seconds: u64,
    /// Promote although identities are pending; what the active hub said of them is brought over later
    #[arg(long)]
    accept_pending: bool,
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
    /// The notes and what pays them off, for commands that write.
    fn pending(&self) -> Pending {
        let Clients { hubs, store, records, .. } = self.clients.clone();
        let reconciler = Reconciler::new(Parts {
            primary: hubs.primary,
            secondary: hubs.secondary,
            leases: LeaseKeeper::new(records),
            store,
            max_in_flight: self.config.max_in_flight,
            deletes_per_hour: self.config.deletes_per_hour,
        });
        Pending::new(reconciler, self.config.router_valid)
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
        Command::Rejoin(arguments) => rejoin::run(context, arguments).await,
        Command::Pending(command) => pending::run(context, command).await,
        Command::Losses(command) => losses::run(context, command).await,
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
