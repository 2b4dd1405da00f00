//! What the hubs told, handed over to a handler by hand: in the order, and as late, as a test wants it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::World;
use super::handler::Handler;
use super::hub::Hub;
use super::storage::container;

/// Devices ask the router every second, and a lease is short: what a rejoining waits for is over soon.
pub fn quick() -> Vec<(&'static str, String)> {
    vec![("HADR_ROUTER_VALID_SECONDS", "1".to_owned()), ("HADR_LEASE_SECONDS", "2".to_owned())]
}

/// Whether an event is of this hub and names this device.
fn is_of(event: &Value, hub: &Hub, device: &str) -> bool {
    let properties = &event["properties"];
    match properties["hubName"].as_str() {
        Some(name) => name == hub.name && properties["deviceId"] == device,
        None => {
            let body = text_of(event);
            body.contains(&format!("IOTHUBS/{}\"", hub.name.to_uppercase()))
                && body.contains(&format!("\"subject\":\"devices/{device}\""))
        }
    }
}

/// The body as text.
fn text_of(event: &Value) -> String {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl World {
    /// The hub, by its place, and the device that an event is of.
    pub fn whose(&self, event: &Value) -> Option<(usize, String)> {
        let hub = |is: &dyn Fn(&Hub) -> bool| [&self.primary, &self.secondary].iter().position(|hub| is(hub));
        let properties = &event["properties"];
        if let Some(name) = properties["hubName"].as_str() {
            let device = properties["deviceId"].as_str()?.to_owned();
            return Some((hub(&|hub| hub.name == name)?, device));
        }
        let body = text_of(event);
        let subject = body.split_once("\"subject\":\"devices/")?.1;
        let device = subject.split_once('"')?.0.to_owned();
        Some((hub(&|hub| is_of(event, hub, &device))?, device))
    }

    /// What a hub told of a device so far, in a world of one partition, oldest first.
    pub async fn told(&self, event_hub: &str, hub: &Hub, device: &str) -> Vec<Value> {
        let all = self.log(event_hub, 0).await;
        all.into_iter().filter(|event| is_of(event, hub, device)).collect()
    }

    /// The newest routed event of a device.
    pub async fn last_told(&self, hub: &Hub, device: &str) -> Value {
        self.told("devicetwin", hub, device).await.pop().expect("the hub told something of it")
    }

    /// Hands events over until they are taken: a handler that does not know the roles yet holds them.
    pub async fn hand_over(&self, handler: &Handler, event_hub: &str, events: &[Value]) {
        self.eventually("the events are taken", async || {
            handler.deliver(event_hub, 0, events).await.0 == 200
        })
        .await;
    }

    /// Hands over all that both event hubs have.
    pub async fn hand_over_all(&self, handler: &Handler) {
        for event_hub in ["registry", "devicetwin"] {
            let all = self.log(event_hub, 0).await;
            if !all.is_empty() {
                self.hand_over(handler, event_hub, &all).await;
            }
        }
    }

    /// Hands over what the hubs have told beyond what was taken of each event hub. What is held, now and then while the
    /// roles change, is not taken.
    pub async fn hand_over_more(&self, handler: &Handler, taken: &mut [usize; 2]) {
        for (event_hub, taken) in ["registry", "devicetwin"].into_iter().zip(taken) {
            let all = self.log(event_hub, 0).await;
            if all.len() > *taken && handler.deliver(event_hub, 0, &all[*taken..]).await.0 == 200 {
                *taken = all.len();
            }
        }
    }

    /// Promotes without waiting for events, which only the test delivers; again where a duty changed the record meanwhile.
    pub async fn promote(&self, to: &str, more: &[&str]) {
        let start = ["promote", "--to", to, "--reason", "test", "--drain-timeout-seconds", "0"];
        let mut ask = [&start[..], more].concat();
        if more.contains(&"--force") {
            ask.push("--yes");
        }
        let mut ran = self.app(&ask).await;
        if ran.stderr.contains("changed the routing record meanwhile") {
            ran = self.app(&ask).await;
        }
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    pub async fn standby_state(&self) -> String {
        container(self).record().await["standbyState"].as_str().unwrap().to_owned()
    }

    /// The variable is this from now on, for processes that start later.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.retain(|(key, _)| key != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Ends this handler. Another one, whose duties look every second, is given all that the hubs ever told, and what they
    /// tell, until the former active hub is in sync again; and then all of it once more.
    pub async fn until_in_sync(&mut self, handler: Handler) -> Handler {
        drop(handler);
        self.set_variable("HADR_SWEEP_EVERY_SECONDS", "1");
        let handler = self.handler("closing").await;
        let (started, mut taken) = (Instant::now(), [0, 0]);
        while self.standby_state().await != "in-sync" {
            let waited = started.elapsed();
            assert!(
                waited < Duration::from_secs(90),
                "not in sync after {waited:?}: {:?}",
                self.pending().await
            );
            self.hand_over_more(&handler, &mut taken).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        self.hand_over_all(&handler).await;
        handler
    }
}
