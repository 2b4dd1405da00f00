//! The body of `POST /jobs/create`.

use serde_json::Value;

use super::container::{Container, StorageError};
use crate::error::{ErrorCode, HubError};

/// Where devices go and come from unless told otherwise (documented).
const DEVICES: &str = "devices.txt";
/// Where configurations do (documented).
const CONFIGURATIONS: &str = "configurations.txt";

/// Longest name of a blob, in characters (documented for blob storage).
const LONGEST_NAME: usize = 1024;

/// What a job does.
#[derive(Debug)]
pub(super) enum Kind {
    /// Writes the registry to a blob, with keys unless `excludeKeysInExport`.
    Export {
        /// `outputBlobName`.
        blob: String,
        /// The opposite of `excludeKeysInExport`.
        keys: bool,
    },
    /// Reads a blob into the registry.
    Import {
        /// `inputBlobContainerUri`.
        input: Container,
        /// `inputBlobName`.
        blob: String,
    },
}

/// A job as it was asked for.
#[derive(Debug)]
pub(super) struct Request {
    /// What to do.
    pub(super) kind: Kind,
    /// `outputBlobContainerUri`.
    pub(super) output: Container,
    /// `configurationsBlobName`, with `includeConfigurations`.
    pub(super) configurations: Option<String>,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// `ArgumentInvalid` for another type of job or a member of the wrong kind, `BlobContainerValidationError` for what
    /// is no address of a container, `NotImplemented` for access by a managed identity.
    pub(super) fn read(body: &Value) -> Result<Self, HubError> {
        if !body.is_object() {
            return Err(HubError::new(ErrorCode::IotHubFormatError, "the body must be a JSON object"));
        }
        if text(body, "storageAuthenticationType")?
            .is_some_and(|kind| kind.eq_ignore_ascii_case("identityBased"))
        {
            let text = "storageAuthenticationType identityBased is not supported by this emulator";
            return Err(HubError::new(ErrorCode::NotImplemented, text));
        }
        let kind = text(body, "type")?.unwrap_or_default();
        let kind = match kind.to_ascii_lowercase().as_str() {
            "export" => Kind::Export {
                blob: name(body, "outputBlobName", DEVICES)?,
                keys: !flag(body, "excludeKeysInExport")?,
            },
            "import" => Kind::Import {
                input: container(body, "inputBlobContainerUri")?,
                blob: name(body, "inputBlobName", DEVICES)?,
            },
            _ => return Err(HubError::invalid(format!("type '{kind}' is not import or export"))),
        };
        let configurations = match flag(body, "includeConfigurations")? {
            true => Some(name(body, "configurationsBlobName", CONFIGURATIONS)?),
            false => None,
        };
        Ok(Self { kind, output: container(body, "outputBlobContainerUri")?, configurations })
    }

    /// Looks whether the containers can be used: one of input read, one of output written, read and emptied again
    /// (documented needs; that a real hub looks before it answers was observed).
    ///
    /// # Errors
    /// What storage says.
    pub(super) async fn check_access(&self) -> Result<(), StorageError> {
        if let Kind::Import { input, blob } = &self.kind {
            input.check_readable(blob).await?;
        }
        self.output.check_writable().await
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, HubError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty()).map(String::as_str)),
        Some(_) => Err(HubError::invalid(format!("{name} must be a string"))),
    }
}

fn flag(body: &Value, name: &str) -> Result<bool, HubError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(HubError::invalid(format!("{name} must be true or false"))),
    }
}

fn name(body: &Value, member: &str, default: &str) -> Result<String, HubError> {
    let name = text(body, member)?.unwrap_or(default);
    if name.chars().count() > LONGEST_NAME {
        return Err(HubError::invalid(format!("{member} may have {LONGEST_NAME} characters at most")));
    }
    Ok(name.to_owned())
}

fn container(body: &Value, member: &str) -> Result<Container, HubError> {
    let uri = text(body, member)?;
    Container::parse(
        uri.ok_or_else(|| HubError::new(ErrorCode::ArgumentNull, format!("{member} is missing")))?,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const URI: &str = "https://account.blob.core.windows.net/container?sv=2020&sig=abc";

    fn code(body: Value) -> ErrorCode {
        Request::read(&body).unwrap_err().code
    }

    #[test]
    fn names_have_their_documented_defaults_and_types_any_case() {
        let body = json!({"type": "Export", "outputBlobContainerUri": URI, "includeConfigurations": true, "outputBlobName": null});
        let request = Request::read(&body).unwrap();
        assert!(matches!(&request.kind, Kind::Export { blob, keys: true } if blob == "devices.txt"));
        assert_eq!(request.configurations.as_deref(), Some("configurations.txt"));
    }

    #[test]
    fn what_is_no_job_is_refused() {
        assert_eq!(code(json!([])), ErrorCode::IotHubFormatError);
        assert_eq!(code(json!({"outputBlobContainerUri": URI})), ErrorCode::ArgumentInvalid);
        assert_eq!(code(json!({"type": "scheduleUpdateTwin"})), ErrorCode::ArgumentInvalid);
        assert_eq!(code(json!({"type": "export"})), ErrorCode::ArgumentNull);
        assert_eq!(code(json!({"type": "import", "outputBlobContainerUri": URI})), ErrorCode::ArgumentNull);
        let long = format!("{URI}{}", "x".repeat(4096));
        for uri in ["container", "file:///tmp", "https://", &long] {
            let body = json!({"type": "export", "outputBlobContainerUri": uri});
            assert_eq!(code(body), ErrorCode::BlobContainerValidationError, "{uri}");
        }
        let named =
            json!({"type": "export", "outputBlobContainerUri": URI, "outputBlobName": "n".repeat(1025)});
        assert_eq!(code(named), ErrorCode::ArgumentInvalid);
        let by_identity = json!({"type": "export", "outputBlobContainerUri": URI, "storageAuthenticationType": "identityBased"});
        assert_eq!(code(by_identity), ErrorCode::NotImplemented);
    }

    #[test]
    fn a_signature_is_not_in_what_is_printed() {
        let body = json!({"type": "export", "outputBlobContainerUri": URI});
        assert!(!format!("{:?}", Request::read(&body).unwrap()).contains("abc"));
    }
}
