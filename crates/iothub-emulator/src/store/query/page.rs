//! Pages of a query's result.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::ops::Bound;

use super::condition::Condition;
use super::statement::{Query, Selection};
use crate::error::{ErrorCode, HubError};
use crate::store::devices::Stored;
use crate::store::document::row;
use crate::store::packed::Depth;
use crate::store::{Hub, Id};

/// Default and largest page (the default is inferred).
const PAGE: (usize, usize) = (100, 1000);

/// One page of a query's result.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// `x-ms-item-type`.
    pub item_type: &'static str,
    /// `x-ms-continuation`, when there is more.
    pub continuation: Option<String>,
}

impl Hub {
    /// One page of a query. How late it is, is a switch: not at all unless told.
    ///
    /// # Errors
    /// `ArgumentInvalid` when the continuation is not one of this hub's.
    pub fn query(
        &self,
        query: &Query,
        size: Option<usize>,
        continuation: Option<&str>,
    ) -> Result<Page, HubError> {
        let size = size.filter(|size| *size > 0).unwrap_or(PAGE.0).min(PAGE.1);
        let Cursor { after, given } = continuation.map_or(Ok(Cursor::default()), Cursor::read)?;
        if let Selection::Count(name) = &query.select {
            let count = self.count(query);
            return Ok(Page { rows: vec![json!({ name: count })], item_type: "Raw", continuation: None });
        }
        let left = query.top.map_or(usize::MAX, |top| top.saturating_sub(given));
        let wanted = size.min(left);
        let mut rows: Vec<Value> = Vec::new();
        let mut last = None;
        let mut more = false;
        self.scan(query, after, &mut |id, document| {
            more = rows.len() == wanted;
            if !more {
                rows.push(query.row(document));
                last = Some(id);
            }
            !more
        });
        let given = given.saturating_add(rows.len());
        let ended = !more || query.top.is_some_and(|top| given >= top);
        let continuation = last.filter(|_| !ended).map(|id| Cursor { after: Some(id), given }.write());
        let item_type = if query.select == Selection::Everything { "Twin" } else { "Raw" };
        Ok(Page { rows, item_type, continuation })
    }

    /// How many match; without a condition nobody needs to be looked at.
    fn count(&self, query: &Query) -> u64 {
        let mut count: u64 = 0;
        if query.condition.is_some() {
            self.scan(query, None, &mut |_, _| {
                count += 1;
                true
            });
            return count;
        }
        if !query.modules {
            return self.seen_count() as u64;
        }
        self.each_seen(Bound::Unbounded, &mut |_, stored| {
            count += stored.module_ids().count() as u64;
            true
        });
        count
    }

    /// Shows every matching document in id order until `visit` has enough.
    fn scan(&self, query: &Query, after: Option<Id>, visit: &mut dyn FnMut(Id, Value) -> bool) {
        if let Some(device) = query.condition.as_ref().and_then(Condition::pinned_device) {
            self.seen_device(device, &mut |stored| {
                visit_device(query, device, stored, after.as_ref(), visit);
            });
            return;
        }
        let from = match &after {
            None => Bound::Unbounded,
            Some(id) => Bound::Included(id.device.clone()),
        };
        self.each_seen(from, &mut |device, stored| {
            visit_device(query, device, stored, after.as_ref(), visit)
        });
    }
}

/// Shows a device, or its modules, if they match and come after `after`.
fn visit_device(
    query: &Query,
    device: &str,
    stored: &Stored,
    after: Option<&Id>,
    visit: &mut dyn FnMut(Id, Value) -> bool,
) -> bool {
    let mut show = |id: Id| {
        if after.is_some_and(|after| id <= *after) {
            return true;
        }
        let whole = query.needs_properties();
        let depth = if whole { Depth::Whole } else { Depth::Shallow };
        let document = stored.find(id.module.as_deref(), depth).map(|found| row(&found, &id, whole));
        document.filter(|document| query.accepts(document)).is_none_or(|document| visit(id, document))
    };
    match query.modules {
        false => show(Id::device(device)),
        true => stored.module_ids().all(|module| show(Id::module(device, module))),
    }
}

/// Where a page ended: the last identity given, and how many were given so far.
#[derive(Debug, Default)]
struct Cursor {
    after: Option<Id>,
    given: usize,
}

impl Cursor {
    fn write(&self) -> String {
        let Some(id) = &self.after else { return String::new() };
        STANDARD.encode(json!([id.device, id.module, self.given]).to_string())
    }

    fn read(text: &str) -> Result<Self, HubError> {
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (device, module, given): (String, Option<String>, usize) = decoded
            .ok_or_else(|| HubError::new(ErrorCode::ArgumentInvalid, "the continuation is not valid"))?;
        Ok(Self { after: Some(Id { device, module }), given })
    }
}
