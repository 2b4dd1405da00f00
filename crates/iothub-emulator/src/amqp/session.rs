//! Sessions: the links of a channel, and the windows of what is sent on them.

use std::collections::BTreeMap;

use super::context::Context;
use super::frame::{self, Kind};
use super::link::{Inlet, Link, Outlet, REQUEST_CREDIT};
use super::message::Request;
use super::node::Service;
use super::performative::{self, Attach, Failure, Flow, Performative, Transfer, Windows};
use super::service_nodes;
use super::value::Value;
use super::{attach, performative::Disposition};

/// How many transfers may come in before a flow.
const WINDOW: u32 = 2048;

/// Highest handle, as the service announces.
pub(crate) const HIGHEST_HANDLE: u32 = 255;

/// Bytes to be written after which nothing more is put behind them: a peer that does not read costs no more.
const OUT_FULL: usize = 256 * 1024;

/// Bytes of a transfer beside the payload, at most.
const TRANSFER: usize = 64;

/// One session. Our channel and our handles have the numbers of the peer's.
#[derive(Debug)]
pub(crate) struct Session {
    channel: u16,
    next_incoming: u32,
    unannounced: u32,
    next_outgoing: u32,
    remote_window: u32,
    next_delivery: u32,
    links: BTreeMap<u32, Link>,
}

impl Session {
    pub(crate) fn new(channel: u16, next_incoming: u32, remote_window: u32) -> Self {
        let links = BTreeMap::new();
        Self {
            channel,
            next_incoming,
            unannounced: 0,
            next_outgoing: 0,
            remote_window,
            next_delivery: 0,
            links,
        }
    }

    /// The answer to the peer's begin.
    pub(crate) fn begin(&self) -> Value {
        performative::begin(self.channel, WINDOW, HIGHEST_HANDLE)
    }

    pub(crate) fn links(&self) -> usize {
        self.links.len()
    }

    /// Acts on what came in on its channel.
    ///
    /// # Errors
    /// Why the session must end.
    pub(crate) fn act(
        &mut self,
        performative: Performative,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        match performative {
            Performative::Attach(attach) => self.attach(&attach, context),
            Performative::Flow(flow) => {
                self.flow(&flow, context);
                Ok(())
            }
            Performative::Transfer(transfer) => self.transfer(&transfer, context),
            Performative::Disposition(disposition) => {
                self.disposition(&disposition, context);
                Ok(())
            }
            Performative::Detach { handle, closed } => {
                if matches!(self.links.remove(&handle), Some(link) if !matches!(link, Link::Ending)) {
                    context.put(self.channel, &performative::detach(handle, closed, None));
                }
                Ok(())
            }
            _ => Err(Failure::new("amqp:illegal-state", "This has no place in a session")),
        }
    }

    fn attach(&mut self, attach: &Attach, context: &mut Context<'_>) -> Result<(), Failure> {
        if attach.handle > HIGHEST_HANDLE {
            return Err(Failure::new("amqp:not-allowed", format!("Handles go up to {HIGHEST_HANDLE}")));
        }
        if self.links.get(&attach.handle).is_some_and(|link| !matches!(link, Link::Ending)) {
            return Err(Failure::new(
                "amqp:session:handle-in-use",
                format!("Handle {} is in use", attach.handle),
            ));
        }
        let link = attach::link(attach, context);
        let refused = link.is_err();
        context.put(self.channel, &performative::attached(attach, refused, attach::LARGEST_MESSAGE));
        let link = match link {
            Ok(link) => link,
            Err(failure) => {
                tracing::debug!(%failure.condition, failure.description, "a link is refused");
                context.put(self.channel, &performative::detach(attach.handle, true, Some(&failure)));
                Link::Ending
            }
        };
        if let Link::Requests(inlet) = &link {
            self.grant(attach.handle, inlet, context);
        }
        self.links.insert(attach.handle, link);
        Ok(())
    }

    fn windows(&self) -> Windows {
        let Self { next_incoming, next_outgoing, .. } = *self;
        Windows { next_incoming, incoming: WINDOW, next_outgoing, outgoing: WINDOW }
    }

    /// Tells a sender of requests how many it may send.
    fn grant(&self, handle: u32, inlet: &Inlet, context: &mut Context<'_>) {
        let link = Some((handle, inlet.delivery_count, inlet.credit, false));
        context.put(self.channel, &performative::flow(self.windows(), link));
    }

    fn flow(&mut self, flow: &Flow, context: &mut Context<'_>) {
        // What the peer has not seen yet counts against its window (specification, 2.5.6).
        let unseen = self.next_outgoing.wrapping_sub(flow.next_incoming.unwrap_or(0));
        self.remote_window = flow.window.saturating_sub(unseen);
        let mut state = None;
        if let Some(handle) = flow.handle {
            match self.links.get_mut(&handle) {
                Some(Link::Events(outlet, _) | Link::Answers(outlet, ..)) => {
                    outlet.flow(flow);
                    state = Some((handle, outlet.delivery_count, outlet.credit, outlet.drain));
                }
                Some(Link::Requests(inlet)) => {
                    state = Some((handle, inlet.delivery_count, inlet.credit, false))
                }
                Some(Link::Ending) | None => return,
            }
        }
        if flow.echo {
            context.put(self.channel, &performative::flow(self.windows(), state));
        }
    }

