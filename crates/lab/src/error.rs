//! What can stop the lab.

use std::path::{Path, PathBuf};

/// Why a run ended early. The text is all the user sees.
#[derive(Debug)]
pub(crate) enum LabError {
    /// A file or folder could not be read or written.
    File(PathBuf, std::io::Error),
    /// A file does not say what it must.
    Malformed(PathBuf, String),
    /// A program did not start, or ended when it should not have.
    Program(String, String),
    /// A request to a hub, the router or a control port was refused or not answered.
    Refused(String, String),
    /// Something did not come true in time.
    Late(String),
    /// The two hubs differ; one line per difference.
    Different(Vec<String>),
    /// Roles were switched, and not everything is accounted for.
    Lost(String),
    /// Ctrl-C.
    Interrupted,
}

impl LabError {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File(path, error)
    }

    /// For `map_err` on requests; `what` is the method and path, never a header.
    pub(crate) fn refused(what: &str) -> impl FnOnce(reqwest::Error) -> Self {
        let what = what.to_owned();
        move |error| Self::Refused(what, with_causes(&error.without_url()))
    }
}

/// An error and what caused it: the HTTP client keeps the reason to itself.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl std::fmt::Display for LabError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Malformed(path, why) => write!(f, "{}: {why}", path.display()),
            Self::Program(name, why) => write!(f, "{name}: {why}"),
            Self::Refused(what, why) => write!(f, "{what}: {why}"),
            Self::Late(what) => write!(f, "gave up waiting: {what}"),
            Self::Different(lines) => write!(f, "the hubs differ:\n  {}", lines.join("\n  ")),
            Self::Lost(what) => write!(f, "{what}"),
            Self::Interrupted => write!(f, "interrupted"),
        }
    }
}

impl std::error::Error for LabError {}
