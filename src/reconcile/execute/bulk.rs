//! Creates are gathered across the running invocations and sent in bulk.
//!
//! A bulk call holds at most 100 items (documented). What is waiting is sent when 100 wait, when
//! nobody is left who could still join, or after [`LINGER`], whichever is first; so one device
//! alone waits for nothing, and a backlog goes out in full calls. Whoever comes here has waited for the turn of its own
//! item before, so that a call is never larger than what the hub's limit lets through.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use crate::iothub::{BulkItem, Deadline, HubClient, HubError, HubErrorKind};
use crate::model::Object;

/// Items in one call (documented by the service).
const FULL: usize = 100;

/// The longest that a create waits for company.
const LINGER: Duration = Duration::from_millis(150);

#[derive(Debug)]
struct Waiting {
    item: Object,
    deadline: Deadline,
    answer: oneshot::Sender<Result<(), HubError>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Identities being worked on that may still need a create.
    coming: usize,
    /// Grows with every call, so that an old timer does not send a newer gathering.
    gathering: u64,
}

/// Gathers creates for one hub. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    hub: HubClient,
    in_flight: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

/// Somebody who may still need a create.
#[derive(Debug)]
pub(crate) struct Coming(Bulk);

impl Bulk {
    /// For this hub; each call takes one place of `in_flight`.
    pub(crate) fn new(hub: HubClient, in_flight: Arc<Semaphore>) -> Self {
        Self { hub, in_flight, state: Arc::default() }
    }

    /// Announces an identity that is being worked on.
    pub(crate) fn coming(&self) -> Coming {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).coming += 1;
        Coming(self.clone())
    }

    /// Creates one device. Whoever waits here is no longer `coming`, and must hold no place in
    /// flight.
    pub(crate) async fn create(
        &self,
        coming: Option<Coming>,
        item: Object,
        deadline: Deadline,
    ) -> Result<(), HubError> {
        let (answer, answered) = oneshot::channel();
        self.join(Waiting { item, deadline, answer });
        // Only now: the last one to come must find its own item among those that are sent.
        drop(coming);
        self.send_now_if(|state| state.coming == 0);
        answered.await.unwrap_or_else(|_| Err(no_answer("the bulk call was given up")))
    }

    fn join(&self, waiting: Waiting) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push(waiting);
        let first = state.waiting.len() == 1;
        let gathering = state.gathering;
        self.send_if(&mut state, |state| state.waiting.len() >= FULL);
        if first && state.gathering == gathering {
            let bulk = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                bulk.send_now_if(|state| state.gathering == gathering);
            });
        }
    }

    fn send_now_if(&self, condition: impl Fn(&State) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_if(&mut state, condition);
    }

    fn send_if(&self, state: &mut State, condition: impl Fn(&State) -> bool) {
        if state.waiting.is_empty() || !condition(state) {
            return;
        }
        state.gathering += 1;
        let gathered = std::mem::take(&mut state.waiting);
        // A task of its own: the call serves several invocations and must outlive any one of them.
        tokio::spawn(send(self.hub.clone(), Arc::clone(&self.in_flight), gathered));
    }
}

async fn send(hub: HubClient, in_flight: Arc<Semaphore>, gathered: Vec<Waiting>) {
    let Ok(_place) = in_flight.acquire_owned().await else { return };
    let mut calls = vec![gathered];
    // All of them have waited for their turns; what is sent again waits anew.
    let mut in_turn = Some(hub.with_turn());
    while let Some(gathered) = calls.pop() {
        let mut live = without_the_late(gathered);
        let Some(deadline) = earliest(&live) else { continue };
        let items: Vec<Object> = live.iter_mut().map(|waiting| std::mem::take(&mut waiting.item)).collect();
        let client = in_turn.take();
        match client.as_ref().unwrap_or(&hub).create_in_bulk(&items, deadline).await {
            Err(error) if error.kind == HubErrorKind::Rejected && items.len() > 1 => {
                // Refused as a whole: whichever item it is, the others shall not suffer for it.
                live.iter_mut().zip(items).for_each(|(waiting, item)| waiting.item = item);
                let rest = live.split_off(live.len() / 2);
                calls.extend([rest, live]);
            }
            result => answer_each(live, result),
        }
    }
}

/// Those whose time is not over; the others are told so.
fn without_the_late(gathered: Vec<Waiting>) -> Vec<Waiting> {
    let (late, live): (Vec<_>, Vec<_>) = gathered.into_iter().partition(|w| w.deadline.is_over());
    for waiting in late {
        let _ = waiting.answer.send(Err(waiting.deadline.not_sent()));
    }
    live
}

fn answer_each(waiting: Vec<Waiting>, result: Result<Vec<BulkItem>, HubError>) {
    let (mut fates, otherwise) = match result {
        Ok(fates) => (fates.into_iter(), no_answer("the bulk answer says nothing about this item")),
        Err(error) => (Vec::new().into_iter(), error),
    };
    for waiting in waiting {
        let _ = waiting.answer.send(match fates.next() {
            Some(BulkItem::Done) => Ok(()),
            Some(BulkItem::Failed(error)) => Err(error),
            None => Err(otherwise.clone()),
        });
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.coming = state.coming.saturating_sub(1);
        self.0.send_if(&mut state, |state| state.coming == 0);
    }
}

fn earliest(waiting: &[Waiting]) -> Option<Deadline> {
    waiting.iter().map(|w| w.deadline).reduce(Deadline::or)
}

fn no_answer(message: &str) -> HubError {
    HubError { kind: HubErrorKind::Unavailable, code: None, tracking_id: None, message: message.to_owned() }
}
