//! `iot-hadr status`: one line that says whether a failover would work, and below it what that is known from.

mod health;
mod seen;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use health::Health;
use jiff::Timestamp;
pub(super) use seen::is_silent;
use seen::{Counts, Kept, Status, UNREADABLE, look};
use serde_json::{Value, json};

use super::context::Context;
use super::output::{age, counted, exit, is_terminal, show, show_json, storage_failed};
use crate::iothub::{HubError, Statistics};
use crate::replication::UnknownHub;
use crate::routing::{DutyHolder, PartitionProgress, Phase, RoutingRecord, StandbyState, Stored};

/// How often `--watch` looks: two calls to each hub, of a limit that may be one a second.
const WATCH: Duration = Duration::from_secs(5);
/// Clears a terminal and begins at its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// How `status` shows what it sees.
#[derive(Debug, Clone, Copy, Args)]
pub struct StatusArguments {
    /// One JSON document; exit code 0 whatever it says, 69 without storage
    #[arg(long)]
    json: bool,
    /// Again every five seconds, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

pub(super) async fn run(context: &Context, StatusArguments { json, watch }: StatusArguments) -> u8 {
    loop {
        let status = look(context).await;
        let now = Timestamp::now();
        let health = Health::of(&status, now);
        if json {
            show_json(&document(&status, &health));
            return status.kept.as_ref().err().map_or(exit::DONE, storage_failed);
        }
        let shown = std::iter::once(health.to_string()).chain(lines(&status, now, is_terminal()));
        let clear = if watch && is_terminal() { CLEAR } else { "" };
        show(&format!("{clear}{}", shown.collect::<Vec<_>>().join("\n")));
        if !watch {
            return health.exit_code();
        }
        tokio::time::sleep(WATCH).await;
    }
}

fn document(status: &Status, health: &Health) -> Value {
    let hubs: BTreeMap<String, Value> = status
        .hubs
        .iter()
        .map(|(role, host, answer)| (role.to_string(), hub_document(host, answer)))
        .collect();
    let mut document = match &status.kept {
        Ok(kept) => kept_document(kept),
        Err(error) => json!({"record": null, "storage": error.to_string()}),
    };
    if let Some(members) = document.as_object_mut() {
        members.insert("hubs".to_owned(), json!(hubs));
        members.insert("health".to_owned(), json!({"state": health.word(), "reasons": health.reasons()}));
    }
    document
}

fn kept_document(kept: &Kept) -> Value {
    json!({
        "record": kept.record.as_ref().map(|stored| &stored.record),
        "rejoining": kept.rejoining.as_ref().map(|progress| progress.document(kept.pending)),
        "pending": kept.pending,
        "strays": kept.strays,
        "unreadable": kept.unreadable,
        "deadLetters": kept.dead_letters,
        "partitions": kept.partitions,
        "duties": kept.duties,
        "otherHubs": kept.other_hubs,
        "unknownHubs": kept.unknown_hubs,
    })
}

fn hub_document(host: &str, answer: &Result<Counts, HubError>) -> Value {
    match answer {
        Ok(Counts { registry, connected }) => json!({
            "hostName": host,
            "reachable": true,
            "devices": registry.total,
            "enabled": registry.enabled,
            "disabled": registry.disabled,
            "connected": connected,
        }),
        Err(error) => json!({"hostName": host, "reachable": false, "error": error.to_string()}),
    }
}

fn lines(status: &Status, now: Timestamp, bars: bool) -> Vec<String> {
    let hubs = status.hubs.iter().map(|(role, host, answer)| match answer {
        Ok(Counts { registry, connected }) => {
            let connected = connected.map_or_else(String::new, |count| format!(", {count} connected"));
            let Statistics { total, disabled, .. } = registry;
            format!("{role:<14}{host}: reachable, {total} devices ({disabled} disabled){connected}")
        }
        Err(error) => format!("{role:<14}{host}: {error}"),
    });
    let kept = match &status.kept {
        Ok(kept) => kept,
        Err(error) => return hubs.chain([format!("{:<14}{error}", "storage")]).collect(),
    };
    let mut lines = record_lines(kept.record.as_ref(), now);
    lines.extend(kept.rejoining.iter().flat_map(|progress| progress.lines(now, bars)));
    lines.extend(kept.other_hubs.iter().map(|why| format!("WRONG         {why}")));
    lines.extend(kept.unknown_hubs.iter().map(|hub| unknown_hub_line(hub, now)));
    lines.extend(hubs);
    lines.push(format!("{:<14}{}", "pending", counted(kept.pending)));
    lines.extend(strays_line(kept.strays));
    lines.extend(unreadable_line(kept.unreadable));
    lines.push(format!("{:<14}{}", "dead letters", counted(kept.dead_letters)));
    lines.extend(kept.duties.iter().map(|duty| duty_line(duty, now)));
    lines.extend(partition_lines(&kept.partitions, now));
    lines
}

fn record_lines(stored: Option<&Stored>, now: Timestamp) -> Vec<String> {
    let Some(Stored { record, .. }) = stored else { return vec!["record        none".to_owned()] };
    let phase = match (record.phase, record.promotion) {
        (Phase::Promoting, Some(promotion)) => format!("promoting {}", promotion.to),
        _ => "steady".to_owned(),
    };
    let state = serde_json::to_value(record.standby_state).unwrap_or_default();
    let cut = record.cut.map_or_else(String::new, |cut| format!(", cut {cut}"));
    let mut lines = vec![
        format!(
            "record        epoch {}, {} active, {} {}, {phase}{cut}, lease {} s",
            record.epoch,
            record.active,
            record.standby,
            state.as_str().unwrap_or_default(),
            record.lease_seconds
        ),
        format!(
            "              by {} {} ago: {}",
            record.changed_by,
            age(record.changed_at, now),
            record.reason
        ),
    ];
    lines.extend(rejoining_line(record));
    lines
}

/// What the rejoining is, and what ends it.
fn rejoining_line(record: &RoutingRecord) -> Option<String> {
    if record.standby_state == StandbyState::InSync {
        return None;
    }
    let origin = record.diverged.map_or(record.standby, |diverged| diverged.origin);
    let (kind, end) = match (record.planned, record.rejoin_accepted) {
        (true, _) => ("a planned", "ends by itself"),
        (false, true) => ("a forced", "its end is accepted: ends by itself"),
        (false, false) => ("a forced", "ends when an operator has accepted it (`iot-hadr rejoin`), and"),
    };
    Some(format!(
        "rejoining     after {kind} promotion: {end} when all that the {origin} hub said before its clients moved \
         is on the other one"
    ))
}

fn duty_line(duty: &DutyHolder, now: Timestamp) -> String {
    let name = format!("duty {}", duty.name);
    let Some(holder) = &duty.holder else { return format!("{name:<14}nobody; free for the next process") };
    let silence = match is_silent(duty, now) {
        true => format!("; not heard of for {}", age(duty.renewed_at, now)),
        false => String::new(),
    };
    format!("{name:<14}{holder}, for {}{silence}", age(duty.since, now))
}

fn unknown_hub_line(hub: &UnknownHub, now: Timestamp) -> String {
    format!("{:<14}{} (last heard of {} ago)", "WRONG", hub.in_words(), age(hub.last_heard, now))
}

fn strays_line(count: usize) -> Option<String> {
    let blobs = if count == 1 { "blob" } else { "blobs" };
    let which = "under pending/ that are no notes: `iot-hadr pending list` names them";
    (count > 0).then(|| format!("{:<14}{} {blobs} {which}", "strays", counted(count)))
}

fn unreadable_line(count: usize) -> Option<String> {
    let notes = if count == 1 { "note" } else { "notes" };
    (count > 0)
        .then(|| format!("{:<14}{} {notes} set aside under {UNREADABLE}", "unreadable", counted(count)))
}

/// One line per event hub: how long ago its newest event was applied, and the partition that is
/// furthest behind.
fn partition_lines(partitions: &[PartitionProgress], now: Timestamp) -> Vec<String> {
    let mut by_hub: BTreeMap<&str, Vec<&PartitionProgress>> = BTreeMap::new();
    for progress in partitions {
        by_hub.entry(&progress.event_hub).or_default().push(progress);
    }
    by_hub.into_iter().map(|(event_hub, partitions)| event_hub_line(event_hub, &partitions, now)).collect()
}

fn event_hub_line(event_hub: &str, partitions: &[&PartitionProgress], now: Timestamp) -> String {
    let newest_event = |progress: &PartitionProgress| progress.enqueued.unwrap_or(progress.applied_at);
    let ages: Vec<String> = partitions
        .iter()
        .take(8)
        .map(|progress| format!("{}: {}", progress.partition, age(newest_event(progress), now)))
        .collect();
    let more = if partitions.len() > ages.len() {
        let oldest = partitions.iter().min_by_key(|progress| newest_event(progress));
        oldest.map_or_else(String::new, |progress| {
            format!(", … {} partitions, oldest {}", partitions.len(), age(newest_event(progress), now))
        })
    } else {
        String::new()
    };
    format!("{event_hub}: newest event applied, age per partition: {}{more}", ages.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::COUNTED;

    #[test]
    fn notes_set_aside_are_named_when_there_are_any() {
        assert_eq!(unreadable_line(0), None);
        let one = unreadable_line(1);
        assert_eq!(one.as_deref(), Some("unreadable    1 note set aside under unreadable/"));
        let many = unreadable_line(COUNTED);
        assert_eq!(many.as_deref(), Some("unreadable    10000 or more notes set aside under unreadable/"));
    }
}
