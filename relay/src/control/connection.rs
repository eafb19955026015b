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
use protocol::outer::Frame;
use protocol::refusal::Refusal;
use tokio::io::{AsyncBufRead, AsyncReadExt, AsyncWriteExt, Interest};
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

    /// Waits until the peer has hung up; takes no byte off the socket.
    pub(super) async fn hung_up(&self) {
        hung_up(self.stream.get_ref().0.get_ref()).await;
    }

    /// The socket, for the data plane; TLS is over from here on.
    ///
    /// `None` if something of TLS is still under way: that connection cannot be handed over.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        let (records, tls) = self.stream.into_inner();
        let socket = records.into_inner().filter(|_| !tls.wants_write())?;
        socket.into_std().ok().map(OwnedFd::from)
    }

    /// Takes one record and no more: `poll_read` would go on to the next one for as long as there
    /// is room, and swallow the first bytes of the tunnel.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Frame, ReceiveError>> {
        let mut stream = Pin::new(&mut self.stream);
        let (frame, taken) = match ready!(stream.as_mut().poll_fill_buf(context)) {
            Ok([]) => (Err(ReceiveError::Closed), 0),
            Ok(bytes) => (
                Frame::decode(bytes).map_err(ReceiveError::Frame),
                bytes.len(),
            ),
            Err(error) => (Err(ReceiveError::of_read(error)), 0),
        };
        stream.consume(taken);
        Poll::Ready(frame)
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

/// Waits until the peer has hung up, without waking up again and again for bytes that are there
/// and must stay there.
async fn hung_up(socket: &TcpStream) {
    while let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await {
        if ready.is_read_closed() || ready.is_error() {
            return;
        }
        // Claims that the bytes were read; readiness comes back only with the next ones, and the
        // receive buffer is small.
        let blocked = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = socket.try_io(Interest::READABLE, blocked);
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

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap());
        let (peer, accepted) = tokio::join!(peer, listener.accept());
        (peer.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn waiting_bytes_neither_wake_a_parked_leg_up_for_ever_nor_hide_a_hang_up() {
        let (mut peer, socket) = pair().await;
        peer.write_all(&[7; 4_096]).await.unwrap();
        socket.readable().await.unwrap();
        let mut polls = 0;

        let mut parked = pin!(hung_up(&socket));
        let counted = poll_fn(|context| {
            polls += 1;
            parked.as_mut().poll(context)
        });
        let waited = timeout(Duration::from_millis(200), counted).await;

        assert!(waited.is_err(), "nobody has hung up");
        assert!(
            polls <= 4,
            "woken up {polls} times by bytes that stay where they are"
        );
        drop(peer);
        timeout(Duration::from_secs(20), parked).await.unwrap();
    }

    /// The peer neither stops nor closes before all that it sends has been taken.
    #[tokio::test]
    async fn bytes_that_a_parked_leg_left_alone_are_discarded_all_the_same() {
        let (mut peer, socket) = pair().await;
        let writer = tokio::spawn(async move {
            let written = peer.write_all(&vec![7; limits::LINGER_BYTES]).await;
            (written, peer)
        });
        socket.readable().await.unwrap();
        let parked = timeout(Duration::from_millis(50), hung_up(&socket)).await;
        assert!(parked.is_err());

        let discarded = timeout(Duration::from_secs(20), discard(socket)).await;

        discarded
            .expect("no byte needs a new one behind it")
            .unwrap();
        let (written, mut peer) = writer.await.unwrap();
        written.unwrap();
        let orderly = peer.read(&mut [0]).await;
        assert_eq!(
            orderly.unwrap(),
            0,
            "unread bytes would have made it a reset"
        );
    }

    #[tokio::test]
    async fn a_peer_that_never_stops_is_discarded_up_to_the_bound() {
        let (mut peer, socket) = pair().await;
        let writer = tokio::spawn(async move {
            let mut written = 0;
            while peer.write_all(&[7; 1_024]).await.is_ok() {
                written += 1_024;
            }
            written
        });

        timeout(Duration::from_secs(20), discard(socket))
            .await
            .unwrap()
            .unwrap();

        assert!(writer.await.unwrap() >= limits::LINGER_BYTES);
    }
}
