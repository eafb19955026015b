//! Lends a tunnel to a viewer, from its start to the end of either.

use std::cell::Cell;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use protocol::id::ComputerId;
use protocol::refusal::RefusalCode;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{LaunchError, Viewer, listener};
use crate::config::ClientConfig;
use crate::platform::{Allowed, bind_loopback};
use crate::tunnel::{Ended, Tunnel};

/// How long the last words to the office PC may take.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// How the office PC, or the path to it, ended a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Refused(RefusalCode),
    Closed,
    Lost,
}

/// Why nothing is shown, although there is a tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("cannot wait for the viewer")]
    Wait(#[source] io::Error),
}

/// Starts the viewer of `config`, with `more` arguments, and lends it the tunnel until one of
/// them ends: the viewer's status, or how the tunnel ended. What the host says about single
/// streams goes to `reasons`.
pub async fn show(
    tunnel: &Tunnel,
    id: &ComputerId,
    config: &ClientConfig,
    more: &[String],
    reasons: impl Fn(RefusalCode),
) -> Result<Result<ExitStatus, End>, ShowError> {
    let listener = bind_loopback(id).await.map_err(ShowError::Listen)?;
    let address = listener.local_addr().map_err(ShowError::Listen)?;
    let (program, arguments) = (&config.viewer, &config.viewer_arguments);
    let mut viewer = Viewer::start(program, arguments, address, more)?;
    let allowed = viewer.id().map_or(Allowed::SameUser, Allowed::ProcessTree);
    tokio::select! {
        status = viewer.ended() => status.map(Ok).map_err(ShowError::Wait),
        end = lend(&listener, tunnel, allowed, reasons) => Ok(Err(end)),
    }
}

/// Lends the tunnel to whoever `allowed` names, until it ends.
pub async fn lend(
    listener: &TcpListener,
    tunnel: &Tunnel,
    allowed: Allowed,
    reasons: impl Fn(RefusalCode),
) -> End {
    let refused = Cell::new(None);
    let heard = |code: RefusalCode| {
        reasons(code);
        if matches!(
            code,
            RefusalCode::HostStopping | RefusalCode::TooManySessions
        ) {
            refused.set(Some(code));
        }
    };
    let ended = listener::serve(listener, tunnel, allowed, heard).await;
    tracing::debug!(?ended, "Tunnel ended");
    match (ended, refused.get()) {
        // It was the last word; how the connection came down after it does not matter.
        (_, Some(code)) => End::Refused(code),
        (Ended::Closed, None) => End::Closed,
        (Ended::PathDied(_) | Ended::Violation(_), None) => End::Lost,
    }
}

/// The office PC shall hear that this is an end and not a break.
pub async fn close(tunnel: Tunnel) {
    // One that hears nothing finds out by itself.
    let _ = timeout(CLOSE_WAIT, tunnel.close()).await;
}
