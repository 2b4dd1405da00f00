//! Where things are: the app's root, the build's output, and folders that go away again.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::LabError;
use crate::signals;

/// How the name of each begins; the process that made it comes next.
const PREFIX: &str = "iot-hadr-lab-";

/// A new folder for this run alone; removed with everything in it when dropped.
#[derive(Debug)]
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    /// Makes one under the system's temporary folder, readable by this user only, and removes those of labs that were
    /// killed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new() -> Result<Self, LabError> {
        remove_left_over();
        let (own, unique) = (std::process::id(), uuid::Uuid::new_v4().simple());
        let path = env::temp_dir().join(format!("{PREFIX}{own}-{unique}"));
        private_folder(&path).map_err(LabError::file(&path))?;
        Ok(Self(path))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // Nothing can be done about it here, and the system clears its temporary folder anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Folders whose name's process is gone. One that belongs to another user cannot be removed, and is not.
fn remove_left_over() {
    let folders = std::fs::read_dir(env::temp_dir()).into_iter().flatten().filter_map(Result::ok);
    for folder in folders {
        let name = folder.file_name();
        let process =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok());
        if process.is_some_and(|process| !signals::is_alive(process)) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

#[cfg(unix)]
fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir(path)
}

/// Lets everybody execute a file.
///
/// # Errors
/// When it is not this user's.
#[cfg(unix)]
pub(crate) fn make_executable(path: &Path) -> Result<(), LabError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).map_err(LabError::file(path))
}

/// Only where files have such a bit.
#[cfg(not(unix))]
pub(crate) fn make_executable(_path: &Path) -> Result<(), LabError> {
    Ok(())
}

/// The app's root: the nearest folder with a `host.json`, from the package's folder (under cargo)
/// or the current folder upwards.
///
/// # Errors
/// When there is none.
pub(crate) fn app_root() -> Result<PathBuf, LabError> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => env::current_dir().map_err(LabError::file(Path::new(".")))?,
    };
    let found = start.ancestors().find(|folder| folder.join("host.json").is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        LabError::Malformed(start.clone(), "no host.json here or in a parent folder".to_owned())
    })
}

/// Which binaries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Built as this program was.
    Own,
    /// Always release: what is published.
    Release,
}

impl Profile {
    /// Whether `cargo build` needs `--release`.
    pub(crate) fn is_release(self) -> bool {
        self == Self::Release || !cfg!(debug_assertions)
    }

    /// The folder of its binaries: found from where this program lies, whatever `CARGO_TARGET_DIR`
    /// says.
    ///
    /// # Errors
    /// When the system does not say where this program lies.
    pub(crate) fn folder(self) -> Result<PathBuf, LabError> {
        let me = env::current_exe().map_err(LabError::file(Path::new("this program")))?;
        let own = me.parent().unwrap_or(Path::new("."));
        let target = own.parent().unwrap_or(own);
        Ok(if self == Self::Own { own.to_owned() } else { target.join("release") })
    }
}
