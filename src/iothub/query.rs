//! Queries and counts. Both lag behind the registry (observed): good for finding work, never for
//! deciding that something is absent.

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use super::client::{Call, HubClient, members};
use super::throttle::OperationClass::{Query, Statistics as StatisticsClass};
use super::wire::{array, malformed};
use super::{Deadline, HubError};

/// Rows per page: what fits in memory when twins have their largest size.
const PAGE_SIZE: &str = "100";

const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
const MAX_ITEM_COUNT: HeaderName = HeaderName::from_static("x-ms-max-item-count");

/// A page of a query.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// Where the next page begins; `None` on the last one.
    pub continuation: Option<String>,
}

/// Registry counts.
#[derive(Debug, Clone, Copy)]
pub struct Statistics {
    /// All devices. Lags, observed.
    pub total: u64,
    /// Enabled ones.
    pub enabled: u64,
    /// Disabled ones.
    pub disabled: u64,
}

impl HubClient {
    /// One page of a query, of at most 100 rows. A page may be empty and still not the last.
    pub async fn query(
        &self,
        query: &str,
        continuation: Option<&str>,
        deadline: Deadline,
    ) -> Result<Page, HubError> {
        let mut call = Call::new(Query, Method::POST, "/devices/query")
            .json(&json!({ "query": query }))?
            .header(MAX_ITEM_COUNT, PAGE_SIZE)?;
        if let Some(continuation) = continuation {
            call = call.header(CONTINUATION, continuation)?;
        }
        let answer = self.send(call, deadline).await?;
        let next = match answer.headers.get(CONTINUATION).map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) => Some(text.to_owned()).filter(|text| !text.is_empty()),
            Some(Err(_)) => return Err(malformed("a continuation that cannot be sent back")),
        };
        Ok(Page { rows: array(&answer.body)?, continuation: next })
    }

    /// The registry's counts.
    pub async fn statistics(&self, deadline: Deadline) -> Result<Statistics, HubError> {
        let call = Call::new(StatisticsClass, Method::GET, "/statistics/devices");
        let members = members(&self.send(call, deadline).await?)?;
        let count = |name: &str| {
            members.get(name).and_then(Value::as_u64).ok_or_else(|| malformed("statistics without counts"))
        };
        Ok(Statistics {
            total: count("totalDeviceCount")?,
            enabled: count("enabledDeviceCount")?,
            disabled: count("disabledDeviceCount")?,
        })
    }

    /// How many devices are connected, as the hub counts them. Lags (documented).
    pub async fn connected_devices(&self, deadline: Deadline) -> Result<u64, HubError> {
        let call = Call::new(StatisticsClass, Method::GET, "/statistics/service");
        let members = members(&self.send(call, deadline).await?)?;
        let count = members.get("connectedDeviceCount").and_then(Value::as_u64);
        count.ok_or_else(|| malformed("statistics without a count"))
    }
}
