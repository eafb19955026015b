//! Frames over TLS, one at a time: all that the handshake needs.
//!
//! Every wait has a deadline. The streams' driver takes the parts over afterwards.

use std::io;
use std::time::Duration;

use protocol::codec::DecodeError;
use protocol::refusal::Refusal;
use protocol::tunnel::{FRAME_MAX, Frame, HEADER, frame_length};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsStream;

use super::{Step, TunnelError};

/// How long a peer may take for a step that costs it nothing.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// How long a client may take for the password stretching, on a slow PC that swaps.
pub(super) const STRETCHING: Duration = Duration::from_secs(60);
/// How long a refused peer is given to read the refusal.
const LINGER: Duration = Duration::from_secs(2);
/// How much a refused peer may still send meanwhile.
const LINGER_BYTES: usize = 64 * 1024;

pub(super) struct Channel<IO> {
    tls: TlsStream<IO>,
    buffer: Box<[u8]>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Channel<IO> {
    pub(super) fn new(tls: TlsStream<IO>) -> Self {
        let buffer = vec![0; FRAME_MAX].into_boxed_slice();
        Self { tls, buffer }
    }

    /// Sends one frame and flushes it.
    pub(super) async fn send(&mut self, frame: Frame<'_>, step: Step) -> Result<(), TunnelError> {
        let length = frame.encode(&mut self.buffer)?;
        let sending = async {
            self.tls.write_all(&self.buffer[..length]).await?;
            self.tls.flush().await
        };
        in_time(QUICK, step, sending).await
    }

    /// Waits for one frame, not a byte further.
    pub(super) async fn receive(
        &mut self,
        deadline: Duration,
        step: Step,
    ) -> Result<Frame<'_>, TunnelError> {
        let bad = |source: DecodeError| TunnelError::BadFrame { step, source };
        let receiving = async {
            let (header, body) = self.buffer.split_at_mut(HEADER);
            self.tls.read_exact(header).await?;
            let mut fixed = [0; HEADER];
            fixed.copy_from_slice(header);
            let Ok(length) = frame_length(fixed) else {
                return Ok(HEADER);
            };
            self.tls.read_exact(&mut body[..length - HEADER]).await?;
            Ok(length)
        };
        let length = in_time(deadline, step, receiving).await?;
        Frame::decode(&self.buffer[..length]).map_err(bad)
    }

    /// Says no, and waits a little so that the peer can read it before the connection goes.
    pub(super) async fn refuse(mut self, refusal: &Refusal, step: Step) {
        if self.send(refusal.clone().into(), step).await.is_err() {
            return;
        }
        let lingering = async {
            let _ = self.tls.shutdown().await;
            let mut left = LINGER_BYTES;
            while left > 0 {
                let most = left.min(self.buffer.len());
                match self.tls.read(&mut self.buffer[..most]).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => left -= count,
                }
            }
        };
        tokio::select! {
            () = lingering => {}
            () = sleep(LINGER) => {}
        }
    }

    pub(super) fn into_tls(self) -> TlsStream<IO> {
        self.tls
    }
}

/// Bounds a wait and names the step in its error.
pub(super) async fn in_time<T>(
    deadline: Duration,
    step: Step,
    waiting: impl Future<Output = io::Result<T>>,
) -> Result<T, TunnelError> {
    let result = timeout(deadline, waiting)
        .await
        .map_err(|_| TunnelError::TimedOut(step))?;
    result.map_err(|error| broken(error, step))
}

/// What the end of a connection means during the handshake.
fn broken(source: io::Error, step: Step) -> TunnelError {
    let tls = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, source.kind()) {
        (Some(error), _) => TunnelError::Tls(error.clone()),
        (None, io::ErrorKind::UnexpectedEof) => TunnelError::Closed(step),
        (None, _) => TunnelError::Io { step, source },
    }
}
