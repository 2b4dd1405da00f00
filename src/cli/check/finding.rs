//! What was found, and what mends it.

use serde::Serialize;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    ok: bool,
    what: String,
    /// Commands, the likeliest first; the shell's variables are those of the README.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mend: Vec<String>,
}

impl Finding {
    pub(super) fn fine(what: impl Into<String>) -> Self {
        Self { ok: true, what: what.into(), mend: Vec::new() }
    }

    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self { ok: false, what: what.into(), mend: Vec::new() }
    }

    /// With a command that mends it.
    pub(super) fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }

    pub(super) fn is_fine(&self) -> bool {
        self.ok
    }

    /// As people read it.
    pub(super) fn lines(&self) -> Vec<String> {
        let word = if self.ok { "ok" } else { "WRONG" };
        let mut lines = vec![format!("{word:<8}{}", self.what)];
        lines.extend(self.mend.iter().map(|command| format!("        {command}")));
        lines
    }
}
