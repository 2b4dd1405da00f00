//! Client of the event logs: plain HTTP, long polls.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::event::{Event, Page};

/// How long one long poll stays open.
const LONG_POLL: Duration = Duration::from_secs(20);
/// How much longer than a poll the answer may take.
const GRACE: Duration = Duration::from_secs(10);

/// The event logs of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct EventLog {
    client: reqwest::Client,
    base: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    event_hubs: Vec<ListedHub>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedHub {
    name: String,
    partition_ids: Vec<String>,
}

impl EventLog {
    pub(crate) fn new(client: reqwest::Client, base: &str) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned() }
    }

    /// The partition ids of one event hub.
    ///
    /// # Errors
    /// In words, when the log does not answer or has no such event hub.
    pub(crate) async fn partition_ids(&self, event_hub: &str) -> Result<Vec<String>, String> {
        let listing: Listing = self.get(&format!("{}/eventhubs", self.base), GRACE).await?;
        let found = listing.event_hubs.into_iter().find(|hub| hub.name.eq_ignore_ascii_case(event_hub));
        found
            .map(|hub| hub.partition_ids)
            .ok_or_else(|| format!("{}: there is no event hub {event_hub}", self.base))
    }

    /// The events from a sequence number on, at most `max`; waits for the first one for some seconds.
    pub(crate) async fn next_events(
        &self,
        event_hub: &str,
        partition: &str,
        from: i64,
        max: usize,
    ) -> Result<Vec<Event>, String> {
        Ok(self.page(event_hub, partition, from, max, LONG_POLL).await?.events)
    }

    /// The sequence number the next event of a partition will get.
    pub(crate) async fn end(&self, event_hub: &str, partition: &str, from: i64) -> Result<i64, String> {
        let page = self.page(event_hub, partition, from, 1, Duration::ZERO).await?;
        Ok(page.last_sequence_number.unwrap_or(-1) + 1)
    }

    async fn page(
        &self,
        hub: &str,
        partition: &str,
        from: i64,
        max: usize,
        wait: Duration,
    ) -> Result<Page, String> {
        let wait_ms = wait.as_millis();
        let base = &self.base;
        let url = format!(
            "{base}/eventhubs/{hub}/partitions/{partition}/events?from={from}&max={max}&waitMs={wait_ms}"
        );
        self.get(&url, wait + GRACE).await
    }

    async fn get<T: DeserializeOwned>(&self, url: &str, timeout: Duration) -> Result<T, String> {
        let in_words = |error: reqwest::Error| format!("the event log does not answer as expected: {error}");
        let reply = self.client.get(url).timeout(timeout).send().await.map_err(in_words)?;
        let reply = reply.error_for_status().map_err(in_words)?;
        let body = reply.bytes().await.map_err(in_words)?;
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    }
}
