//! Working through the lists of what changed. What was compared is not compared again, whoever goes on and when.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::super::compare::apparent_differences;
use super::comparing::Comparing;
use super::{AT_ONCE, Rejoin};
use crate::iothub::{Deadline, Lane};
use crate::model::IdentityId;
use crate::pending::Changed;
use crate::reconcile::{HeldLease, Pass};
use crate::routing::RoutingRecord;
use crate::storage::StorageError;

/// Parts of a list compared together.
const PARTS_TOGETHER: usize = 64;

/// How far a comparison came.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Identities that were looked at.
    pub(super) count: usize,
    /// None is left.
    pub(super) is_whole: bool,
    /// The time was over before all were looked at.
    pub(super) is_cut_off: bool,
}

/// What came of some identities.
struct Round {
    left: Vec<Changed>,
    is_cut_off: bool,
    /// Why it could not go on.
    why: Option<String>,
}

impl Rejoin {
    /// Compares what the parts list, many parts together. What is left of them takes their place.
    pub(super) async fn compare_parts(
        &self,
        record: &RoutingRecord,
        parts: &[String],
        deadline: Deadline,
    ) -> Result<Compared, String> {
        let mut compared = Compared { is_whole: true, ..Compared::default() };
        for parts in parts.chunks(PARTS_TOGETHER) {
            let listed = self.listed_in(parts).await?;
            let lease = HeldLease::take(&self.pending.reconciler.leases).await?;
            if !lease.lease().is_under(record) {
                // What to compare, and how, is another question now.
                return Ok(Compared { is_cut_off: true, is_whole: false, ..compared });
            }
            let Round { left, is_cut_off, why } = self.compare(lease, &listed, deadline).await?;
            compared.count += listed.len() - left.len();
            compared.is_whole &= left.is_empty();
            if left.len() < listed.len() || left.is_empty() {
                self.pending.changed.replace(parts, &left).await.map_err(StorageError::in_words)?;
            }
            if let Some(why) = why {
                return Err(why);
            }
            if is_cut_off {
                return Ok(Compared { is_cut_off, is_whole: false, ..compared });
            }
        }
        Ok(compared)
    }

    /// What parts list, each identity once.
    async fn listed_in(&self, parts: &[String]) -> Result<Vec<Changed>, String> {
        let mut all = BTreeMap::<IdentityId, bool>::new();
        let read = parts.iter().map(|part| self.pending.changed.part(part));
        for listed in futures::future::try_join_all(read).await.map_err(StorageError::in_words)? {
            let listed = match listed {
                Some(listed) => listed,
                None => self.everything().await?,
            };
            for Changed { identity, deleted } in listed {
                *all.entry(identity).or_default() |= deleted;
            }
        }
        Ok(all.into_iter().map(|(identity, deleted)| Changed { identity, deleted }).collect())
    }

    async fn everything(&self) -> Result<Vec<Changed>, String> {
        let differing = apparent_differences(&self.hubs).await;
        let differing =
            differing.map_err(|why| format!("the {} hub cannot be compared: {}", why.hub, why.error))?;
        Ok(differing.into_iter().map(|identity| Changed { identity, deleted: false }).collect())
    }

    async fn compare(
        &self,
        lease: HeldLease,
        listed: &[Changed],
        deadline: Deadline,
    ) -> Result<Round, String> {
        let terms = self.pending.terms(lease.lease());
        let active = lease.lease().active;
        let shared = &self.pending.reconciler;
        let comparing = Comparing {
            pending: &self.pending,
            terms,
            over: Pass::new(shared, lease.again(), active.other(), deadline, Lane::Background),
            back: Pass::new(shared, lease, active, deadline, Lane::Background),
        };
        let (mut running, mut waiting) = (FuturesUnordered::new(), listed.iter());
        let mut round = Round { left: Vec::new(), is_cut_off: false, why: None };
        loop {
            while running.len() < AT_ONCE
                && round.why.is_none()
                && !comparing.back.is_over()
                && let Some(changed) = waiting.next()
            {
                let one = comparing.one(changed);
                running.push(async move { (changed, one.await) });
            }
            let Some((changed, ended)) = running.next().await else { break };
            match ended {
                Ok(true) => {}
                Ok(false) => round.left.push(changed.clone()),
                Err(why) => {
                    round.left.push(changed.clone());
                    round.why.get_or_insert(why);
                }
            }
        }
        round.left.extend(waiting.cloned());
        round.is_cut_off = comparing.back.is_over() && !round.left.is_empty();
        Ok(round)
    }
}
