//! Starting the handler's process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};
use uuid::Uuid;

use super::console;
use crate::app::{HostJson, Settings};
use crate::error::HostError;
use crate::log::{HostLog, Level};

/// Everything needed to start the handler again and again.
pub(crate) struct Launch {
    pub(crate) host: HostJson,
    pub(crate) settings: Settings,
    /// The app folder, absolute.
    pub(crate) root: PathBuf,
    /// The program that ties the handler's life to the host's; see [`crate::guard`].
    pub(crate) guard: PathBuf,
    pub(crate) port: u16,
    pub(crate) log: HostLog,
}

impl Launch {
    /// Starts the process in a group of its own, its output going to the log.
    pub(super) fn start(&self) -> Result<Child, HostError> {
        let mut child = self.command().spawn().map_err(|error| self.cannot_start(&error.to_string()))?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(console::follow(stdout, self.log.clone(), |_| Level::Information));
        }
        if let Some(stderr) = child.stderr.take() {
            let errors_only = self.host.stderr_is_for_errors;
            let level = move |line: &str| console::stderr_level(line, errors_only);
            tokio::spawn(console::follow(stderr, self.log.clone(), level));
        }
        Ok(child)
    }

    /// Says at once what would otherwise only show as a guard that exits.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        let program = &self.host.executable;
        let found = if program.components().count() > 1 {
            program.is_file()
        } else {
            let path = self.settings.get("PATH").unwrap_or_default();
            std::env::split_paths(path).any(|folder| folder.join(program).is_file())
        };
        if found { Ok(()) } else { Err(self.cannot_start("no such file")) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.guard);
        command
            .arg("guard")
            .arg(std::process::id().to_string())
            .arg(&self.host.executable)
            .args(self.host.arguments.iter().map(OsString::from))
            .current_dir(&self.host.working_directory)
            .env_clear()
            .envs(self.settings.all())
            .envs(self.host_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// The five variables the host adds.
    fn host_environment(&self) -> [(&'static str, String); 5] {
        let (port, id) = (self.port.to_string(), Uuid::new_v4().to_string());
        [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.clone()),
            ("FUNCTIONS_HTTPWORKER_PORT", port),
            ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", id.clone()),
            ("FUNCTIONS_HTTPWORKER_ID", id),
            ("FUNCTIONS_APP_ROOT_PATH", self.root.to_string_lossy().into_owned()),
        ]
    }

    fn cannot_start(&self, reason: &str) -> HostError {
        let program = self.host.executable.display();
        HostError::Handler(format!("Failed to start the custom handler {program}: {reason}"))
    }
}
