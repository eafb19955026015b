//! Leaving full screen when the office PC asks for it (C9): a viewer that fills the screen keeps
//! the keys to itself, but a host that shares a desktop sees them.

use std::convert::Infallible;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::platform::minimize;
use crate::tunnel::Tunnel;

/// Between two times: whatever the office PC says, this PC stays usable.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes the windows of `viewer`, a process of ours, off the screen whenever the host wants it.
pub(super) async fn leave_when_asked(tunnel: &Tunnel, viewer: u32) -> Infallible {
    loop {
        tunnel.shall_leave_full_screen().await;
        tracing::debug!("The office PC asks to leave full screen");
        match spawn_blocking(move || minimize(viewer)).await {
            Ok(Ok(windows)) => tracing::debug!(windows, "Taken off the screen"),
            Ok(Err(error)) => tracing::warn!(%error, "The viewer stays on the screen"),
            // Of a program that is stopping.
            Err(error) => tracing::debug!(%error, "The viewer stays on the screen"),
        }
        sleep(PAUSE).await;
    }
}
