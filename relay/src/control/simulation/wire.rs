//! A virtual connection: records without TLS, cut into pieces, late, and broken when it pleases.
//!
//! [`Virtual`] is the board's end, in the place of a TLS stream; [`Peer`] is the agent's.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use protocol::outer::Frame;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::sleep;

use crate::seeds::Random;
use crate::tls::record::RecordExact;
use crate::tls::sealed::Content;

/// What the kernels of both ends may keep of one direction.
const ROOMS: [usize; 3] = [64, 512, 2_048];

/// Application data of TLS 1.3 (RFC 8446, 5.2); the length follows.
const HEADER: [u8; 3] = [23, 3, 3];

/// Both directions, and what became of the board's socket.
#[derive(Debug, Default)]
struct Line {
    to_board: Lane,
    to_peer: Lane,
    /// The other end of what the data plane was given.
    handed: Option<UnixStream>,
    wakers: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Lane {
    room: usize,
    bytes: VecDeque<u8>,
    fin: bool,
    /// Nobody reads any more: writing fails.
    deaf: bool,
    reset: bool,
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Line>>);

/// The board's end.
#[derive(Debug)]
pub(in crate::control) struct Virtual {
    records: RecordExact<Socket>,
    record: Vec<u8>,
    unsent: Vec<u8>,
}

/// The board's socket below its records.
#[derive(Debug)]
struct Socket {
    line: Shared,
    handed: bool,
}

/// The agent's end. Dropping it is a close.
#[derive(Debug)]
pub(super) struct Peer {
    line: Shared,
    random: Random,
    received: Vec<u8>,
    gone: bool,
}

/// Both ends of a new connection.
pub(super) fn connection(mut random: Random) -> (Virtual, Peer) {
    let line = Shared::default();
    let mut room = || ROOMS[usize::try_from(random.below(3)).expect("small")];
    line.change(|line| {
        line.to_board.room = room();
        line.to_peer.room = room();
    });
    let socket = Socket {
        line: line.clone(),
        handed: false,
    };
    let mut records = RecordExact::new(socket);
    records.expect_frames();
    let board = Virtual {
        records,
        record: Vec::new(),
        unsent: Vec::new(),
    };
    let peer = Peer {
        line,
        random,
        received: Vec::new(),
        gone: false,
    };
    (board, peer)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the line, and lets everybody look again.
    fn change<T>(&self, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut line = self.lock();
        let result = change(&mut line);
        let wakers = std::mem::take(&mut line.wakers);
        drop(line);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Waits until `look` finds something.
    fn poll<T>(
        &self,
        context: &mut Context<'_>,
        look: impl FnOnce(&mut Line) -> Option<T>,
    ) -> Poll<T> {
        let mut line = self.lock();
        match look(&mut line) {
            Some(found) => {
                let wakers = std::mem::take(&mut line.wakers);
                drop(line);
                wakers.into_iter().for_each(Waker::wake);
                Poll::Ready(found)
            }
            None => {
                line.wakers.push(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Lane {
    /// At most `bytes_max`; an empty answer is the end.
    fn read(&mut self, bytes_max: usize) -> Option<io::Result<Vec<u8>>> {
        if self.reset {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let bytes = bytes_max.min(self.bytes.len());
        (bytes > 0 || self.fin).then(|| Ok(self.bytes.drain(..bytes).collect()))
    }

    fn write(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        assert!(!self.fin, "bytes behind the FIN");
        if self.reset || self.deaf {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        (count > 0).then_some(Ok(count))
    }
}

impl Virtual {
    /// Gives out one record's content at a time.
    pub(in crate::control) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Content>>> {
        let whole = |this: &Self| !this.record.is_empty() && this.records.is_between_records();
        while !whole(self) {
            let mut bytes = [0; 512];
            let mut part = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.records).poll_read(context, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(if self.record.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                });
            }
            self.record.extend_from_slice(part.filled());
        }
        let record = std::mem::take(&mut self.record);
        let content = record.get(HEADER.len() + 2..).unwrap_or_default();
        Poll::Ready(Ok(Some(Content::from_slice(content).expect("fits"))))
    }

    pub(in crate::control) fn queue(&mut self, bytes: &[u8]) {
        self.unsent.extend(record(bytes));
    }

    pub(in crate::control) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = Pin::new(&mut self.records).poll_write(context, &self.unsent);
            self.unsent.drain(..ready!(written)?);
        }
        Poll::Ready(Ok(()))
    }

    pub(in crate::control) async fn shutdown(&mut self) -> io::Result<()> {
        self.records.shutdown().await
    }

    pub(in crate::control) async fn discard(self) -> io::Result<()> {
        let socket = self.records.abandon();
        let mut rest = crate::limits::LINGER_BYTES;
        while rest > 0 {
            let read =
                poll_fn(|context| socket.line.poll(context, |line| line.to_board.read(1_024)));
            match read.await?.len() {
                0 => break,
                bytes => rest = rest.saturating_sub(bytes),
            }
        }
        Ok(())
    }

    pub(in crate::control) async fn hung_up(&self) {
        let line = &self.records.get_ref().line;
        let gone = |line: &mut Line| (line.to_board.fin || line.to_board.reset).then_some(());
        poll_fn(|context| line.poll(context, gone)).await;
    }

    /// A socket that the peer can recognise.
    pub(in crate::control) fn into_fd(self) -> Option<OwnedFd> {
        let mut socket = self.records.into_inner()?;
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        socket.handed = true;
        socket.line.lock().handed = Some(theirs);
        Some(ours.into())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes_max = buffer.remaining();
        let read = self
            .line
            .poll(context, |line| line.to_board.read(bytes_max));
        buffer.put_slice(&ready!(read)?);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line.poll(context, |line| line.to_peer.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.change(|line| line.to_peer.fin = true);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.handed {
            return;
        }
        self.line.change(|line| {
            line.to_peer.fin = true;
            line.to_board.deaf = true;
            // What nobody has read turns the close into a reset, which may destroy what is under
            // way to the peer.
            if !line.to_board.bytes.is_empty() {
                line.to_peer.reset = true;
            }
        });
    }
}

impl Peer {
    /// Sends a frame in pieces; `false` when the board takes no more.
    pub(super) async fn send(&mut self, frame: &Frame) -> bool {
        let bytes = frame.encode().expect("fits");
        self.send_bytes(&record(&bytes)).await
    }

    /// Sends bytes as they are, in pieces.
    pub(super) async fn send_bytes(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let most = bytes.len().min(1 + self.chance(700));
            let piece = most.min(1 + self.chance(most));
            let wrote = poll_fn(|context| {
                self.line
                    .poll(context, |line| line.to_board.write(&bytes[..piece]))
            });
            let Ok(count) = wrote.await else {
                return false;
            };
            bytes = &bytes[count..];
            self.dawdle().await;
        }
        true
    }

    /// Sends as much as fits at once.
    pub(super) fn push(&self, bytes: &[u8]) {
        // A board that has closed already takes nothing.
        let _ = self.line.change(|line| line.to_board.write(bytes));
    }

    /// The next frame of the board; `None` at the end, however it came.
    pub(super) async fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.whole_record() {
                return Some(frame);
            }
            let most = 1 + self.chance(700);
            let read =
                poll_fn(|context| self.line.poll(context, |line| line.to_peer.read(most))).await;
            match read {
                Ok(bytes) if !bytes.is_empty() => self.received.extend(bytes),
                Ok(_) | Err(_) => return None,
            }
        }
    }

    /// The cable is cut: nobody hears anything any more.
    pub(super) fn vanish(mut self) {
        self.gone = true;
    }

    /// Closes by a reset.
    pub(super) fn reset(self) {
        self.line.change(|line| {
            line.to_board.reset = true;
            line.to_peer.reset = true;
        });
    }

    /// What the data plane's socket is joined to, if it was given there.
    pub(super) fn handed(&self) -> Option<UnixStream> {
        self.line.lock().handed.take()
    }

    /// Takes some time, mostly none.
    pub(super) async fn dawdle(&mut self) {
        let wait = match self.random.below(64) {
            0 => 2_000,
            1..=15 => 40,
            _ => return,
        };
        sleep(Duration::from_millis(self.random.below(wait))).await;
    }

    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn chance(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("fits");
        usize::try_from(self.random.below(bound)).expect("fits")
    }

    fn whole_record(&mut self) -> Option<Frame> {
        let [_, _, _, high, low, ..] = *self.received else {
            return None;
        };
        let end = HEADER.len() + 2 + usize::from(u16::from_be_bytes([high, low]));
        let record = self.received.get(..end)?;
        let frame = Frame::decode(&record[HEADER.len() + 2..]).expect("the board sends frames");
        self.received.drain(..end);
        Some(frame)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        self.line.change(|line| {
            if !line.to_board.reset {
                line.to_board.fin = true;
            }
            line.to_peer.deaf = true;
        });
    }
}

fn record(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("fits");
    [&HEADER, length.to_be_bytes().as_slice(), content].concat()
}
