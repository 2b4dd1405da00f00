//! The wish to end, and what is done to other processes.

/// Ctrl-C, a polite request to end from elsewhere, or a terminal that was closed.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        if let (Ok(mut terminate), Ok(mut hangup)) = signals {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Ends a process at once, whatever it is doing.
#[cfg(unix)]
pub(crate) fn kill(pid: i32) {
    send(pid, rustix::process::Signal::KILL);
}

/// Stops a process where it stands.
#[cfg(unix)]
pub(crate) fn freeze(pid: i32) {
    send(pid, rustix::process::Signal::STOP);
}

/// Lets a process that was stopped go on.
#[cfg(unix)]
pub(crate) fn go_on(pid: i32) {
    send(pid, rustix::process::Signal::CONT);
}

/// Whether there is such a process, whoever's it is.
#[cfg(unix)]
pub(crate) fn is_alive(pid: i32) -> bool {
    let gone = |error| error == rustix::io::Errno::SRCH;
    rustix::process::Pid::from_raw(pid)
        .is_some_and(|pid| !rustix::process::test_kill_process(pid).is_err_and(gone))
}

/// Only where it can be known.
#[cfg(not(unix))]
pub(crate) fn is_alive(_pid: i32) -> bool {
    true
}

/// A process that is gone needs no signal.
#[cfg(unix)]
fn send(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Only where there are signals.
#[cfg(not(unix))]
pub(crate) fn kill(_pid: i32) {}

/// Only where there are signals.
#[cfg(not(unix))]
pub(crate) fn freeze(_pid: i32) {}

/// Only where there are signals.
#[cfg(not(unix))]
pub(crate) fn go_on(_pid: i32) {}
