//! How the programs end: one exit code a class of outcome, so that scripts can tell them apart.
//!
//! From 80 on they lie beside what FreeRDP and sysexits.h use, because `connect` passes the
//! viewer's own exit code through.

use std::process::ExitCode;

use clap::Parser;
use protocol::refusal::RefusalCode;

use super::say;
use crate::client::ConnectError;
use crate::config::ConfigError;
use crate::message::{Explain, Explanation};
use crate::outer::OuterError;
use crate::outer::https::HttpsError;
use crate::state::StateError;
use crate::tunnel::TunnelError;
use crate::update::LookError;

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It did what was asked.
    Done,
    /// Something on this PC went wrong.
    Failed,
    /// The command line or a settings file is wrong.
    Usage,
    /// No relay was reached: name, network or proxy.
    RelayUnreachable,
    /// What answered is not a relay to be trusted.
    RelayUntrusted,
    /// The relay refused.
    RelayRefused,
    /// There is no such office PC, or it is not there now.
    NotThere,
    /// The office PC refused.
    HostRefused,
    /// The password was refused, or must not be tried now.
    Password,
    /// Somebody else may be answering for the office PC.
    Impostor,
    /// The office PC asked for is this PC.
    Oneself,
    /// One side has to be updated.
    Versions,
    /// A connection that had been made was lost.
    Lost,
    /// What the viewer said.
    Viewer(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::RelayUnreachable => 80,
            Self::RelayUntrusted => 81,
            Self::RelayRefused => 82,
            Self::NotThere => 83,
            Self::HostRefused => 84,
            Self::Password => 85,
            Self::Impostor => 86,
            Self::Oneself => 87,
            Self::Versions => 88,
            Self::Lost => 89,
            Self::Viewer(code) => code,
        }
    }
}

/// A mistake in the command line or in a settings file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// Reads the command line; help, version and mistakes are told here and end the program.
pub(super) fn parse<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|told| {
        let exit = if told.use_stderr() {
            Exit::Usage
        } else {
            Exit::Done
        };
        // Nobody is left to tell when the terminal is gone.
        let _ = told.print();
        exit.code().into()
    })
}

/// Ends the program with the outcome of its command; an error is told with its causes.
pub(super) fn of(outcome: anyhow::Result<Exit>) -> ExitCode {
    let exit = outcome.unwrap_or_else(|error| {
        match explain(&error) {
            Some(explanation) => say::line(&explanation),
            None => say::line(&format!("{error:#}")),
        }
        if error.is::<UsageError>() || error.is::<ConfigError>() {
            Exit::Usage
        } else {
            Exit::Failed
        }
    });
    exit.code().into()
}

/// Plain words, for what has them.
fn explain(error: &anyhow::Error) -> Option<Explanation> {
    let state = error.downcast_ref().map(StateError::explain);
    state.or_else(|| error.downcast_ref().map(ConfigError::explain))
}

