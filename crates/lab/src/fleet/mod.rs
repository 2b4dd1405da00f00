//! The devices, and what can be seen of them from outside.

mod device;
mod roads;
pub(crate) mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::error::LabError;
use crate::hubs::Hub;
use device::{Device, Order};
pub(crate) use roads::Roads;

/// How long the fleet may take to do something together.
const TOGETHER_WITHIN: Duration = Duration::from_secs(45);

#[derive(Debug)]
struct Member {
    at: watch::Receiver<String>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All devices that live.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    members: BTreeMap<String, Member>,
}

impl Fleet {
    /// Switches a device on.
    pub(crate) fn switch_on(&mut self, id: &str, key: Vec<u8>, roads: &Roads) {
        let (here, at) = watch::channel(String::new());
        let (orders, incoming) = mpsc::unbounded_channel();
        let device = Device { id: id.to_owned(), key, roads: roads.clone(), at: here, orders: incoming };
        let task = tokio::spawn(device.live());
        self.members.insert(id.to_owned(), Member { at, orders, task });
    }

    /// Switches a device off for good.
    pub(crate) fn switch_off(&mut self, id: &str) {
        self.members.remove(id);
    }

    /// How many devices live.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The host name of the hub that each device is connected to; empty for none.
    pub(crate) fn whereabouts(&self) -> impl Iterator<Item = (String, String)> {
        self.members.iter().map(|(id, member)| (id.clone(), member.at.borrow().clone()))
    }

    /// How many are connected to this hub now.
    pub(crate) fn at(&self, hub: &Hub) -> usize {
        self.members.values().filter(|member| *member.at.borrow() == hub.host).count()
    }

    /// Returns when every device is connected to this hub.
    ///
    /// # Errors
    /// When that takes too long.
    pub(crate) async fn gather(&self, hub: &Hub) -> Result<(), LabError> {
        let all = async {
            for member in self.members.values() {
                let _ = member.at.clone().wait_for(|host| *host == hub.host).await;
            }
        };
        let late = |_| LabError::Late(format!("for {} devices at {}", self.len(), hub.name));
        tokio::time::timeout(TOGETHER_WITHIN, all).await.map_err(late)
    }

    /// Every device reports what `patch` says for it, and has the hub's word that it is stored.
    ///
    /// # Errors
    /// When that takes too long.
    pub(crate) async fn report(&self, patch: impl Fn(&str) -> Value) -> Result<(), LabError> {
        let all = self.members.iter().map(|(id, member)| reported(member, patch(id)));
        let late = |_| LabError::Late(format!("for {} devices to report", self.len()));
        tokio::time::timeout(TOGETHER_WITHIN, futures::future::join_all(all)).await.map_err(late)?;
        Ok(())
    }
}

/// A device that lost its connection meanwhile drops the order; it is given again.
async fn reported(member: &Member, patch: Value) {
    loop {
        let (done, is_done) = oneshot::channel();
        if member.orders.send(Order::Report(patch.clone(), done)).is_err() || is_done.await.is_ok() {
            return;
        }
    }
}
