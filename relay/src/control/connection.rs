//! One agent's connection once its handshake is done: frames in, frames out, and three ways to
//! end it: handed over, refused so that the peer reads it, or dropped.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use protocol::codec::DecodeError;
use protocol::id::HostKey;
use protocol::outer::{FRAME_MAX, Frame};
use protocol::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::limits;
use crate::tls::record::RecordExact;

/// An agent, behind outer TLS.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TlsStream<RecordExact<TcpStream>>,
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
    pub(super) fn new(
        mut stream: TlsStream<RecordExact<TcpStream>>,
        peer: SocketAddr,
        host_key: Option<HostKey>,
    ) -> Self {
        stream.get_mut().0.expect_frames();
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

    /// Sends one frame as one record, and waits until the kernel has it.
    pub(super) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = frame.encode().map_err(io::Error::other)?;
        let write = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        timeout(limits::WRITE_DEADLINE, write).await?
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
            discard(self.stream.into_inner().0.abandon()).await
        })
        .await;
    }

    /// Ends TLS in good form, without waiting for anything.
    pub(super) async fn close(mut self) {
        // Closing a connection that is broken already needs no form.
        let _ = timeout(limits::FAREWELL_DEADLINE, self.stream.shutdown()).await;
    }

    /// Waits until the peer has hung up, without taking a byte off the socket and without waking
    /// up again and again for bytes that are there and must stay there.
    pub(super) async fn hung_up(&self) {
        let socket = self.socket();
        while let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            // Claims that the bytes were read; readiness comes back only with the next ones,
            // and the receive buffer is small.
            let blocked = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = socket.try_io(Interest::READABLE, blocked);
        }
    }

    /// The socket, for the data plane; TLS is over from here on.
    ///
    /// `None` if something of TLS is still under way: that connection cannot be handed over.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        let (records, tls) = self.stream.into_inner();
        let socket = records.into_inner().filter(|_| !tls.wants_write())?;
        socket.into_std().ok().map(OwnedFd::from)
    }

    fn socket(&self) -> &TcpStream {
        self.stream.get_ref().0.get_ref()
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Frame, ReceiveError>> {
        // One byte more than a frame shows a record that holds more than a frame.
        let mut bytes = [0; FRAME_MAX + 1];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
        Poll::Ready(match read {
            Ok(()) if buffer.filled().is_empty() => Err(ReceiveError::Closed),
            Ok(()) => Frame::decode(buffer.filled()).map_err(ReceiveError::Frame),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ReceiveError::Closed),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(ReceiveError::Record(error))
            }
            Err(error) => Err(ReceiveError::Broken(error)),
        })
    }
}

/// Reads until the peer closes, a bounded number of bytes at most.
async fn discard(socket: TcpStream) -> io::Result<()> {
    // Registered afresh: `hung_up` may have taken the readiness of bytes that are still there.
    let mut socket = TcpStream::from_std(socket.into_std()?)?;
    let mut rest = limits::LINGER_BYTES;
    let mut bytes = [0; 1024];
    while rest > 0 {
        let read = socket.read(&mut bytes).await?;
        if read == 0 {
            break;
        }
        rest = rest.saturating_sub(read);
    }
    Ok(())
}
