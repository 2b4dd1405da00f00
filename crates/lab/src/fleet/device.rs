//! One device. It knows the router's address, its id and its key, and nothing else: it asks the
//! router, connects where it is told, reports what it is told to report, and asks again every
//! `validForSeconds`, also while connected.

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::roads::Roads;
use super::session::Session;
use crate::assignment::{RouterClient, a_moment};

/// What a device is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Report this, and say when the hub has it.
    Report(Value, oneshot::Sender<()>),
}

/// A device's own state.
#[derive(Debug)]
pub(crate) struct Device {
    /// Its identity on whichever hub is active.
    pub(crate) id: String,
    /// Its own key.
    pub(crate) key: Vec<u8>,
    /// How it gets anywhere.
    pub(crate) roads: Roads,
    /// Which hub it is connected to; empty when to none.
    pub(crate) at: watch::Sender<String>,
    /// Orders from the story.
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
}

impl Device {
    /// Lives until it is dropped.
    pub(crate) async fn live(mut self) {
        let mut router = self.roads.router(&self.id);
        loop {
            if self.connected_life(&mut router).await.is_err() {
                self.at.send_replace(String::new());
                tokio::time::sleep(a_moment()).await;
            }
        }
    }

    /// From one answer of the router to a different one, or to a lost connection.
    async fn connected_life(&mut self, router: &mut RouterClient) -> Result<(), String> {
        let mut answer = router.ask().await?;
        let endpoint = self.roads.endpoint(&answer.host)?;
        let (to_device, mut desired) = mpsc::unbounded_channel();
        let mut session = Session::open(&endpoint, &self.id, &self.key, to_device).await?;
        self.catch_up(&session).await?;
        self.at.send_replace(answer.host.clone());
        loop {
            tokio::select! {
                () = session.closed() => return Err("connection lost".to_owned()),
                Some(patch) = desired.recv() => obey(&session, &patch).await?,
                Some(order) = self.orders.recv() => carry_out(&session, order).await?,
                () = tokio::time::sleep(answer.ask_again) => match router.ask().await {
                    Ok(next) if next.host != answer.host => return Ok(()),
                    Ok(next) => answer = next,
                    // A router that does not know moves nobody.
                    Err(_) => answer.ask_again = a_moment(),
                }
            }
        }
    }

    /// What changed while the device was away: whatever is desired and not yet reported.
    async fn catch_up(&self, session: &Session) -> Result<(), String> {
        let twin = session.twin().await?;
        let empty = Map::new();
        let section = |name: &str| twin.get(name).and_then(Value::as_object).unwrap_or(&empty);
        let (desired, reported) = (section("desired"), section("reported"));
        let missing = desired.iter().filter(|(name, value)| reported.get(*name) != Some(value));
        let patch: Map<String, Value> = missing.map(|(name, value)| (name.clone(), value.clone())).collect();
        obey(session, &Value::Object(patch)).await
    }
}

/// A device applies what is desired and reports that it did, as real firmware does.
async fn obey(session: &Session, desired: &Value) -> Result<(), String> {
    let members = desired.as_object().into_iter().flatten();
    let applied: Map<String, Value> = members
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if applied.is_empty() { Ok(()) } else { session.report(&json!(applied)).await }
}

async fn carry_out(session: &Session, order: Order) -> Result<(), String> {
    let Order::Report(patch, done) = order;
    session.report(&patch).await?;
    let _ = done.send(());
    Ok(())
}
