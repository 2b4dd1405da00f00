//! The app folder: host.json, one subfolder per function, local.settings.json.

mod function_json;
mod host_json;
mod settings;

use std::path::Path;

pub(crate) use function_json::{
    Cardinality, DataType, EventHubTrigger, Function, HttpTrigger, RetryPolicy, TimerTrigger, Trigger,
};
pub(crate) use host_json::HostJson;
pub(crate) use settings::Settings;

use crate::error::HostError;

/// All functions of the app: the direct subfolders with a function.json, by name.
/// All faults are collected, each with the name of its function.
pub(crate) fn read_functions(root: &Path, settings: &Settings) -> Result<Vec<Function>, HostError> {
    let entries = std::fs::read_dir(root).map_err(|error| HostError::unreadable(root, error))?;
    let mut folders: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|folder| folder.join("function.json").is_file())
        .filter(|folder| !is_disabled(folder, settings))
        .collect();
    folders.sort();
    let (mut functions, mut faults) = (Vec::new(), Vec::new());
    for folder in folders {
        match function_json::read(&folder, settings) {
            Ok(function) => functions.push(function),
            Err(HostError::Rejected(more)) => faults.extend(more),
            Err(other) => return Err(other),
        }
    }
    if !faults.is_empty() {
        return Err(HostError::Rejected(faults));
    }
    if functions.is_empty() {
        return Err(HostError::rejected(format!(
            "{}: no function found (no subfolder has a function.json)",
            root.display()
        )));
    }
    let needs_storage = functions.iter().any(|function| !matches!(function.trigger, Trigger::Http(_)));
    if needs_storage && !settings.has_connection("AzureWebJobsStorage") {
        return Err(HostError::rejected(
            "Missing value for AzureWebJobsStorage. This is required for all triggers other than httpTrigger. \
             Set it in the environment or in local.settings.json.",
        ));
    }
    Ok(functions)
}

/// `AzureWebJobs.<function>.Disabled` switches a function off: documented.
fn is_disabled(folder: &Path, settings: &Settings) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let value = settings.get(&format!("AzureWebJobs.{name}.Disabled"));
    value.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}
