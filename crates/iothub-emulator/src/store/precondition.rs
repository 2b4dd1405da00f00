//! `If-Match`, as the service treats it. The generic table in the documentation says otherwise; these rules were
//! verified by others against a live hub.

use crate::error::{ErrorCode, HubError};

/// What a caller demands of the current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// No header, or an empty one.
    Absent,
    /// `*`: it must exist.
    Any,
    /// It must exist and have this ETag (kept without quotes).
    Etag(String),
}

impl Precondition {
    /// For identities: quotes do not matter.
    #[must_use]
    pub fn for_identity(header: Option<&str>) -> Self {
        match bare(header.unwrap_or_default()) {
            "" => Self::Absent,
            "*" => Self::Any,
            etag => Self::Etag(etag.to_owned()),
        }
    }

    /// For twins and configurations: an ETag without quotes is silently no precondition at all.
    #[must_use]
    pub fn for_twin(header: Option<&str>) -> Self {
        let header = header.unwrap_or_default().trim();
        match Self::for_identity(Some(header)) {
            Self::Etag(_) if !is_quoted(header) => Self::Absent,
            other => other,
        }
    }

    /// Whether a current ETag satisfies this.
    #[must_use]
    pub fn holds(&self, current: &str) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Etag(etag) => etag == current,
        }
    }

    /// [`Precondition::holds`] as a result, as for twins.
    ///
    /// # Errors
    /// `PreconditionFailed` naming the device.
    pub fn check(&self, current: &str, device: &str) -> Result<(), HubError> {
        if self.holds(current) { Ok(()) } else { Err(HubError::stale(device)) }
    }

    /// [`Precondition::holds`] as a result that names nothing, as for identities (recorded) and configurations.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn check_resource(&self, current: &str) -> Result<(), HubError> {
        let stale = || HubError::new(ErrorCode::PreconditionFailed, "PreconditionFailed");
        if self.holds(current) { Ok(()) } else { Err(stale()) }
    }

    /// Deletions without a precondition are refused.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn demand(&self) -> Result<(), HubError> {
        match self {
            Self::Absent => Err(HubError::new(ErrorCode::PreconditionFailed, "Etag missing")),
            _ => Ok(()),
        }
    }
}

fn is_quoted(text: &str) -> bool {
    text.len() >= 2 && text.starts_with('"') && text.ends_with('"')
}

fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_around_an_identity_etag_do_not_matter() {
        let etag = Precondition::Etag("NDI=".to_owned());
        assert_eq!(Precondition::for_identity(Some("\"NDI=\"")), etag);
        assert_eq!(Precondition::for_identity(Some("NDI=")), etag);
    }

    #[test]
    fn an_unquoted_twin_etag_is_no_precondition() {
        assert_eq!(Precondition::for_twin(Some("AAAAAAAAAAM=")), Precondition::Absent);
        assert_eq!(
            Precondition::for_twin(Some("\"AAAAAAAAAAM=\"")),
            Precondition::Etag("AAAAAAAAAAM=".to_owned())
        );
    }

    #[test]
    fn a_star_means_the_same_with_and_without_quotes_and_empty_quotes_mean_nothing() {
        for read in [Precondition::for_identity, Precondition::for_twin] {
            assert_eq!(read(Some("*")), Precondition::Any);
            assert_eq!(read(Some("\"*\"")), Precondition::Any);
            assert_eq!(read(Some("\"\"")), Precondition::Absent);
            assert_eq!(read(Some("")), Precondition::Absent);
            assert_eq!(read(None), Precondition::Absent);
        }
    }
}
