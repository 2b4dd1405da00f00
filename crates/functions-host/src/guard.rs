//! A child that cannot outlive the host.
//!
//! The real host on Linux leaves its handler behind when it is itself killed. This one does not: the handler is
//! started through this program's own `guard` command, which asks the kernel to be killed with its parent and then
//! becomes the handler, keeping its process id.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Becomes `command` (program, then arguments), to be killed when the process `parent` ends. Returns only on failure.
#[must_use]
pub fn become_handler(parent: i32, command: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have died before the request above was made: then no signal will ever come.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return io::Error::other("the host is gone");
    }
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    Command::new(program).args(arguments).exec()
}
