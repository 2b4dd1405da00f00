//! Blobs to the registry.

use serde_json::{Map, Value};

use super::blob::{BlobReader, BlobWriter, Line};
use super::container::{Container, StorageError};
use super::job::Job;
use crate::error::{ErrorCode, HubError};
use crate::store::{Hub, ImportError};

/// Where lines of devices that failed are told (documented).
const ERRORS: &str = "importErrors.log";
/// Where those of configurations are (documented).
const CONFIGURATION_ERRORS: &str = "importConfigErrors.log";

/// Reads a blob of devices and modules; what fails is told in a blob of its own, which is written even when nothing has.
///
/// # Errors
/// What storage says, here and below.
pub(super) async fn devices(
    hub: &Hub,
    input: (&Container, &str),
    output: &Container,
    job: &Job,
) -> Result<(), StorageError> {
    let mut reader = BlobReader::open(input.0, input.1).await?;
    let mut errors = BlobWriter::new(output, ERRORS);
    while let Some(line) = reader.next().await? {
        let done = read(&line)
            .map_or(Ok(()), |line| line.map_err(ImportError::unreadable).and_then(|line| hub.import(&line)));
        if let Err(ImportError { device, module, error }) = done {
            let mut told = told("deviceId", device, &error);
            if let Some(module) = module {
                told.insert("moduleId".to_owned(), module.into());
            }
            errors.line(&Value::Object(told).to_string()).await?;
        }
        job.advance(reader.percent());
    }
    errors.finish().await
}

/// Reads a blob of configurations.
pub(super) async fn configurations(
    hub: &Hub,
    input: (&Container, &str),
    output: &Container,
) -> Result<(), StorageError> {
    let mut reader = BlobReader::open(input.0, input.1).await?;
    let mut errors = BlobWriter::new(output, CONFIGURATION_ERRORS);
    while let Some(line) = reader.next().await? {
        let done = read(&line).map_or(Ok(()), |line| {
            line.map_err(|error| (None, error)).and_then(|line| hub.configurations().import(&line))
        });
        if let Err((id, error)) = done {
            errors.line(&Value::Object(told("id", id, &error)).to_string()).await?;
        }
    }
    errors.finish().await
}

/// A line as JSON; `None` for an empty one. A byte order mark, which .NET writes, is nothing.
fn read(line: &Line) -> Option<Result<Value, HubError>> {
    let unreadable = |why: String| HubError::new(ErrorCode::DeserializationError, why);
    match line {
        Line::Unreadable(why) => Some(Err(unreadable((*why).to_owned()))),
        Line::Text(text) => {
            let text = text.trim_start_matches('\u{feff}').trim();
            let parsed = serde_json::from_str(text);
            (!text.is_empty())
                .then(|| parsed.map_err(|error| unreadable(format!("the line is not JSON: {error}"))))
        }
    }
}

/// A line of an error log: the code is a number here (observed).
fn told(name: &str, id: Option<String>, error: &HubError) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert(name.to_owned(), id.into());
    all.insert("errorCode".to_owned(), error.code.number().into());
    all.insert("errorStatus".to_owned(), error.message.as_str().into());
    all
}
