//! `iot-hadr promote`.

use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::hub::Hub;
use super::operator::operator;
use super::output::{complain, exit, show, storage_failed};
use crate::fleet::{CannotDrain, Lag, Markers, drain};
use crate::iothub::{Deadline, HubErrorKind};
use crate::pending::{ChangedList, PendingStore};
use crate::routing::{
    self, HubRole, Promoted, PromotionError, PromotionKind, PromotionRequest, RoutingRecord, StandbyState,
    Stored, probe_present,
};

/// How long a dry run waits to see how far behind the standby is.
const LOOK: Duration = Duration::from_secs(10);

/// How long a hub that is to be taken for lost has to answer: nobody wants to wait then.
const ANSWERS: Duration = Duration::from_secs(3);

/// Why a forced promotion is not begun.
const WITHOUT_NEED: &str = "not promoted: the active hub answers. Without --force, nothing that it said waits for an \
    operator; add --yes to promote by force all the same";

/// Partitions named in a message.
const SHOWN: usize = 8;

/// The arguments of `promote`.
#[derive(Debug, Clone, Args)]
pub struct Promote {
    /// The hub that is to become active
    #[arg(long, value_enum)]
    to: Hub,
    /// Why; kept in the record
    #[arg(long)]
    reason: String,
    /// The active hub is lost: do not ask it; its rejoining ends once `rejoin --accept` says so
    #[arg(long)]
    force: bool,
    /// With --force: promote although the active hub answers
    #[arg(long, requires = "force")]
    yes: bool,
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

pub(super) async fn run(context: &Context, arguments: Promote) -> u8 {
    let kind = if arguments.force { PromotionKind::Forced } else { PromotionKind::Planned };
    if kind == PromotionKind::Planned || arguments.dry_run {
        match ready(context, &arguments).await {
            Ok(true) => {}
            Ok(false) => return if arguments.dry_run { exit::DONE } else { exit::REFUSED },
            Err(code) => return code,
        }
    } else if !arguments.yes && active_answers(context, arguments.to.into()).await {
        complain(WITHOUT_NEED);
        return exit::REFUSED;
    }
    let request =
        PromotionRequest { to: arguments.to.into(), kind, reason: arguments.reason, by: operator() };
    match routing::promote(&context.clients.records, &context.clients.hubs, &request, complain).await {
        Ok(promoted) => {
            show(&words(&promoted));
            exit::DONE
        }
        Err(PromotionError::Record(error)) => storage_failed(&error),
        Err(error) => {
            complain(&format!("not promoted: {error}"));
            exit::REFUSED
        }
    }
}

/// Whether a promotion to `to` would take a hub for lost that answers. Any definite answer counts, a refusal too.
async fn active_answers(context: &Context, to: HubRole) -> bool {
    let records = &context.clients.records;
    // What is wrong with the record, or nothing to do, the promotion itself says.
    let Ok(Some(Stored { record, .. })) = records.read().await else { return false };
    let begins = record.promotion.is_none() && record.active != to && records.other_hubs(&record).is_none();
    if !begins {
        return false;
    }
    match probe_present(context.clients.hubs.get(record.active), Deadline::after(ANSWERS)).await {
        Ok(_) => true,
        Err(error) => {
            matches!(error.kind, HubErrorKind::Denied | HubErrorKind::Throttled | HubErrorKind::Rejected)
        }
    }
}

/// Whether to go on: the standby has all that the active hub said up to seconds ago.
async fn ready(context: &Context, arguments: &Promote) -> Result<bool, u8> {
    let records = &context.clients.records;
    let Some(stored) = records.read().await.map_err(|error| storage_failed(&error))? else { return Ok(true) };
    let record = &stored.record;
    let is_promotion = record.promotion.is_none()
        && record.active != arguments.to.into()
        && record.standby_state == StandbyState::InSync;
    if !is_promotion {
        // What is wrong, or nothing to do, the promotion itself says.
        if arguments.dry_run {
            show(&not_now(record, arguments.to.into()));
        }
        return Ok(!arguments.dry_run);
    }
    let active = context.clients.hubs.get(record.active).clone();
    let markers = Markers::new(active, record.active, context.clients.store.clone());
    let store = PendingStore::new(context.clients.store.clone());
    let at_most = if arguments.dry_run { LOOK } else { Duration::from_secs(arguments.drain_timeout_seconds) };
    let waiting = |lag: &Lag, left: Duration| {
        complain(&format!("waiting, {} s more at most: {}", left.as_secs(), in_words(lag)));
    };
    let changed = ChangedList::new(context.clients.store.clone());
    match drain(markers, &store, &changed, at_most, arguments.accept_pending, waiting).await {
        Ok(lag) if arguments.dry_run => {
            let would =
                if lag.is_none(arguments.accept_pending) { "would promote now" } else { "would wait" };
            show(&format!("{would}: {}", in_words(&lag)));
            Ok(false)
        }
        Ok(lag) if lag.is_none(arguments.accept_pending) || (at_most.is_zero() && !lag.comparing) => {
            show(&in_words(&lag));
            Ok(true)
        }
        Ok(lag) => {
            complain(&format!(
                "not promoted: {}; --drain-timeout-seconds 0 does not wait for events, --accept-pending leaves \
                 pending identities as they are: what the active hub said of them stays to be brought over",
                in_words(&lag)
            ));
            Ok(false)
        }
        Err(CannotDrain::Hub(error)) => {
            complain(&format!(
                "not promoted: a planned promotion needs both hubs, and the {} one does not answer: {error}; --force \
                 promotes without it",
                record.active
            ));
            Err(exit::REFUSED)
        }
        Err(CannotDrain::Storage(error)) => Err(storage_failed(&error.into())),
    }
}

/// Why a planned promotion to `to` cannot be tried.
fn not_now(record: &RoutingRecord, to: HubRole) -> String {
    match (&record.promotion, record.active == to) {
        (Some(_), _) => "a promotion is under way".to_owned(),
        (None, true) => format!("{to} is active already"),
        (None, false) => format!("{to} is rejoining: only --force promotes it"),
    }
}

fn in_words(lag: &Lag) -> String {
    let pending = match lag.pending {
        0 => "nothing pending".to_owned(),
        n => format!("{n} pending (`iot-hadr pending list`)"),
    };
    if lag.partitions == 0 {
        return format!("no event of the active hub has come through any partition yet, {pending}");
    }
    if lag.comparing {
        return format!("what changed while the standby was rejoining is compared still, {pending}");
    }
    if lag.behind.is_empty() {
        return format!("the standby has all that the active hub said seconds ago, {pending}");
    }
    let names: Vec<&str> = lag.behind.iter().take(SHOWN).map(|behind| behind.partition.as_str()).collect();
    format!(
        "{} of {} partitions have not applied what the active hub said when this began ({}), {pending}",
        lag.behind.len(),
        lag.partitions,
        names.join(", ")
    )
}

fn words(promoted: &Promoted) -> String {
    match promoted {
        Promoted::AlreadyActive(Stored { record, .. }) => {
            format!("{} is active already (epoch {}); nothing changed", record.active, record.epoch)
        }
        Promoted::Done(Stored { record, .. }) => {
            let end = match record.planned {
                true => "that ends by itself",
                false => "`iot-hadr rejoin` shows and ends that",
            };
            format!(
                "{} is active (epoch {}); {} is rejoining: what it still says is brought over, and nothing is written \
                 to it; {end}",
                record.active, record.epoch, record.standby
            )
        }
        Promoted::Aborted(Stored { record, .. }) => format!(
            "the promotion to {} that was under way is given up; {} stays active (epoch {})",
            record.standby, record.active, record.epoch
        ),
    }
}