impl Exit {
    /// The class of a failure to connect.
    pub(super) fn of_connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::Outer(error) => Self::of_outer(error),
            ConnectError::Tunnel(error) => Self::of_tunnel(error),
            ConnectError::State(_) | ConnectError::Password(_) => Self::Failed,
            ConnectError::Oneself => Self::Oneself,
            ConnectError::NoBoard | ConnectError::Silent | ConnectError::Unexpected(_) => {
                Self::RelayUnreachable
            }
        }
    }

    /// The class of a failure to reach a relay.
    pub(super) fn of_outer(error: &OuterError) -> Self {
        match error {
            OuterError::Refused(refusal) => Self::of_refusal(refusal.code),
            OuterError::EntryUnusable(_) | OuterError::ProxySettings(_) => Self::Usage,
            OuterError::NameNotFound { .. }
            | OuterError::Unreachable { .. }
            | OuterError::NoAnswer { .. }
            | OuterError::ProxyScript { .. }
            | OuterError::Proxy { .. }
            | OuterError::HandshakeCut { .. }
            | OuterError::NotTls { .. }
            | OuterError::CutBehindProxy { .. }
            | OuterError::Closed
            | OuterError::Lost(_) => Self::RelayUnreachable,
            OuterError::UnknownBoard(_)
            | OuterError::Certificate { .. }
            | OuterError::WrongBoard { .. }
            | OuterError::OldTls { .. }
            | OuterError::Tls { .. }
            | OuterError::BadFrame(_)
            | OuterError::UnexpectedFrame(_)
            | OuterError::BoardList(_) => Self::RelayUntrusted,
        }
    }

    /// The class of a failure to find out whether there is a newer version.
    pub(super) fn of_look(error: &LookError) -> Self {
        match error {
            LookError::NoAddress | LookError::Fetch(HttpsError::Address(_)) => Self::Usage,
            LookError::Fetch(HttpsError::Authorities(_)) => Self::Failed,
            LookError::Fetch(HttpsError::Way(error)) => Self::of_outer(error),
            LookError::Fetch(HttpsError::Untrusted { .. }) | LookError::Announcement { .. } => {
                Self::RelayUntrusted
            }
            LookError::Fetch(
                HttpsError::Tls { .. }
                | HttpsError::Lost { .. }
                | HttpsError::Status { .. }
                | HttpsError::Redirect
                | HttpsError::NotHttp { .. }
                | HttpsError::TooLong { .. }
                | HttpsError::Slow,
            ) => Self::RelayUnreachable,
        }
    }

    fn of_tunnel(error: &TunnelError) -> Self {
        match error {
            TunnelError::Refused(refusal) => Self::of_refusal(refusal.code),
            TunnelError::WrongPassword | TunnelError::PasswordTooLong => Self::Password,
            TunnelError::ChangedHostKey { .. } | TunnelError::ManInTheMiddle => Self::Impostor,
            TunnelError::TimedOut(_) | TunnelError::Closed(_) | TunnelError::Io { .. } => {
                Self::Lost
            }
            TunnelError::Resources => Self::Failed,
            TunnelError::Tls(_)
            | TunnelError::BadFrame { .. }
            | TunnelError::UnexpectedFrame { .. }
            | TunnelError::BadPasswordMessage
            | TunnelError::BadVersion(_) => Self::HostRefused,
        }
    }

    /// The class of a refusal.
    pub(super) fn of_refusal(code: RefusalCode) -> Self {
        use RefusalCode as Code;
        match code {
            Code::AgentTooOld | Code::BoardTooOld | Code::HostTooOld | Code::ClientTooOld => {
                Self::Versions
            }
            Code::UnknownId | Code::Offline | Code::HostDidNotCome => Self::NotThere,
            Code::HostBusy
            | Code::AddressDenied
            | Code::NoPassword
            | Code::TooManySessions
            | Code::TargetUnreachable
            | Code::HostStopping
            | Code::StaleLink
            | Code::WrongComputer => Self::HostRefused,
            Code::LockedOut | Code::WrongPassword => Self::Password,
            Code::ManInTheMiddle => Self::Impostor,
            Code::Other(from_host @ 100..) => {
                tracing::debug!(from_host, "Refusal that this build does not know");
                Self::HostRefused
            }
            Code::BadFrame
            | Code::Barred
            | Code::TooManyAttempts
            | Code::BoardFull
            | Code::Draining
            | Code::TicketUnknown
            | Code::TicketUsed
            | Code::TicketLate
            | Code::TicketForeign
            | Code::IdTaken
            | Code::ClaimInvalid
            | Code::ClaimSuperseded
            | Code::ClaimsExhausted
            | Code::Clone
            | Code::WishMissing
            | Code::RegistrarUnavailable
            | Code::LinkReplaced
            | Code::HostKeyMissing
            | Code::Other(_) => Self::RelayRefused,
        }
    }
}
