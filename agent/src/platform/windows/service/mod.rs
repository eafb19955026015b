//! The host as a Windows service: `manager` installs and removes it, `main` is what Windows
//! starts, `remote_desktop` is the RDP server that it leads to.
//!
//! What `install` changes in Windows is noted in the registry, and `remove` puts it back.

mod main;
mod manager;
mod remote_desktop;

pub(crate) use main::run;
pub(crate) use manager::{
    Installed, ask_for_administrator, install, is_installed, remove, start, state, stop,
};
pub(crate) use remote_desktop::port;

/// What Windows calls the service. `access` names the rights of this name's bearer.
const NAME: &str = "tasuki-host";
const DISPLAY_NAME: &str = "Tasuki host";
/// What the event log calls it.
pub(crate) const EVENT_SOURCE: &str = "Tasuki host";

/// Something about the service did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("only an administrator can do this; open a terminal as administrator and try again")]
    NotAdministrator,
    #[error("Windows Home has no RDP server, so this PC cannot be reached as a whole")]
    NoRemoteDesktop,
    #[error(
        "every user of this PC may change {0}, and so what the service would do; put the programs \
         where only administrators may write, such as C:\\Program Files\\Tasuki, and try again"
    )]
    OpenToUsers(String),
    #[error("the service is not installed; tasuki-host service install does that")]
    NotInstalled,
    #[error(
        "the service ended as soon as it was started; the event log (source \"Tasuki host\") tells \
         why, and so does: tasuki-host run"
    )]
    Ended,
    #[error("the service takes too long; ask again with: tasuki-host service status")]
    Slow,
    #[error("Windows starts this by itself; to try it at a terminal, type: tasuki-host run")]
    NotStartedByWindows,
    #[error("no folder for the state of services is known: %ProgramData% is not set")]
    NoRoot,
    #[error("Windows refused: {what}")]
    Windows {
        what: &'static str,
        source: std::io::Error,
    },
}

impl ServiceError {
    /// What Windows said, with what was asked of it.
    fn windows(what: &'static str) -> impl FnOnce(windows_service::Error) -> Self {
        move |error| {
            let source = if let windows_service::Error::Winapi(source) = error {
                source
            } else {
                std::io::Error::other(error)
            };
            Self::Windows { what, source }
        }
    }

    fn registry<E: Into<std::io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Windows {
            what,
            source: error.into(),
        }
    }
}
