//! The program that is published: one that runs on the images of Azure Functions, whose C library is as old as 2.31.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::error::LabError;
use crate::folders::Profile;

/// The machines of Azure Functions on Linux.
const MACHINE: &str = "x86_64-unknown-linux";
/// Older than the C library of any image.
const OLD_GLIBC: &str = "2.28";
/// What to do when neither way is open.
const ADVICE: &str = "\
Images of Azure Functions have 2.31 or 2.36. To build a program that needs no C library:
  rustup target add x86_64-unknown-linux-musl      and Debian's musl-tools
or one that needs an old one:
  cargo install cargo-zigbuild                     and zig";

/// How it is built on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Static: nothing of the image is used.
    Musl,
    /// Against an old C library.
    OldGlibc,
    /// As for this machine.
    Plain,
}

/// Builds the app's program for the images of Azure Functions as well as this machine can, and says what it needs there.
///
/// # Errors
/// When cargo is missing or the build fails.
pub(crate) async fn build(app: &Path) -> Result<(PathBuf, String), LabError> {
    let way = way().await;
    let failed = |why: String| LabError::Program("cargo".to_owned(), why);
    let status = Command::new(cargo()).current_dir(app).args(arguments(way)).status().await;
    let status = status.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    let program = program(way)?;
    let needs = std::fs::read(&program).map_err(LabError::file(&program))?;
    Ok((program, said(newest_glibc(&needs))))
}

fn arguments(way: Way) -> Vec<String> {
    let (build, target) = match way {
        Way::Musl => ("build", format!("--target={MACHINE}-musl")),
        Way::OldGlibc => ("zigbuild", format!("--target={MACHINE}-gnu.{OLD_GLIBC}")),
        // The same choice of packages as everywhere, so that nothing is built twice.
        Way::Plain => ("build", "--bins".to_owned()),
    };
    let mut arguments = vec![build.to_owned(), "--release".to_owned(), target];
    if way != Way::Plain {
        arguments.push("--bin=iot-hadr".to_owned());
    }
    arguments
}

fn program(way: Way) -> Result<PathBuf, LabError> {
    let release = Profile::Release.folder()?;
    let target = release.parent().unwrap_or(&release);
    let folder = match way {
        Way::Musl => target.join(format!("{MACHINE}-musl/release")),
        Way::OldGlibc => target.join(format!("{MACHINE}-gnu/release")),
        Way::Plain => release.clone(),
    };
    Ok(folder.join("iot-hadr"))
}

async fn way() -> Way {
    if has_target(&format!("{MACHINE}-musl")).await && answers("musl-gcc", &["--version"]).await {
        return Way::Musl;
    }
    if answers("cargo-zigbuild", &["--version"]).await { Way::OldGlibc } else { Way::Plain }
}

/// Whether the standard library of a target is installed.
async fn has_target(target: &str) -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output().await;
    let folder = asked.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    folder.is_ok_and(|folder| !folder.is_empty() && Path::new(&folder).is_dir())
}

async fn answers(program: &str, arguments: &[&str]) -> bool {
    let asked = Command::new(program).args(arguments).output().await;
    asked.is_ok_and(|answer| answer.status.success())
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// The newest version of the GNU C library that a program names, `2.x`; nothing for a static one.
fn newest_glibc(program: &[u8]) -> Option<u32> {
    const VERSION: &[u8] = b"GLIBC_2.";
    let found = program.windows(VERSION.len()).enumerate().filter(|(_, window)| *window == VERSION);
    let minor = |at: usize| {
        let digits = program.get(at + VERSION.len()..)?.iter().take_while(|byte| byte.is_ascii_digit());
        String::from_utf8(digits.copied().collect()).ok()?.parse::<u32>().ok()
    };
    found.filter_map(|(at, _)| minor(at)).max()
}

fn said(glibc: Option<u32>) -> String {
    match glibc {
        None => "iot-hadr is static: it runs on every image.".to_owned(),
        Some(minor) if minor <= 31 => format!("iot-hadr needs glibc 2.{minor}: it runs on every image."),
        Some(minor) => format!("iot-hadr needs glibc 2.{minor}, which not every image has.\n{ADVICE}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_c_library_is_the_one_that_a_program_needs() {
        let table = [
            (&b"nothing"[..], None),
            (b"..GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.17\0", Some(34)),
            (b"GLIBC_2.9", Some(9)),
            (b"GLIBC_2.x", None),
        ];
        for (program, needed) in table {
            assert_eq!(newest_glibc(program), needed, "{}", String::from_utf8_lossy(program));
        }
    }

    #[test]
    fn a_program_that_would_not_start_there_is_told_with_what_to_install() {
        assert!(said(Some(34)).contains("rustup target add"));
        assert!(!said(Some(31)).contains("rustup"));
        assert!(!said(None).contains("rustup"));
    }
}
