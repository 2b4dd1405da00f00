//! Ways into a twin document.

use serde_json::Value;

/// A path into a twin document, such as `tags.site`.
pub(super) type Path = Vec<String>;

/// What a path leads to.
pub(super) fn at<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, name| value.get(name))
}
