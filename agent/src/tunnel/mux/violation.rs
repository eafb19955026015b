//! What a peer may not do with streams. Each ends the tunnel.

/// The peer broke the rules of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::tunnel) enum Violation {
    #[error("{0} after the handshake")]
    Frame(&'static str),
    #[error("frame for stream {0}, which is not open")]
    NotOpen(u8),
    #[error("stream {0} opened twice")]
    OpenedTwice(u8),
    #[error("host opened a stream")]
    OpenedByHost,
    #[error("client asked to leave full screen")]
    AskedByClient,
    #[error("bytes at {found} instead of {expected}")]
    Gap { expected: u64, found: u64 },
    #[error("bytes beyond the window")]
    BeyondWindow,
    #[error("bytes after the end of a stream")]
    AfterFin,
    #[error("acknowledgement of bytes that were never sent")]
    AcknowledgedUnsent,
    #[error("acknowledgement went back")]
    AcknowledgedLess,
}
