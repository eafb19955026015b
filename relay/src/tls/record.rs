//! Takes exactly one TLS record at a time off a socket.
//!
//! What lies behind the record stays in the kernel: after `Connect`, those bytes belong to the
//! tunnel, and the data plane will splice them without anybody here having seen them.
//! [`super::handshake`] and [`super::sealed`] ask for one record after the other.

use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits;

/// Content type, legacy version and length (RFC 8446, 5.1).
pub(super) const HEADER: usize = 5;

/// Content types from change_cipher_spec to application_data, and the upper half of a version that
/// every TLS shares. Other protocols differ here, and would be taken for records of any length.
const CONTENTS: RangeInclusive<u8> = 20..=23;
const VERSION: u8 = 3;

/// What no record of an agent looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("not a TLS record")]
    NotTls,
    #[error("larger than any agent sends")]
    TooLarge,
}

/// A socket that is read record by record.
#[derive(Debug)]
pub struct RecordExact<S> {
    inner: S,
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    begun: usize,
    /// Bytes of the body that are still to come.
    rest: usize,
    /// Longest body that is taken.
    record_max: usize,
    /// Bytes that may still come before the handshake has ended.
    handshake_rest: Option<usize>,
}

impl<S> RecordExact<S> {
    /// Reads a handshake of bounded size from `inner`.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            header: [0; HEADER],
            begun: 0,
            rest: 0,
            record_max: limits::HANDSHAKE_RECORD_MAX,
            handshake_rest: Some(limits::HANDSHAKE_BYTES_MAX),
        }
    }

    /// From here on there is no end of records, but each carries one frame at most.
    pub fn expect_frames(&mut self) {
        self.record_max = limits::FRAME_RECORD_MAX;
        self.handshake_rest = None;
    }

    /// The socket below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the socket back; `None` in the middle of a record.
    pub fn into_inner(self) -> Option<S> {
        self.is_between_records().then_some(self.inner)
    }

    /// Gives the socket back wherever it stands, to be closed.
    pub fn abandon(self) -> S {
        self.inner
    }

    /// Whether the next byte begins a record.
    pub fn is_between_records(&self) -> bool {
        self.begun == 0 && self.rest == 0
    }

    /// Most bytes that the next read may take.
    fn wanted(&self) -> usize {
        if self.begun < HEADER {
            HEADER - self.begun
        } else {
            self.rest
        }
    }

    fn take_note(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        if let Some(handshake_rest) = &mut self.handshake_rest {
            *handshake_rest = handshake_rest
                .checked_sub(bytes.len())
                .ok_or(RecordError::TooLarge)?;
        }
        if self.begun < HEADER {
            let end = self.begun + bytes.len();
            self.header[self.begun..end].copy_from_slice(bytes);
            self.begun = end;
            if end < HEADER {
                return Ok(());
            }
            let [content, version, _, high, low] = self.header;
            if !CONTENTS.contains(&content) || version != VERSION {
                return Err(RecordError::NotTls);
            }
            self.rest = usize::from(u16::from_be_bytes([high, low]));
            if self.rest > self.record_max {
                return Err(RecordError::TooLarge);
            }
        } else {
            self.rest -= bytes.len();
        }
        if self.rest == 0 {
            self.begun = 0;
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordExact<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let wanted = this.wanted().min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(wanted));
        ready!(Pin::new(&mut this.inner).poll_read(context, &mut part))?;
        this.take_note(part.filled())?;
        let taken = part.filled().len();
        buffer.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordExact<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl From<RecordError> for io::Error {
    fn from(error: RecordError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn record(length: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        let mut bytes = vec![23, 3, 3, high, low];
        bytes.extend(std::iter::repeat_n(7, length));
        bytes
    }

    async fn read_some(reader: &mut RecordExact<impl AsyncRead + Unpin>) -> io::Result<usize> {
        reader.read(&mut vec![0; 65_536]).await
    }

    #[tokio::test]
    async fn bytes_behind_a_record_stay_below() {
        let (mut peer, socket) = tokio::io::duplex(1 << 16);
        peer.write_all(&[record(300), b"tunnel".to_vec()].concat())
            .await
            .unwrap();
        let mut reader = RecordExact::new(socket);

        assert_eq!(read_some(&mut reader).await.unwrap(), HEADER);
        assert_eq!(read_some(&mut reader).await.unwrap(), 300);

        let mut below = reader.into_inner().unwrap();
        let mut rest = [0; 6];
        below.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"tunnel");
    }

    #[tokio::test]
    async fn a_record_that_drips_in_is_followed_byte_by_byte() {
        let (mut peer, socket) = tokio::io::duplex(1);
        let bytes = [record(3), record(2), vec![9]].concat();
        let writer = tokio::spawn(async move { peer.write_all(&bytes).await.map(|()| peer) });
        let mut reader = RecordExact::new(socket);

        let (mut records, mut taken) = (0, 0);
        while records < 2 {
            taken += read_some(&mut reader).await.unwrap();
            records += usize::from(reader.is_between_records());
        }

        assert_eq!(taken, 15);
        let mut below = reader.into_inner().unwrap();
        assert_eq!(below.read_u8().await.unwrap(), 9);
        drop(writer.await.unwrap());
    }

    #[tokio::test]
    async fn the_socket_comes_back_only_between_records() {
        for bytes in [1, 4, 5, 7] {
            let (mut peer, socket) = tokio::io::duplex(1 << 16);
            peer.write_all(&record(3)[..bytes]).await.unwrap();
            let mut reader = RecordExact::new(socket);
            let mut taken = 0;
            while taken < bytes {
                taken += read_some(&mut reader).await.unwrap();
            }

            assert!(reader.into_inner().is_none(), "after {bytes} bytes");
        }
    }

    #[tokio::test]
    async fn records_and_handshakes_have_a_largest_size() {
        for (first, limit) in [
            (false, limits::HANDSHAKE_RECORD_MAX),
            (true, limits::FRAME_RECORD_MAX),
        ] {
            for (length, fits) in [(limit, true), (limit + 1, false)] {
                let (mut peer, socket) = tokio::io::duplex(1 << 16);
                peer.write_all(&record(length)).await.unwrap();
                let mut reader = RecordExact::new(socket);
                if first {
                    reader.expect_frames();
                }

                assert_eq!(read_some(&mut reader).await.is_ok(), fits, "{length}");
            }
        }

        let (mut peer, socket) = tokio::io::duplex(1 << 16);
        let mut reader = RecordExact::new(socket);
        let mut sent = 0;
        while sent + HEADER + 1_000 <= limits::HANDSHAKE_BYTES_MAX {
            peer.write_all(&record(1_000)).await.unwrap();
            sent += HEADER + 1_000;
            read_some(&mut reader).await.unwrap();
            read_some(&mut reader).await.unwrap();
        }
        peer.write_all(&record(1_000)).await.unwrap();
        read_some(&mut reader)
            .await
            .and(read_some(&mut reader).await)
            .unwrap_err();
    }
}
