//! Why a board could not be reached, or is not one of ours.

use protocol::id::BoardName;
use protocol::refusal::Refusal;

/// Everything that can go wrong before and beside the tunnel.
#[derive(Debug, thiserror::Error)]
pub enum OuterError {
    /// The deployment's CA certificates cannot be read; the entry file is broken.
    #[error("entry file holds an unusable CA certificate")]
    EntryUnusable,
    #[error("board {0} is not on the board list")]
    NotListed(BoardName),
    #[error("connection closed by the board")]
    Closed,
    #[error("refused: {}", .0.code.label())]
    Refused(Box<Refusal>),
}
