//! `iot-hadr check`: tries the settings by calls that change nothing. With `--deep`, tries the whole path of events as well.

mod deep;
mod diagnosis;
mod finding;

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use deep::SCRATCH_BLOB;
use finding::Finding;
use jiff::Timestamp;

use super::context::Context;
use super::output::{complain, exit, show, show_json};
use crate::config::{BadSetting, Config};
use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind};
use crate::model::{DeviceId, ETag, IdentityId, Object, PROBE_PREFIX};
use crate::routing::{HubRole, probe_identity};
use crate::storage::{Precondition, StorageError};

/// For one call.
const CALL: Duration = Duration::from_secs(8);
/// Tokens and signatures fail when clocks differ by minutes (documented: about five).
const SKEW_SECONDS: i64 = 60;

/// The arguments of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArguments {
    /// Then change a probe's twin on both hubs, make and remove an identity there, and wait until the running app has heard
    /// of it: names the route, subscription, consumer group or hub name that is wrong, or that nothing runs
    #[arg(long)]
    deep: bool,
    /// How long --deep waits at most, in seconds; it ends as soon as all has come through
    #[arg(long, default_value_t = 120, requires = "deep")]
    timeout_seconds: u64,
    /// A JSON array of what was found
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, arguments: CheckArguments) -> u8 {
    let (storage, primary, secondary) = tokio::join!(
        storage(context),
        hub(context.clients.hubs.get(HubRole::Primary), "iothub1"),
        hub(context.clients.hubs.get(HubRole::Secondary), "iothub2"),
    );
    let settings = settings(&context.config);
    let mut findings: Vec<Finding> =
        settings.into_iter().chain(storage).chain(primary).chain(secondary).collect();
    if arguments.deep && !findings.iter().all(Finding::is_fine) {
        complain("the path of events is not tried until what is wrong is mended");
    } else if arguments.deep {
        match deep::run(context, Duration::from_secs(arguments.timeout_seconds)).await {
            Some(found) => findings.extend(found),
            None => return exit::INTERRUPTED,
        }
    }
    if arguments.json {
        show_json(&findings);
    } else {
        findings.iter().flat_map(Finding::lines).for_each(|line| show(&line));
    }
    if findings.iter().all(Finding::is_fine) { exit::DONE } else { exit::REFUSED }
}

/// What ends nothing, and yet no event will come, or can be taken.
fn settings(config: &Config) -> Vec<Finding> {
    if config.faults.is_empty() {
        let fine =
            "settings: the connection to Event Hubs and both consumer groups, which the Functions host reads";
        return vec![Finding::fine(fine.to_owned())];
    }
    let wrong = |BadSetting { name, why }: &BadSetting| Finding::wrong(format!("{name}: {why}"));
    config.faults.iter().map(wrong).collect()
}

async fn storage(context: &Context) -> Vec<Finding> {
    let Context { config, clients } = context;
    let place = format!("AzureWebJobsStorage ({}, {})", clients.account.endpoint(), config.container);
    let (record, scratch) = tokio::join!(
        clients.records.read(),
        clients.store.put(SCRATCH_BLOB, Bytes::from_static(b"{}"), Precondition::None),
    );
    match scratch {
        Ok(written) => {
            let _ = context.clients.store.delete(SCRATCH_BLOB, None).await;
            let mut findings = vec![match record {
                Ok(Some(stored)) if clients.records.other_hubs(&stored.record).is_some() => {
                    Finding::wrong(clients.records.other_hubs(&stored.record).unwrap_or_default())
                }
                Ok(Some(stored)) if stored.record.hubs.is_none() => Finding::wrong(format!(
                    "{place}: the routing record does not know its hubs; `iot-hadr init` adds them"
                )),
                Ok(Some(stored)) => {
                    Finding::fine(format!("{place}: readable, writable, epoch {}", stored.record.epoch))
                }
                Ok(None) => Finding::wrong(format!("{place}: no routing record; `iot-hadr init` makes it")),
                Err(error) => Finding::wrong(format!("{place}: {error}")),
            }];
            findings.extend(skew(written.last_modified, Timestamp::now()));
            findings
        }
        Err(StorageError::NoContainer) => {
            vec![Finding::wrong(format!("{place}: no such container; `iot-hadr init` makes it"))]
        }
        Err(StorageError::Denied(why)) => vec![Finding::wrong(format!(
            "{place}: not allowed ({why}): a wrong key, an expired signature, or this machine's clock is wrong"
        ))],
        Err(error) => vec![Finding::wrong(format!("{place}: {error}"))],
    }
}

