//! The part of the query language that fleet tools use.
//!
//! In reading order: `token` and `parse` (from text), `statement`, `condition` and `path` (what is asked), `index` (how
//! late queries are) and `seen` (what they see of a hub), `page` (the answer).

mod condition;
mod index;
mod page;
mod parse;
mod path;
mod seen;
mod statement;
mod token;

pub(super) use index::Index;
pub use page::Page;
pub use statement::Query;
