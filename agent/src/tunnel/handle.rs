//! What the rest of the agent holds of a tunnel: the tunnel and its streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use protocol::refusal::RefusalCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::StreamError;

/// A bound tunnel. It ends when it and all its streams are dropped, or its path dies.
#[derive(Debug)]
pub struct Tunnel {}

/// How a tunnel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Either end closed it while no stream was open.
    Closed,
    /// The path died; the text says of what, for the log.
    PathDied(String),
    /// The peer broke the protocol.
    Violation(String),
}

impl Tunnel {
    /// Opens a stream to the host's target; at most 8 are open at once. Client only.
    ///
    /// # Errors
    /// [`StreamError::TooManyStreams`] and [`StreamError::PathDied`].
    pub fn open(&self) -> Result<Stream, StreamError> {
        unimplemented!()
    }

    /// Waits for the next stream that the client opens; `None` when the tunnel has ended.
    pub async fn accept(&self) -> Option<Stream> {
        unimplemented!()
    }

    /// Waits until the tunnel has ended.
    pub async fn ended(&self) -> Ended {
        unimplemented!()
    }
}

/// One connection to the host's target. Half-close is kept: `shutdown` ends one direction,
/// and returns when the peer has passed the end on. Dropping it unfinished resets it.
#[derive(Debug)]
pub struct Stream {}

impl Stream {
    /// Gives the stream up in both directions and tells the peer why.
    pub fn reset(self, code: RefusalCode) {
        let _ = code;
        unimplemented!()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        unimplemented!()
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        unimplemented!()
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }
}
