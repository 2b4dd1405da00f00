//! What can go wrong in a call, by what the caller can do about it.

use std::fmt;

/// What the caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HubErrorKind {
    /// The hub's own not-found for this identity.
    Absent,
    /// Create-only, and it exists.
    Exists,
    /// The precondition failed: somebody wrote meanwhile.
    Stale,
    /// 429 or a quota, after the retries that the deadline allowed.
    Throttled,
    /// Not sent: our own limit for this hub left no turn before the deadline.
    NoTurn,
    /// Not sent: the write lease that the request needed was over. The caller must take another one, and look again.
    LeaseOver,
    /// No definite answer: no connection, time-out, 5xx, an answer that is not the hub's.
    Unavailable,
    /// 401 or 403.
    Denied,
    /// The hub refuses this request and will refuse it again.
    Rejected,
    /// An answer that cannot be understood.
    Malformed,
}

impl HubErrorKind {
    fn words(self) -> &'static str {
        match self {
            Self::Absent => "not found",
            Self::Exists => "exists already",
            Self::Stale => "changed meanwhile",
            Self::Throttled => "throttled",
            Self::NoTurn | Self::LeaseOver => "not sent",
            Self::Unavailable => "no answer",
            Self::Denied => "access denied",
            Self::Rejected => "refused",
            Self::Malformed => "answer not understood",
        }
    }
}

/// A failed call.
#[derive(Debug, Clone)]
pub struct HubError {
    /// What the caller can do.
    pub kind: HubErrorKind,
    /// The hub's error name or number.
    pub code: Option<String>,
    /// The hub's tracking id.
    pub tracking_id: Option<String>,
    /// In words, without secrets.
    pub message: String,
}

impl HubError {
    /// A failure that the hub did not word itself.
    pub(crate) fn new(kind: HubErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, tracking_id: None, message: tidy(&message.into()) }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.words())?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.tracking_id {
            Some(id) => write!(f, " [tracking id {id}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for HubError {}

/// Longest message kept, in characters: enough for every text seen from the service.
const MAX_MESSAGE: usize = 240;

/// Longest run of base64 letters that may be shown. The shortest key is 16 bytes, 24 letters.
const LONGEST_PLAIN_RUN: usize = 23;

/// One short line without anything that could be a key: the service quotes what it refuses.
pub(crate) fn tidy(text: &str) -> String {
    let mut shown = String::new();
    let (mut run, mut left) = (String::new(), MAX_MESSAGE);
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }).chain([' ']) {
        if left == 0 {
            shown.push('…');
            break;
        }
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=') {
            run.push(c);
            continue;
        }
        let masked = run.len() > LONGEST_PLAIN_RUN && !run.bytes().all(|b| b.is_ascii_alphabetic());
        let word = if masked { "***" } else { run.as_str() };
        left = left.saturating_sub(word.len() + 1);
        shown.push_str(word);
        shown.push(c);
        run.clear();
    }
    shown.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_services_own_words_is_masked() {
        let text = "The key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' is bad\r\nfor device 'pump-17'";
        assert_eq!(tidy(text), "The key '***' is bad  for device 'pump-17'");
    }

    #[test]
    fn a_key_with_slashes_is_masked_where_it_could_be_used() {
        let shown = tidy("key AAECAwQFBgcICQoLDA0ODxA/EhMUFRYXGBkaGxwdHh8= end");
        assert!(!shown.contains("AAECAwQFBgcICQoLDA0ODxA/EhMUFRYXGBkaGxwdHh8"), "{shown}");
    }

    #[test]
    fn a_message_is_short() {
        assert!(tidy(&"word ".repeat(1000)).chars().count() <= MAX_MESSAGE + 8);
    }
}
