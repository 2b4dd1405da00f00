//! Lays out exactly what a publish needs: `host.json`, each function's `function.json`, and the program beside them,
//! where the staged `host.json` names it. No sources, no `local.settings.json`, no build folder.
//!
//! A folder of its own, because `.funcignore` cannot do it: a negation in it packs no files
//! (core-tools issue 4240), and the program lies inside the ignored `target`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::LabError;
use crate::folders;

/// What was laid out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Paths relative to the folder, in the order they were written.
    pub(crate) files: Vec<PathBuf>,
}

/// The program's name in what is published.
const PROGRAM: &str = "iot-hadr";
/// Where `host.json` names it.
const EXECUTABLE: &str = "/customHandler/description/defaultExecutablePath";

/// Copies the app at `app` with the executable `program` into `to`, which is emptied first.
///
/// # Errors
/// When `host.json` is missing or names no executable, when there is no function folder, or when a file cannot be
/// copied. `to` must not contain the app.
pub(crate) fn stage(app: &Path, program: &Path, to: &Path) -> Result<Staged, LabError> {
    let host = staged_host(&app.join("host.json"))?;
    let functions = function_files(app)?;
    empty(app, to)?;
    fs::write(to.join("host.json"), host).map_err(LabError::file(to))?;
    for file in &functions {
        copy(&app.join(file), &to.join(file))?;
    }
    copy(program, &to.join(PROGRAM))?;
    // The host sets the bit itself on Linux Consumption only.
    folders::make_executable(&to.join(PROGRAM))?;
    let mut files = vec![PathBuf::from("host.json")];
    files.extend(functions);
    files.push(PROGRAM.into());
    Ok(Staged { files })
}

/// What to do with the folder next.
pub(crate) fn next_steps(to: &Path, staged: &Staged) -> String {
    let list: String = staged.files.iter().map(|file| format!("  {}\n", file.display())).collect();
    format!(
        "{}\n{list}\nPublish it with:\n  cd {} && func azure functionapp publish <app name> --custom\n",
        to.display(),
        to.display()
    )
}

/// `host.json` with the program at the app's root, and everything else as it is.
fn staged_host(host: &Path) -> Result<String, LabError> {
    let text = fs::read_to_string(host).map_err(LabError::file(host))?;
    let malformed = |why: String| LabError::Malformed(host.to_owned(), why);
    let mut json: Value = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let path = json.pointer_mut(EXECUTABLE).ok_or_else(|| malformed(format!("no {EXECUTABLE}")))?;
    *path = json!(PROGRAM);
    Ok(format!("{json:#}\n"))
}

/// `*/function.json`, sorted.
fn function_files(app: &Path) -> Result<Vec<PathBuf>, LabError> {
    let entries = fs::read_dir(app).map_err(LabError::file(app))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| Path::new(&entry.file_name()).join("function.json"))
        .filter(|file| app.join(file).is_file())
        .collect();
    found.sort();
    if found.is_empty() {
        let why = "no folder with a function.json".to_owned();
        return Err(LabError::Malformed(app.to_owned(), why));
    }
    Ok(found)
}

fn empty(app: &Path, to: &Path) -> Result<(), LabError> {
    if app.starts_with(to) {
        let why = "would delete the app itself".to_owned();
        return Err(LabError::Malformed(to.to_owned(), why));
    }
    if to.exists() {
        fs::remove_dir_all(to).map_err(LabError::file(to))?;
    }
    fs::create_dir_all(to).map_err(LabError::file(to))
}

fn copy(from: &Path, to: &Path) -> Result<(), LabError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(LabError::file(folder))?;
    }
    fs::copy(from, to).map(|_| ()).map_err(LabError::file(from))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::folders::TempFolder;

    const HOST: &str = r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"target/release/iot-hadr"}}}"#;

    fn app(folder: &TempFolder, host: &str) -> PathBuf {
        let app = folder.path().join("app");
        let write = |file: &str, text: &str| {
            let path = app.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("host.json", host);
        write("local.settings.json", "{}");
        write("src/main.rs", "fn main() {}");
        write("hub-router/function.json", "{}");
        write("hub-router/notes.txt", "not for Azure");
        write("twin-sync/function.json", "{}");
        write("built/iot-hadr", "program");
        app
    }

    fn everything_in(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                found.extend(everything_in(&entry.path()));
            } else {
                found.push(entry.path());
            }
        }
        found.sort();
        found
    }

    #[test]
    fn exactly_what_a_publish_needs_is_laid_out() {
        let folder = TempFolder::new().unwrap();
        let app = app(&folder, HOST);
        let to = folder.path().join("publish");
        fs::create_dir_all(to.join("left-over")).unwrap();
        stage(&app, &app.join("built/iot-hadr"), &to).unwrap();
        let expected = ["host.json", "hub-router/function.json", "iot-hadr", "twin-sync/function.json"];
        assert_eq!(everything_in(&to), expected.map(|file| to.join(file)));
        let host: Value = serde_json::from_str(&fs::read_to_string(to.join("host.json")).unwrap()).unwrap();
        let expected = HOST.replace("target/release/iot-hadr", "iot-hadr");
        assert_eq!(host, serde_json::from_str::<Value>(&expected).unwrap());
        assert!(!to.join("left-over").exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_program_may_be_executed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = TempFolder::new().unwrap();
        let app = app(&folder, HOST);
        let to = folder.path().join("publish");
        stage(&app, &app.join("built/iot-hadr"), &to).unwrap();
        let mode = fs::metadata(to.join("iot-hadr")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }

    #[test]
    fn a_target_that_holds_the_app_is_never_emptied() {
        let folder = TempFolder::new().unwrap();
        let app = app(&folder, HOST);
        let refused = stage(&app, &app.join("built/iot-hadr"), folder.path());
        assert!(matches!(refused, Err(LabError::Malformed(..))));
        assert!(app.join("host.json").is_file());
    }
}
