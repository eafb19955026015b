//! What carries an agent's records: outer TLS over TCP, and for the simulation of control a virtual
//! connection in its place.
//!
//! Frames, deadlines and refusals are `connection`'s part.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

#[cfg(test)]
use super::simulation::Virtual;
use crate::limits;
use crate::tls::sealed::{Content, Sealed};

/// A connection whose handshake is done.
#[derive(Debug)]
pub(super) enum Stream {
    Tls(Sealed<TcpStream>),
    #[cfg(test)]
    Virtual(Virtual),
}

impl Stream {
    /// What one record carried, and no byte behind it; `None` when the peer has closed.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Content>>> {
        match self {
            Self::Tls(stream) => stream.poll_next(context),
            #[cfg(test)]
            Self::Virtual(stream) => stream.poll_next(context),
        }
    }

    /// Takes one record to be sent by the next flush.
    pub(super) fn queue(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tls(stream) => Ok(stream.queue(bytes)?),
            #[cfg(test)]
            Self::Virtual(stream) => {
                stream.queue(bytes);
                Ok(())
            }
        }
    }

    /// Sends what is queued, and is done when the kernel has it.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => stream.poll_flush(context),
            #[cfg(test)]
            Self::Virtual(stream) => stream.poll_flush(context),
        }
    }

    /// Ends TLS in good form, and sends the FIN.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.shutdown().await,
            #[cfg(test)]
            Self::Virtual(stream) => stream.shutdown().await,
        }
    }

    /// Reads until the peer closes, a bounded number of bytes at most.
    pub(super) async fn discard(self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => discard(stream.abandon()).await,
            #[cfg(test)]
            Self::Virtual(stream) => stream.discard().await,
        }
    }

    /// Waits until the peer has hung up; takes no byte off the socket.
    pub(super) async fn hung_up(&self) {
        match self {
            Self::Tls(stream) => hung_up(stream.get_ref()).await,
            #[cfg(test)]
            Self::Virtual(stream) => stream.hung_up().await,
        }
    }

    /// The socket; `None` if a record is still under way.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        match self {
            Self::Tls(stream) => stream.into_inner()?.into_std().ok().map(OwnedFd::from),
            #[cfg(test)]
            Self::Virtual(stream) => stream.into_fd(),
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
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

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
