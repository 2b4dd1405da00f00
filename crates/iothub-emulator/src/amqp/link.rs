//! The ends of links.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

use super::message::{self, Answer};
use super::node::Service;
use super::owners::Seat;
use super::performative::{Flow, Transfer};
use super::value::Value;
use crate::events::{Emitter, Partition};

/// How many events are made into messages before they can be sent.
const AHEAD: usize = 32;

/// How many bytes of messages are made before they can be sent: none more once it is reached.
const AHEAD_BYTES: usize = 128 * 1024;

/// How many answers may wait for credit; more are dropped with the request.
const ANSWERS: usize = 64;

/// Credit given to senders of requests.
pub(crate) const REQUEST_CREDIT: u32 = 100;

/// Largest request in bytes, a token within it.
const LARGEST_REQUEST: usize = 256 * 1024;

/// Our end of a link.
#[derive(Debug)]
pub(crate) enum Link {
    /// We send events.
    Events(Outlet, Box<Reading>),
    /// We send answers.
    Answers(Outlet, Service, Option<String>),
    /// We take requests.
    Requests(Inlet),
    /// We have said that it ends, and wait for the peer to say so.
    Ending,
}

/// A partition as it is read by one receiver.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) hub: usize,
    pub(crate) partition: usize,
    /// The sequence number to be made into a message next.
    pub(crate) next: u64,
    /// Says with every message how far the partition goes.
    pub(crate) runtime: bool,
    pub(crate) seat: Seat,
}

impl Reading {
    fn partition<'a>(&self, emitter: &'a Emitter) -> Option<&'a Partition> {
        emitter.event_hubs().get(self.hub)?.partitions.get(self.partition)
    }

    /// Messages of the events that follow, some at most.
    pub(crate) fn fetch(&mut self, emitter: &Emitter, most: u32) -> Vec<Bytes> {
        let Some(partition) = self.partition(emitter) else { return Vec::new() };
        let newest = self.runtime.then(|| partition.bounds());
        let mut messages = Vec::new();
        let mut bytes = 0;
        for enqueued in partition.from(self.next, AHEAD.min(usize::try_from(most).unwrap_or(AHEAD))) {
            let message = message::event(&enqueued, newest);
            bytes += message.len();
            messages.push(message);
            self.next = enqueued.sequence + 1;
            if bytes >= AHEAD_BYTES {
                break;
            }
        }
        messages
    }
}

/// The sending end: messages that wait, and how many the peer wants.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    pub(crate) credit: u32,
    pub(crate) delivery_count: u32,
    pub(crate) settled: bool,
    /// The peer wants what there is, and its credit back.
    pub(crate) drain: bool,
    waiting: VecDeque<Bytes>,
    /// The delivery of which a piece was sent.
    begun: Option<u32>,
}

/// A piece of a message that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) delivery: u32,
    pub(crate) more: bool,
    pub(crate) payload: Bytes,
}

impl Outlet {
    /// Without credit; its messages are settled when they are sent, or not.
    pub(crate) fn new(settled: bool) -> Self {
        Self { settled, ..Self::default() }
    }

    pub(crate) fn wait(&mut self, message: Bytes) {
        self.waiting.push_back(message);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn flow(&mut self, flow: &Flow) {
        // The receiver's limit counts from what it knew of when it sent this (specification, 2.6.7).
        let limit = flow.delivery_count.unwrap_or(0).wrapping_add(flow.credit);
        let left = limit.wrapping_sub(self.delivery_count);
        // Behind what was sent since: nothing is left.
        self.credit = if left > flow.credit { 0 } else { left };
        self.drain = flow.drain;
    }

    /// The next piece of at most `largest` bytes, of this delivery if it begins a message.
    pub(crate) fn piece(&mut self, largest: usize, delivery: u32) -> Option<Piece> {
        if self.begun.is_none() && self.credit == 0 {
            return None;
        }
        let front = self.waiting.front_mut()?;
        let payload = front.split_to(largest.min(front.len()));
        let more = !front.is_empty();
        let delivery = self.begun.unwrap_or(delivery);
        if self.begun.is_none() {
            self.credit -= 1;
            self.delivery_count = self.delivery_count.wrapping_add(1);
        }
        self.begun = more.then_some(delivery);
        if !more {
            self.waiting.pop_front();
        }
        Some(Piece { delivery, more, payload })
    }

    /// Whether the next piece begins a message.
    pub(crate) fn begins(&self) -> bool {
        self.begun.is_none()
    }

    /// Gives back the credit that a drain leaves.
    pub(crate) fn drained(&mut self) {
        self.delivery_count = self.delivery_count.wrapping_add(self.credit);
        self.credit = 0;
        self.drain = false;
    }

    /// Lets an answer wait, unless the peer takes none.
    pub(crate) fn answer(&mut self, answer: &Answer, request: &Value) {
        if self.waiting.len() < ANSWERS {
            self.wait(answer.encode(request));
        }
    }
}

/// The receiving end for requests.
#[derive(Debug)]
pub(crate) struct Inlet {
    pub(crate) service: Service,
    pub(crate) delivery_count: u32,
    pub(crate) credit: u32,
    delivery: Option<u32>,
    partial: BytesMut,
}

/// A request that is there as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Its delivery, when the peer wants to hear of it.
    pub(crate) unsettled: Option<u32>,
    pub(crate) message: Bytes,
}

/// A request that is too large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Inlet {
    pub(crate) fn new(service: Service) -> Self {
        Self { service, delivery_count: 0, credit: REQUEST_CREDIT, delivery: None, partial: BytesMut::new() }
    }

    /// Takes a piece of a request.
    pub(crate) fn take(&mut self, transfer: &Transfer) -> Result<Option<Arrived>, TooLarge> {
        self.delivery = transfer.delivery.or(self.delivery);
        if self.partial.len() + transfer.payload.len() > LARGEST_REQUEST {
            return Err(TooLarge);
        }
        self.partial.extend_from_slice(&transfer.payload);
        if transfer.more {
            return Ok(None);
        }
        self.delivery_count = self.delivery_count.wrapping_add(1);
        self.credit = self.credit.saturating_sub(1);
        let message = std::mem::take(&mut self.partial).freeze();
        let unsettled = self.delivery.take().filter(|_| !transfer.settled);
        Ok((!transfer.aborted).then_some(Arrived { unsettled, message }))
    }
}
