//! Lends a tunnel to a viewer, from its start to the end of either.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use protocol::id::ComputerId;
use protocol::refusal::RefusalCode;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::full_screen::leave_when_asked;
use super::listener::{self, News};
use super::{LaunchError, NotLent, Redirections, Viewer};
use crate::config::ClientConfig;
use crate::message::Language;
use crate::message::full_screen::how_to_leave;
use crate::platform::{self, Allowed, bind_loopback};
use crate::state::{ClientState, StateError};
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
    #[error("cannot change the viewer's settings")]
    Settings(#[source] StateError),
    #[error(transparent)]
    NotLent(#[from] NotLent),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("cannot wait for the viewer")]
    Wait(#[source] io::Error),
}

/// The viewer, and what it is told.
#[derive(Debug)]
pub struct Viewing<'v> {
    pub config: &'v ClientConfig,
    pub state: &'v ClientState,
    /// Beside those of `config`.
    pub arguments: Vec<String>,
    /// What it lends of this PC; `None` leaves that to the viewer's own settings.
    pub redirections: Option<Redirections>,
}

impl Viewing<'_> {
    /// What to tell somebody whose whole screen the viewer takes.
    pub fn how_to_leave_full_screen(&self, language: Language) -> Option<&'static str> {
        let ClientConfig {
            viewer,
            viewer_arguments,
            ..
        } = self.config;
        let arguments = viewer_arguments.iter().chain(&self.arguments);
        how_to_leave(viewer, arguments, language)
    }
}

/// Starts the viewer, and lends it the tunnel until one of them ends: the viewer's status, or
/// how the tunnel ended. What the host says about single streams goes to `reasons`.
pub async fn show(
    tunnel: &Tunnel,
    id: &ComputerId,
    viewing: Viewing<'_>,
    reasons: impl Fn(RefusalCode),
) -> Result<Result<ExitStatus, End>, ShowError> {
    let Viewing {
        config,
        state,
        arguments: mut more,
        redirections,
    } = viewing;
    let listener = bind_loopback(id).await.map_err(ShowError::Listen)?;
    let address = listener.local_addr().map_err(ShowError::Listen)?;
    let (program, arguments) = (&config.viewer, &config.viewer_arguments);
    let settings = state.viewer_settings().map_err(ShowError::Settings)?;
    let mut changed = None;
    if let Some(redirections) = redirections {
        match platform::viewer_settings(program).map_err(no_folder)? {
            Some(file) => {
                let change = settings.change(&file, &redirections.settings());
                changed = Some(change.map_err(ShowError::Settings)?);
            }
            None => more.extend(redirections.arguments()?),
        }
    }
    let mut viewer = Viewer::start(program, arguments, address, &more)?;
    let process = viewer.id();
    let allowed = process.map_or(Allowed::SameUser, Allowed::ProcessTree);
    let left = async {
        match process {
            Some(viewer) => leave_when_asked(tunnel, viewer).await,
            // It has ended already.
            None => pending().await,
        }
    };
    // A viewer that connects has read its settings.
    let admitted = || drop(changed.take());
    tokio::select! {
        status = viewer.ended() => status.map(Ok).map_err(ShowError::Wait),
        end = serve(&listener, tunnel, allowed, reasons, admitted) => Ok(Err(end)),
        never = left => match never {},
    }
}

fn no_folder(source: io::Error) -> ShowError {
    ShowError::Settings(StateError::Io {
        action: "find",
        path: "Default.rdp".into(),
        source,
    })
}

/// Lends the tunnel to whoever `allowed` names, until it ends.
pub async fn lend(
    listener: &TcpListener,
    tunnel: &Tunnel,
    allowed: Allowed,
    reasons: impl Fn(RefusalCode),
) -> End {
    serve(listener, tunnel, allowed, reasons, || {}).await
}

/// The same; `admitted` hears of each connection.
async fn serve(
    listener: &TcpListener,
    tunnel: &Tunnel,
    allowed: Allowed,
    reasons: impl Fn(RefusalCode),
    mut admitted: impl FnMut(),
) -> End {
    let refused = Cell::new(None);
    let heard = |news| match news {
        News::Admitted => admitted(),
        News::Reason(code) => {
            reasons(code);
            if matches!(
                code,
                RefusalCode::HostStopping | RefusalCode::TooManySessions
            ) {
                refused.set(Some(code));
            }
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