    fn transfer(&mut self, transfer: &Transfer, context: &mut Context<'_>) -> Result<(), Failure> {
        self.next_incoming = self.next_incoming.wrapping_add(1);
        self.unannounced += 1;
        if self.unannounced > WINDOW / 2 {
            self.unannounced = 0;
            context.put(self.channel, &performative::flow(self.windows(), None));
        }
        let handle = transfer.handle;
        let (service, arrived) = match self.links.get_mut(&handle) {
            Some(Link::Requests(inlet)) => match inlet.take(transfer) {
                Ok(Some(arrived)) => (inlet.service, arrived),
                Ok(None) => return Ok(()),
                Err(_) => {
                    let failure = Failure::new("amqp:link:message-size-exceeded", "The request is too large");
                    context.put(self.channel, &performative::detach(handle, true, Some(&failure)));
                    self.links.insert(handle, Link::Ending);
                    return Ok(());
                }
            },
            Some(Link::Ending) => return Ok(()),
            _ => {
                return Err(Failure::new(
                    "amqp:session:unattached-handle",
                    format!("Nothing is sent on handle {handle}"),
                ));
            }
        };
        if let Some(delivery) = arrived.unsettled {
            context.put(self.channel, &performative::accepted(true, delivery, delivery));
        }
        let request = Request::decode(arrived.message)
            .map_err(|_| Failure::new("amqp:decode-error", "The request is no message"))?;
        self.answer(service, &request, context);
        self.grant_again(handle, context);
        Ok(())
    }

    /// Answers on the link whose target the request names, else on any of the same node.
    fn answer(&mut self, service: Service, request: &Request, context: &Context<'_>) {
        let answer = service_nodes::answer(service, request, context.emitter);
        let mut outlets: Vec<(&mut Outlet, bool)> = Vec::new();
        for link in self.links.values_mut() {
            if let Link::Answers(outlet, its, target) = link
                && *its == service
            {
                outlets.push((outlet, request.reply_to.is_some() && *target == request.reply_to));
            }
        }
        if let Some((outlet, _)) = outlets.into_iter().max_by_key(|(_, named)| *named) {
            outlet.answer(&answer, &request.message_id);
        }
    }

    fn grant_again(&mut self, handle: u32, context: &mut Context<'_>) {
        if let Some(Link::Requests(inlet)) = self.links.get_mut(&handle)
            && inlet.credit < REQUEST_CREDIT / 2
        {
            inlet.credit = REQUEST_CREDIT;
            let (count, credit) = (inlet.delivery_count, inlet.credit);
            context
                .put(self.channel, &performative::flow(self.windows(), Some((handle, count, credit, false))));
        }
    }

    /// Nothing is remembered of what was sent: an outcome is only answered, to a receiver that waits for that.
    fn disposition(&self, disposition: &Disposition, context: &mut Context<'_>) {
        if disposition.by_receiver && !disposition.settled {
            let last = disposition.last.unwrap_or(disposition.first);
            context.put(self.channel, &performative::accepted(false, disposition.first, last));
        }
    }

    /// Sends what may be sent; whether that was anything.
    pub(crate) fn pump(&mut self, context: &mut Context<'_>) -> bool {
        let mut links = std::mem::take(&mut self.links);
        let mut sent = false;
        for (handle, link) in &mut links {
            sent |= self.pump_link(*handle, link, context);
        }
        self.links = links;
        sent
    }

    fn pump_link(&mut self, handle: u32, link: &mut Link, context: &mut Context<'_>) -> bool {
        if let Link::Events(_, reading) = link
            && let Some(failure) = reading.seat.ended()
        {
            context.put(self.channel, &performative::detach(handle, true, Some(failure)));
            *link = Link::Ending;
            return true;
        }
        let outlet = match link {
            Link::Events(outlet, reading) => {
                if outlet.is_empty() && outlet.credit > 0 && context.out.len() < OUT_FULL {
                    reading
                        .fetch(context.emitter, outlet.credit)
                        .into_iter()
                        .for_each(|one| outlet.wait(one));
                }
                outlet
            }
            Link::Answers(outlet, ..) => outlet,
            Link::Requests(_) | Link::Ending => return false,
        };
        let sent = self.send(handle, outlet, context);
        // Only a pass that found nothing left shows that there is nothing left.
        if outlet.drain && !sent && outlet.is_empty() {
            outlet.drained();
            let state = Some((handle, outlet.delivery_count, 0, true));
            context.put(self.channel, &performative::flow(self.windows(), state));
        }
        sent
    }

    fn send(&mut self, handle: u32, outlet: &mut Outlet, context: &mut Context<'_>) -> bool {
        let largest = context.max_frame.saturating_sub(TRANSFER).max(1);
        let mut sent = false;
        while self.remote_window > 0 && context.out.len() < OUT_FULL {
            let begins = outlet.begins();
            let Some(piece) = outlet.piece(largest, self.next_delivery) else { break };
            if begins {
                self.next_delivery = self.next_delivery.wrapping_add(1);
            }
            self.next_outgoing = self.next_outgoing.wrapping_add(1);
            self.remote_window -= 1;
            let transfer = performative::transfer(handle, piece.delivery, outlet.settled, piece.more);
            frame::put(context.out, Kind::Amqp, self.channel, Some(&transfer), &piece.payload);
            sent = true;
        }
        sent
    }
}
