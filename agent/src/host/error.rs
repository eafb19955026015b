//! Why the host has no link.

use protocol::refusal::Refusal;

use crate::outer::OuterError;
use crate::state::StateError;

/// Everything that keeps a host from being linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Outer(#[from] OuterError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("host key cannot be used: {0}")]
    Key(#[from] rustls::Error),
    #[error("no entry file; run tasuki-host init")]
    NoEntry,
    #[error("every board sent this host on to another")]
    NoBoard,
    #[error("board fell silent")]
    Silent,
    #[error("board sent {0}, which has no place here")]
    Unexpected(&'static str),
    #[error("board gave a claim that the registrar has not signed for this host")]
    FalseClaim,
}

impl LinkError {
    /// The relay's refusal, if it was one.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Outer(OuterError::Refused(refusal)) = self {
            Some(refusal)
        } else {
            None
        }
    }
}
