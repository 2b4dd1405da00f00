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
//! | 130 | `check --deep` was interrupted |
//!
//! `status` has codes of its own, for monitoring: 0, 1 and 2 for HEALTHY, DEGRADED and BROKEN.

mod check;
mod context;
mod dead_letters;
mod hub;
mod init;
mod listing;
mod losses;
mod members;
mod operator;
mod output;
mod pending;
mod promote;
mod rejoin;
mod status;
mod strangers;

use clap::Subcommand;

pub use check::CheckArguments;
pub use context::Context;
pub use dead_letters::DeadLetters;
pub use hub::Hub;
pub use listing::{Listing, One};
pub use losses::Losses;
pub use output::exit;
pub use pending::PendingCommand;
pub use promote::Promote;
pub use rejoin::Rejoin;
pub use status::StatusArguments;

use crate::routing::HubRole;

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
    /// Says whether a failover would work, and shows the record, both hubs, what is pending, dead letters, duties, and how
    /// far each partition is; exit code 0 when all is well, 1 when a failover would cost something, 2 when devices have no hub
    Status(StatusArguments),
    /// Makes the other hub the active one
    Promote(Promote),
    /// Tries the settings against both hubs and storage, and says what is missing; with --deep the path of events, too
    Check(CheckArguments),
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

/// Does it; the exit code.
pub async fn run(command: Command, context: &Context) -> u8 {
    match command {
        Command::Init { active, hubs_replaced } => {
            init::run(context, active.map(HubRole::from), hubs_replaced).await
        }
        Command::Status(arguments) => status::run(context, arguments).await,
        Command::Promote(arguments) => promote::run(context, arguments).await,
        Command::Check(arguments) => check::run(context, arguments).await,
        Command::Rejoin(arguments) => rejoin::run(context, arguments).await,
        Command::Pending(command) => pending::run(context, command).await,
        Command::Losses(command) => losses::run(context, command).await,
        Command::DeadLetters(command) => dead_letters::run(context, command).await,
    }
}
