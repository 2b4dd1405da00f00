//! `iot-hadr promote`.

use super::output::{complain, exit, show};
use super::{Context, Promote, operator, storage_failed};
use crate::routing::{self, Promoted, PromotionError, PromotionKind, PromotionRequest, StandbyState, Stored};

pub(super) async fn run(context: &Context, arguments: Promote) -> u8 {
    let request = PromotionRequest {
        to: arguments.to.into(),
        kind: if arguments.force { PromotionKind::Forced } else { PromotionKind::Planned },
        reason: arguments.reason,
        by: operator(),
    };
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

fn words(promoted: &Promoted) -> String {
    match promoted {
        Promoted::AlreadyActive(Stored { record, .. }) => {
            format!("{} is active already (epoch {}); nothing changed", record.active, record.epoch)
        }
        Promoted::Done(Stored { record, .. }) => {
            let other = match record.standby_state {
                StandbyState::InSync => "in-sync",
                StandbyState::Rejoining => {
                    "rejoining: nothing is written to it until all that it said is here"
                }
            };
            format!("{} is active (epoch {}); {} is {other}", record.active, record.epoch, record.standby)
        }
        Promoted::Aborted(Stored { record, .. }) => format!(
            "the promotion to {} that was under way is given up; {} stays active (epoch {})",
            record.standby, record.active, record.epoch
        ),
    }
}
