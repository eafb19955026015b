//! One agent's connection once its handshake is done: frames in, frames out, and three ways to
//! end it: handed over, refused so that the peer reads it, or dropped.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use protocol::codec::DecodeError;
use protocol::id::HostKey;
use protocol::outer::Frame;
use protocol::refusal::Refusal;
use tokio::time::timeout;

use super::stream::Stream;
use crate::limits;

/// An agent, behind outer TLS.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    pub(super) peer: SocketAddr,
    /// What the peer has proven to hold, if anything.
    pub(super) host_key: Option<HostKey>,
}

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error("the peer closed the connection")]
    Closed,
    #[error("not a frame")]
    Frame(#[from] DecodeError),
    #[error("a record that TLS or its size does not allow")]
    Record(#[source] io::Error),
    #[error("the connection broke")]
    Broken(#[source] io::Error),
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: SocketAddr, host_key: Option<HostKey>) -> Self {
        Self {
            stream,
            peer,
            host_key,
        }
    }

    /// The next frame, which is the next record. Can be dropped at any await without loss.
    pub(super) async fn receive(&mut self) -> Result<Frame, ReceiveError> {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// Takes a frame, as one record, to be sent by the next [`Self::flush`].
    ///
    /// Frames are large and rarely sent: nobody should keep one while it waits for a slow peer.
    pub(super) fn queue(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = frame.encode().map_err(io::Error::other)?;
        self.stream.queue(&bytes)
    }

    /// Sends what is queued, and waits until the kernel has it.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let flushed = poll_fn(|context| self.stream.poll_flush(context));
        timeout(limits::WRITE_DEADLINE, flushed).await?
    }

    /// Sends one frame as one record, and waits until the kernel has it.
    pub(super) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.queue(frame)?;
        self.flush().await
    }

    /// Says no and closes, in a way that the peer gets to read it: what it has sent beyond its
    /// request is thrown away first, since closing over unread bytes resets the connection, and
    /// a reset may destroy the refusal.
    pub(super) async fn refuse(mut self, refusal: Refusal, linger: Duration) {
        let peer = self.peer;
        if let Err(error) = self.send(&refusal.into()).await {
            tracing::debug!(%peer, %error, "Refusal could not be sent");
            return;
        }
        // A peer that takes no more bytes is gone, and there is nobody left to read the refusal.
        let _ = timeout(linger, async {
            self.stream.shutdown().await?;
            self.stream.discard().await
        })
        .await;
    }

    /// Ends TLS in good form, without waiting for anything.
    pub(super) async fn close(mut self) {
        // Closing a connection that is broken already needs no form.
        let _ = timeout(limits::FAREWELL_DEADLINE, self.stream.shutdown()).await;
    }

    /// Waits until the peer has hung up; takes no byte off the socket.
    pub(super) async fn hung_up(&self) {
        self.stream.hung_up().await;
    }

    /// The socket, for the data plane; TLS is over from here on.
    ///
    /// `None` if something of TLS is still under way: that connection cannot be handed over.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        self.stream.into_fd()
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Frame, ReceiveError>> {
        let next = ready!(self.stream.poll_next(context));
        Poll::Ready(match next.map_err(ReceiveError::of_read) {
            Ok(None) => Err(ReceiveError::Closed),
            Ok(Some(content)) => Frame::decode(&content).map_err(ReceiveError::Frame),
            Err(error) => Err(error),
        })
    }
}

impl ReceiveError {
    fn of_read(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Closed
        } else if error.kind() == io::ErrorKind::InvalidData {
            Self::Record(error)
        } else {
            Self::Broken(error)
        }
    }
}