fn skew(theirs: Timestamp, ours: Timestamp) -> Option<Finding> {
    let ahead = ours.duration_since(theirs).as_secs();
    (ahead.abs() > SKEW_SECONDS).then(|| {
        Finding::wrong(format!("this machine's clock is {ahead} s ahead of storage's: tokens will fail"))
    })
}

async fn hub(hub: &HubClient, setting: &str) -> Vec<Finding> {
    let settings = hub.settings();
    let place = format!("{setting} ({}, policy {})", settings.host_name, settings.policy);
    if let Err(why) = resolves(&settings.host_name).await {
        return vec![Finding::wrong(format!("{place}: the host name does not resolve: {why}"))];
    }
    let (Some(probe), Some(nobody)) = (probe_identity(), nobody()) else { return Vec::new() };
    let (deadline, no_etag) = (Deadline::after(CALL), ETag::new("AAAAAAAAAAA="));
    let (read, write, twin) = tokio::join!(
        async { hub.identity(&probe, deadline).await.map(|_| ()) },
        hub.delete_identity(&nobody, &no_etag, deadline),
        async { hub.twin(&probe, deadline).await.map(|_| ()) },
    );
    let answers = [("RegistryRead", read), ("RegistryWrite", write), ("ServiceConnect", twin)];
    if let Some(error) = answers.iter().find_map(|(_, answer)| silent(answer)) {
        return vec![Finding::wrong(format!("{place}: {error}"))];
    }
    let missing: Vec<&'static str> =
        answers.iter().filter(|(_, answer)| denied(answer)).map(|(permission, _)| *permission).collect();
    if missing.len() == answers.len() {
        return vec![Finding::wrong(format!(
            "{place}: refused everything: wrong policy name or key, or no permissions"
        ))];
    }
    let has_probe = answers.iter().any(|(_, answer)| answer.is_ok());
    permissions(hub, &place, missing, has_probe.then_some(&probe)).await
}

/// The device protocol is tried as the probe identity: without it nothing can be said.
async fn permissions(
    hub: &HubClient,
    place: &str,
    mut missing: Vec<&'static str>,
    probe: Option<&IdentityId>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    match probe {
        None => {
            findings.push(Finding::wrong(format!("{place}: has no hadr-probe-1; `iot-hadr init` makes it")))
        }
        Some(probe) => match device_protocol(hub, probe).await {
            Ok(()) => {}
            Err(error) if error.kind == HubErrorKind::Denied => missing.push("DeviceConnect"),
            Err(error) => findings.push(Finding::wrong(format!(
                "{place}: the device protocol does not answer on port {}: {error}",
                hub.settings().mqtt_port
            ))),
        },
    }
    if !missing.is_empty() {
        findings.push(Finding::wrong(format!("{place}: the policy lacks {}", missing.join(", "))));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!("{place}: registry, twins and device protocol answer")));
    }
    findings
}

async fn resolves(host_name: &str) -> Result<(), String> {
    let address = if host_name.contains(':') { host_name.to_owned() } else { format!("{host_name}:443") };
    match tokio::net::lookup_host(address).await.map(|mut found| found.next()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("no address".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// An identity that is nowhere: deleting it, at an ETag that nothing has, shows the permission only.
fn nobody() -> Option<IdentityId> {
    format!("{PROBE_PREFIX}nobody").parse::<DeviceId>().ok().map(IdentityId::device)
}

/// Connects as the probe identity; the version makes the hub refuse the patch itself.
async fn device_protocol(hub: &HubClient, probe: &IdentityId) -> Result<(), HubError> {
    match hub.patch_reported(probe, &Object::new(), u64::from(u32::MAX), Deadline::after(CALL)).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind {
            HubErrorKind::Stale | HubErrorKind::Rejected | HubErrorKind::Throttled => Ok(()),
            _ => Err(error),
        },
    }
}

fn denied(answer: &Result<(), HubError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind == HubErrorKind::Denied)
}

/// What says nothing about permissions.
fn silent(answer: &Result<(), HubError>) -> Option<&HubError> {
    answer.as_ref().err().filter(|error| {
        let nothing = [
            HubErrorKind::Unavailable,
            HubErrorKind::Malformed,
            HubErrorKind::Throttled,
            HubErrorKind::NoTurn,
        ];
        nothing.contains(&error.kind)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_clock_that_differs_by_a_minute_or_less_is_fine() {
        let theirs: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(skew(theirs, "2026-01-01T00:01:00Z".parse().unwrap()).is_none());
        assert!(skew(theirs, "2026-01-01T00:01:02Z".parse().unwrap()).is_some());
        assert!(skew(theirs, "2025-12-31T23:58:00Z".parse().unwrap()).is_some());
    }
}
