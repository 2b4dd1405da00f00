//! Work on one device: its place in flight, and what happened so far.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::execute::{Bulk, Coming};
use super::merge::Wrote;
use super::outcome::{Cause, Outcome, Stop};
use super::parts::{Part, Refused, Search};
use super::pass::Pass;
use crate::iothub::OperationClass;
use crate::model::{IdentityId, Revision, TwinDocument};

/// What is asked about one identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The registry entries must be compared even if nothing suggests that they differ.
    pub(crate) compare_registry: bool,
    /// Nothing but a creation is known: its modules have events of their own.
    pub(crate) only_created: bool,
    /// Its deletion was announced: by the source itself, or by a person.
    pub(crate) announced_delete: bool,
    /// Only if the target does not have it: what is there is not changed.
    pub(crate) create_only: bool,
    /// The device alone: whoever asks looks after its modules.
    pub(crate) alone: bool,
    /// A device is made with its whole twin or not at all: not first without, where the twin is refused.
    pub(crate) whole: bool,
}

/// Work on one device: its place in flight, and what happened so far.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    /// The pass it belongs to.
    pub(crate) pass: &'a Pass<'a>,
    permit: Option<OwnedSemaphorePermit>,
    coming: Option<Coming>,
    bulk: Bulk,
    /// Writes that were answered.
    pub(crate) writes: u32,
    /// Whether the target had it, and it was deleted there.
    pub(crate) has_deleted: bool,
    /// The versions that the writes returned.
    pub(crate) wrote: Wrote,
    /// What the target was found to refuse of this identity.
    refused: Vec<Refused>,
    /// See [`Ask::whole`].
    pub(super) whole: bool,
    expected: Option<(IdentityId, Option<Revision>)>,
}

impl<'a> Work<'a> {
    /// Work that has no place in flight yet: an echo needs none.
    pub(crate) fn new(pass: &'a Pass<'a>) -> Self {
        let bulk = pass.shared.bulk(pass.target_role()).clone();
        Self {
            pass,
            permit: None,
            coming: None,
            bulk,
            writes: 0,
            has_deleted: false,
            wrote: Wrote::default(),
            refused: Vec::new(),
            whole: false,
            expected: None,
        }
    }

    /// Where the target stood when what to write was decided: what anybody else writes there since is not overwritten.
    pub(crate) fn expect(&mut self, id: &IdentityId, target: Option<Revision>) {
        self.expected = Some((id.clone(), target));
    }

    /// # Errors
    /// `Contended` when somebody else has written to the target.
    pub(super) fn is_as_expected(&self, id: &IdentityId, target: Option<&TwinDocument>) -> Result<(), Stop> {
        match &self.expected {
            Some((of, expected)) if of == id && *expected != target.map(Revision::from) => {
                Err(Stop::pending(Cause::contended()))
            }
            _ => Ok(()),
        }
    }

    /// What the app itself wrote to the target.
    pub(super) fn moved(&mut self, id: &IdentityId, moved: impl FnOnce(&mut Revision)) {
        if let Some((_, Some(expected))) = self.expected.as_mut().filter(|(of, _)| of == id) {
            moved(expected);
        }
    }

    /// The app itself made the target: nobody tells how it stands.
    pub(super) fn made(&mut self) {
        self.wrote.created = true;
        self.expected = None;
    }

    /// Forgets what belongs to the identity before.
    pub(crate) fn begin_identity(&mut self) {
        (self.writes, self.wrote) = (0, Wrote::default());
        self.has_deleted = false;
        self.refused.clear();
    }

    /// What of these parts is worth sending; the others the target is known to refuse.
    pub(crate) fn worth_sending(&self, id: &IdentityId, parts: Vec<Part>) -> (Vec<Part>, Vec<Refused>) {
        let (mut worth, mut refused) = (Vec::new(), Vec::new());
        for part in parts {
            match self.known_refusal(id, &part) {
                Some(one) => refused.push(one),
                None => worth.push(part),
            }
        }
        (worth, refused)
    }

    /// What is sent of these parts, in which order; and those that the target is known to refuse.
    pub(crate) fn search(&self, id: &IdentityId, parts: Vec<Part>) -> (Search, Vec<Refused>) {
        let (worth, known) = self.worth_sending(id, parts);
        let was_refused = |part: &Part| {
            self.pass.shared.refusals.of(self.pass.target_role(), id, part).is_some_and(|one| one.alone)
        };
        let (before, new) = worth.into_iter().partition(was_refused);
        (Search::of(new, before), known)
    }

    /// The target took these.
    pub(crate) fn takes(&self, id: &IdentityId, parts: &[Part]) {
        self.pass.shared.refusals.forget(self.pass.target_role(), id, parts);
    }

    fn known_refusal(&self, id: &IdentityId, part: &Part) -> Option<Refused> {
        let found = self.refused.iter().find(|one| one.part == *part).cloned();
        let remembered = || self.pass.shared.refusals.of(self.pass.target_role(), id, part);
        found.or_else(|| if self.pass.tries_again() { None } else { remembered() })
    }

    /// The target refused these.
    pub(crate) fn refuses(&mut self, id: &IdentityId, refused: &[Refused]) {
        for one in refused {
            self.pass.shared.refusals.remember(self.pass.target_role(), id, one);
            tracing::debug!(identity = %id, why = %one.why, "a value is refused");
        }
        self.refused.extend_from_slice(refused);
    }

    /// Gives the place in flight back, so that others go on while this work waits for its turn at a registry, whose
    /// limits are by far the lowest. Whoever needs a place again takes it.
    pub(crate) fn step_aside(&mut self) {
        self.permit = None;
    }

    /// A second place in flight for a call beside the first, if one is free.
    pub(crate) fn second_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.pass.shared.in_flight).try_acquire_owned().ok()
    }

    /// Takes a place in flight, if it has none: at first, and after a create has given it back.
    pub(crate) async fn take_place(&mut self) {
        if self.permit.is_none() {
            self.coming = Some(self.bulk.coming());
            self.permit = place(&self.pass.shared.in_flight).await;
        }
    }

    /// Creates a device in bulk; the place in flight is given back, so that reads go on while it
    /// waits for company, and is taken again only by who needs it.
    pub(crate) async fn create(&mut self, item: crate::model::Object) -> Result<(), Stop> {
        self.permit = None;
        let (_, deadline) = self.pass.for_write(self.pass.target(), OperationClass::RegistryCreate).await?;
        let result = self.bulk.create(self.coming.take(), item, deadline).await;
        self.pass.target_health.note(&result);
        result.map_err(|error| Stop::target(&error))
    }

    /// `Written` when anything was, else `Equal`.
    pub(crate) fn done(&self) -> Outcome {
        match self.writes {
            0 => Outcome::Equal,
            _ => Outcome::Written,
        }
    }
}

async fn place(in_flight: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(in_flight).acquire_owned().await.ok()
}
