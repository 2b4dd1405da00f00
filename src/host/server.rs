//! The server the host talks to, and how its life ends.

use std::future::IntoFuture;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::parent_id;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How often is looked whether the host is still there.
const PARENT_WATCH: Duration = Duration::from_millis(500);

/// Why the server ended. Never a success: the host does not restart a handler that exits with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// SIGINT: a terminal's Ctrl-C reaches the whole process group.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The host is gone; on Linux nothing else would end its handler (read in its source).
    HostGone,
    /// The listener failed.
    Failed,
}

impl Ended {
    /// The process's exit code: 128 plus the signal's number, as shells have it, or `EX_UNAVAILABLE`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::HostGone | Self::Failed => 69,
        }
    }
}

/// Binds the port that the host assigned. The host asks at `127.0.0.1` and nowhere else.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Serves until a signal comes or the host is gone, then takes no more work and finishes what is in
/// flight within `bound`.
pub async fn serve(listener: TcpListener, router: Router, bound: Duration) -> Ended {
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let mut server = pin!(server.into_future());
    let why = tokio::select! {
        why = end() => why,
        _ = &mut server => return Ended::Failed,
    };
    tracing::info!(?why, "taking no more work");
    let _ = stop.send(());
    if tokio::time::timeout(bound, server).await.is_err() {
        tracing::warn!("work in flight was dropped; the host will bring it again");
    }
    why
}

async fn end() -> Ended {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Ended::Failed;
    };
    tokio::select! {
        _ = interrupt.recv() => Ended::Interrupted,
        _ = terminate.recv() => Ended::Terminated,
        () = orphaned() => Ended::HostGone,
    }
}

/// Ends when the parent process has.
async fn orphaned() {
    let parent = parent_id();
    let mut ticks = tokio::time::interval(PARENT_WATCH);
    while parent_id() == parent {
        ticks.tick().await;
    }
}
