//! What the rest of the agent holds of a tunnel: the tunnel and its streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use protocol::refusal::RefusalCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::StreamError;
use super::driver::Driver;
use super::mux::{Arrived, Role, Slot};
use super::shared::Shared;

/// A bound tunnel. It ends when it and all its streams are dropped, or its path dies.
#[derive(Debug)]
pub struct Tunnel(Arc<Shared>);

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
    /// Sets the streams of a bound tunnel going.
    pub(super) fn start<IO>(tls: TlsStream<IO>, role: Role) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = Arc::new(Shared::new(role));
        tokio::spawn(Driver::new(tls, role, Arc::clone(&shared)).run());
        Self(shared)
    }

    /// Opens a stream to the host's target; at most 8 are open at once. Client only.
    ///
    /// # Errors
    /// [`StreamError::TooManyStreams`] and [`StreamError::PathDied`].
    pub fn open(&self) -> Result<Stream, StreamError> {
        let mut state = self.0.lock();
        let slot = state.mux.open()?;
        state.wake_driver();
        drop(state);
        Ok(self.stream(slot))
    }

    /// Waits for the next stream that the client opens; `None` when the tunnel has ended.
    pub async fn accept(&self) -> Option<Stream> {
        loop {
            let news = self.0.news.notified();
            match self.try_accept() {
                Poll::Ready(stream) => return stream,
                Poll::Pending => news.await,
            }
        }
    }

    /// Asks the client to take the desktop off its screen. Host only.
    pub fn leave_full_screen(&self) {
        let mut state = self.0.lock();
        state.mux.leave_full_screen();
        state.wake_driver();
    }

    /// Waits until the host asks for that; for ever, when the tunnel has ended. Client only.
    pub async fn shall_leave_full_screen(&self) {
        loop {
            let news = self.0.news.notified();
            if self.0.lock().mux.shall_leave_full_screen() {
                return;
            }
            news.await;
        }
    }

    /// Waits until the tunnel has ended.
    pub async fn ended(&self) -> Ended {
        ended(&self.0).await
    }

    /// Lets go of the tunnel and waits until it has ended, so that what was said last leaves.
    pub async fn close(self) -> Ended {
        let shared = Arc::clone(&self.0);
        drop(self);
        ended(&shared).await
    }

    fn try_accept(&self) -> Poll<Option<Stream>> {
        let mut state = self.0.lock();
        match (state.mux.accept(), &state.ended) {
            (Some(slot), _) => Poll::Ready(Some(self.stream(slot))),
            (None, Some(_)) => Poll::Ready(None),
            (None, None) => Poll::Pending,
        }
    }

    fn stream(&self, slot: Slot) -> Stream {
        Stream {
            shared: Arc::clone(&self.0),
            slot,
        }
    }
}

async fn ended(shared: &Shared) -> Ended {
    loop {
        let news = shared.news.notified();
        let ended = shared.lock().ended.clone();
        if let Some(ended) = ended {
            return ended;
        }
        news.await;
    }
}

#[cfg(test)]
impl Tunnel {
    /// Waits until the mux is as wished.
    pub(super) async fn until(&self, wish: impl Fn(&super::mux::Mux) -> bool) {
        while !wish(&self.0.lock().mux) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.held = false;
        state.refuse_opened();
        state.wake_driver();
    }
}

/// One connection to the host's target.
///
/// Half-close is kept: `shutdown` ends our direction and returns at once; what was written
/// still arrives. Dropping a stream that has not ended both ways resets it.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    slot: Slot,
}

impl Stream {
    /// Gives the stream up in both directions and tells the peer why.
    pub fn reset(self, code: RefusalCode) {
        self.shared.lock().mux.reset(self.slot, code);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.lock().release(self.slot);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let coop = ready!(tokio::task::coop::poll_proceed(context));
        let mut state = self.shared.lock();
        let count = match state.mux.read(self.slot)? {
            Arrived::Bytes(bytes) => {
                let count = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..count]);
                count
            }
            Arrived::End => 0,
            Arrived::Nothing => {
                state.readers[self.slot] = Some(context.waker().clone());
                return Poll::Pending;
            }
        };
        if count > 0 {
            state.mux.pass(self.slot, count);
        }
        state.wake_driver();
        coop.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(tokio::task::coop::poll_proceed(context));
        let mut state = self.shared.lock();
        let count = state.mux.write(self.slot, buffer)?;
        if count == 0 && !buffer.is_empty() {
            state.writers[self.slot] = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.wake_driver();
        coop.made_progress();
        Poll::Ready(Ok(count))
    }

    /// Nothing to do: what was written is sent as soon as the path takes it.
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.lock();
        state.mux.shut(self.slot)?;
        state.wake_driver();
        Poll::Ready(Ok(()))
    }
}
