//! A query as it was understood.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::path::{Path, at};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selection {
    /// `*`
    Everything,
    /// Columns with their names.
    Columns(Vec<(Path, String)>),
    /// `COUNT()` with its name.
    Count(String),
}

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Query {
    pub(super) select: Selection,
    pub(super) top: Option<usize>,
    pub(super) modules: bool,
    pub(super) condition: Option<Condition>,
}

impl Query {
    pub(super) fn needs_properties(&self) -> bool {
        let deep = |path: &Path| path.first().is_some_and(|first| first == "properties");
        let selected = match &self.select {
            Selection::Everything => true,
            Selection::Columns(columns) => columns.iter().any(|(path, _)| deep(path)),
            Selection::Count(_) => false,
        };
        selected || self.condition.as_ref().is_some_and(|condition| condition.mentions(&deep))
    }

    pub(super) fn row(&self, document: Value) -> Value {
        let Selection::Columns(columns) = &self.select else { return document };
        let found =
            columns.iter().filter_map(|(path, name)| Some((name.clone(), at(&document, path)?.clone())));
        Value::Object(found.collect::<Map<String, Value>>())
    }

    pub(super) fn accepts(&self, document: &Value) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(document))
    }
}
