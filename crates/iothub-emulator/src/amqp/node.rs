//! What links can be attached to.

use super::performative::Failure;
use crate::events::Emitter;

/// Longest consumer group taken, in bytes.
const LONGEST_GROUP: usize = 256;

/// What answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// `$cbs`: takes tokens. Any will do: the connection string says that this is a local emulator.
    Tokens,
    /// `$management`: says what there is.
    Management,
}

/// Where a receiver's or a sender's address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Service(Service),
    /// Event hub and partition by their places, and the consumer group in lower case.
    Partition {
        hub: usize,
        group: String,
        partition: usize,
    },
    /// An event hub, where only a sender would go.
    EventHub,
}

impl Node {
    /// The node of an address: `amqps://host/hub/…` or `hub/…`.
    ///
    /// # Errors
    /// `amqp:not-found`, in words near the service's.
    pub(crate) fn find(address: &str, emitter: &Emitter) -> Result<Self, Failure> {
        let path = match address.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => address,
        };
        let path = path.trim_matches('/');
        let missing = |what: &str| {
            let text = format!("The messaging entity '{what}' could not be found. Address: {address}");
            Failure::new("amqp:not-found", text)
        };
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["$cbs"] => Ok(Self::Service(Service::Tokens)),
            ["$management"] | [_, "$management"] => Ok(Self::Service(Service::Management)),
            [name, rest @ ..] => {
                let hub = hub(name, emitter).ok_or_else(|| missing(name))?;
                of_hub(hub, rest, emitter).ok_or_else(|| missing(path))
            }
            [] => Err(missing("")),
        }
    }
}

/// Names of event hubs are the same in any case.
pub(crate) fn hub(name: &str, emitter: &Emitter) -> Option<usize> {
    emitter.event_hubs().iter().position(|hub| hub.name.eq_ignore_ascii_case(name))
}

/// Any consumer group is there: a group is only who reads, and keeps nothing here.
fn of_hub(hub: usize, rest: &[&str], emitter: &Emitter) -> Option<Node> {
    match rest {
        [] => Some(Node::EventHub),
        [groups, group, partitions, id]
            if groups.eq_ignore_ascii_case("ConsumerGroups")
                && partitions.eq_ignore_ascii_case("Partitions")
                && (1..=LONGEST_GROUP).contains(&group.len()) =>
        {
            let partition = id.parse::<usize>().ok()?;
            emitter.event_hubs().get(hub)?.partitions.get(partition)?;
            Some(Node::Partition { hub, group: group.to_lowercase(), partition })
        }
        [partitions, id] if partitions.eq_ignore_ascii_case("Partitions") => {
            let partition = id.parse::<usize>().ok()?;
            emitter.event_hubs().get(hub)?.partitions.get(partition).map(|_| Node::EventHub)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_taken_with_and_without_a_host_and_in_any_case() {
        let emitter = Emitter::new(2);
        let partition = Node::Partition { hub: 1, group: "$default".to_owned(), partition: 1 };
        for address in [
            "devicetwin/ConsumerGroups/$Default/Partitions/1",
            "amqps://127.0.0.1:5672/devicetwin/ConsumerGroups/$Default/Partitions/1",
            "/DeviceTwin/consumergroups/$default/partitions/1",
        ] {
            assert_eq!(Node::find(address, &emitter).unwrap(), partition, "{address}");
        }
        let management = Node::find("$management", &emitter).unwrap();
        assert_eq!(management, Node::Service(Service::Management));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let emitter = Emitter::new(2);
        for address in [
            "",
            "other/ConsumerGroups/g/Partitions/0",
            "registry/ConsumerGroups/g/Partitions/2",
            "registry/x",
        ] {
            assert_eq!(Node::find(address, &emitter).unwrap_err().condition, "amqp:not-found", "{address}");
        }
    }
}
