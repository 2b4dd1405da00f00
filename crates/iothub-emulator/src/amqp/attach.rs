//! Which link an attach makes.

use super::context::Context;
use super::filter;
use super::link::{Inlet, Link, Outlet, Reading};
use super::node::Node;
use super::performative::{Attach, Failure};
use super::value::Value;

/// Largest message of an event hub, in bytes (documented for the standard tier).
pub(crate) const LARGEST_MESSAGE: u64 = 1024 * 1024;

/// Longest address and link name kept, in bytes.
const LONGEST_NAME: usize = 1024;

/// With this in a receiver's properties it has an owner level.
const EPOCH: &str = "com.microsoft:epoch";

/// With this among its desired capabilities a receiver is told with every event how far the partition goes.
const RUNTIME_METRIC: &str = "com.microsoft:enable-receiver-runtime-metric";

/// The link that is asked for.
///
/// # Errors
/// Why there is none.
pub(crate) fn link(attach: &Attach, context: &Context<'_>) -> Result<Link, Failure> {
    if context.full {
        return Err(Failure::new(
            "amqp:resource-limit-exceeded",
            "This connection has no room for more links",
        ));
    }
    let terminus = if attach.receives { &attach.source } else { &attach.target };
    let address = terminus.field(0).as_str().filter(|address| address.len() <= LONGEST_NAME);
    let address = address.ok_or_else(|| Failure::new("amqp:invalid-field", "A link needs an address"))?;
    match (Node::find(address, context.emitter)?, attach.receives) {
        (Node::Service(service), true) => {
            let target = attach.target.field(0).as_str().filter(|target| target.len() <= LONGEST_NAME);
            Ok(Link::Answers(outlet(attach), service, target.map(str::to_owned)))
        }
        (Node::Service(service), false) => Ok(Link::Requests(Inlet::new(service))),
        (Node::Partition { hub, group, partition }, true) => {
            receiver(attach, (hub, group, partition), context)
        }
        (Node::EventHub, true) => {
            Err(Failure::new("amqp:not-allowed", "A receiver reads a partition for a consumer group"))
        }
        (Node::EventHub | Node::Partition { .. }, false) => Err(Failure::new(
            "amqp:not-implemented",
            "Sending events is not supported: only hubs send to these event hubs",
        )),
    }
}

fn outlet(attach: &Attach) -> Outlet {
    Outlet::new(attach.sender_settles == 1)
}

fn receiver(attach: &Attach, place: (usize, String, usize), context: &Context<'_>) -> Result<Link, Failure> {
    let (hub, _, at) = place;
    let found = context.emitter.event_hubs().get(hub).and_then(|hub| hub.partitions.get(at));
    let partition = found.ok_or_else(|| Failure::new("amqp:not-found", "There is no such partition"))?;
    let next = filter::start(&attach.source, partition)?;
    let epoch = match attach.properties.member(EPOCH) {
        Value::Null => None,
        value => {
            Some(value.as_i64().ok_or_else(|| Failure::new("amqp:invalid-field", "The epoch is no number"))?)
        }
    };
    let name: String = attach.name.chars().take(64).collect();
    let seat = context.owners.enter(place, epoch, &name, std::sync::Arc::clone(context.wake))?;
    let runtime = attach.desired_capabilities.names(RUNTIME_METRIC);
    Ok(Link::Events(outlet(attach), Box::new(Reading { hub, partition: at, next, runtime, seat })))
}
