//! Why there is no desktop.

use crate::outer::{OuterError, ProxyRefusal};
use crate::state::StateError;
use crate::tunnel::TunnelError;

/// Everything that keeps a client from its office PC.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Outer(#[from] OuterError),
    #[error(transparent)]
    Tunnel(Box<TunnelError>),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the office PC asked for is this PC")]
    Oneself,
    #[error("every board sent this client on to another")]
    NoBoard,
    #[error("board fell silent")]
    Silent,
    #[error("board sent {0}, which has no place here")]
    Unexpected(&'static str),
    #[error("{0:#}")]
    Password(anyhow::Error),
}

impl From<TunnelError> for ConnectError {
    fn from(error: TunnelError) -> Self {
        Self::Tunnel(Box::new(error))
    }
}

impl ConnectError {
    /// Whether trying again by itself may help: the path failed, and nobody said no.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Outer(error) => is_of_path(error),
            Self::Tunnel(error) => matches!(
                **error,
                TunnelError::TimedOut(_) | TunnelError::Closed(_) | TunnelError::Io { .. }
            ),
            Self::Silent => true,
            Self::State(_)
            | Self::Oneself
            | Self::NoBoard
            | Self::Unexpected(_)
            | Self::Password(_) => false,
        }
    }
}

fn is_of_path(error: &OuterError) -> bool {
    match error {
        OuterError::NameNotFound { .. }
        | OuterError::Unreachable { .. }
        | OuterError::NoAnswer { .. }
        | OuterError::HandshakeCut { .. }
        | OuterError::ProxyScript { .. }
        | OuterError::CutBehindProxy { .. }
        | OuterError::Closed
        | OuterError::Lost(_) => true,
        OuterError::Proxy { source, .. } => matches!(
            source,
            ProxyRefusal::Unreachable(_) | ProxyRefusal::NoWay { .. }
        ),
        OuterError::EntryUnusable(_)
        | OuterError::ProxySettings(_)
        | OuterError::UnknownBoard(_)
        | OuterError::Certificate { .. }
        | OuterError::WrongBoard { .. }
        | OuterError::OldTls { .. }
        | OuterError::NotTls { .. }
        | OuterError::Tls { .. }
        | OuterError::BadFrame(_)
        | OuterError::UnexpectedFrame(_)
        | OuterError::BoardList(_)
        | OuterError::Refused(_) => false,
    }
}
