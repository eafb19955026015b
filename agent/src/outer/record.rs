//! Reading exactly one TLS record at a time (RFC 8446, 5.1).
//!
//! What follows the last outer record on a leg belongs to the tunnel and must stay in the
//! kernel, so rustls never gets a byte beyond the record that it is reading.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use protocol::text::Text;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Type, version, length.
const HEADER: usize = 5;
/// Longest ciphertext (RFC 8446, 5.2).
const BODY_MAX: usize = (1 << 14) + 256;

/// A socket that hands out at most the rest of the current record.
#[derive(Debug)]
pub(super) struct RecordExact<S> {
    socket: S,
    header: [u8; HEADER],
    /// INVARIANT: below `HEADER` between calls, and 0 while `body_left` is not.
    header_read: usize,
    body_left: usize,
}

/// What came is no TLS record.
#[derive(Debug)]
pub(super) struct NotTls {
    /// As printable text.
    pub(super) beginning: String,
}

impl fmt::Display for NotTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no TLS record")
    }
}

impl std::error::Error for NotTls {}

impl<S> RecordExact<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            header: [0; HEADER],
            header_read: 0,
            body_left: 0,
        }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.socket
    }

    /// The socket, at the end of a record unless a read was given up in the middle of one.
    pub(super) fn into_inner(self) -> S {
        self.socket
    }

    /// Bytes until the end of the header or of the record.
    fn wanted(&self) -> usize {
        if self.body_left > 0 {
            self.body_left
        } else {
            HEADER - self.header_read
        }
    }

    fn note(&mut self, read: &[u8]) -> Result<(), NotTls> {
        if self.body_left > 0 {
            self.body_left -= read.len();
            return Ok(());
        }
        let end = self.header_read + read.len();
        self.header[self.header_read..end].copy_from_slice(read);
        self.header_read = end;
        if end == HEADER {
            self.body_left = body_length(self.header)?;
            self.header_read = 0;
        }
        Ok(())
    }
}

fn body_length(header: [u8; HEADER]) -> Result<usize, NotTls> {
    let [kind, major, _, high, low] = header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    // ChangeCipherSpec, alert, handshake, application data.
    if (20..=23).contains(&kind) && major == 3 && length <= BODY_MAX {
        return Ok(length);
    }
    let beginning = Text::<HEADER>::lossy(&String::from_utf8_lossy(&header)).to_string();
    Err(NotTls { beginning })
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordExact<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let wanted = this.wanted().min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(wanted));
        ready!(Pin::new(&mut this.socket).poll_read(context, &mut part))?;
        let read = part.filled().len();
        this.note(part.filled())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordExact<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut record = vec![kind, 3, 3, high, low];
        record.resize(HEADER + usize::from(length), 0x55);
        record
    }

    #[tokio::test]
    async fn bytes_behind_a_record_stay_in_the_socket() {
        let (mut peer, socket) = duplex(64 * 1024);
        peer.write_all(&record(22, 300)).await.expect("writes");
        peer.write_all(b"tunnel").await.expect("writes");
        drop(peer);
        let mut exact = RecordExact::new(socket);
        let mut read = Vec::new();

        while read.len() < HEADER + 300 {
            let mut chunk = [0; 4096];
            let count = exact.read(&mut chunk).await.expect("reads");
            read.extend_from_slice(&chunk[..count]);
        }

        assert_eq!(read, record(22, 300));
        let mut behind = Vec::new();
        exact
            .into_inner()
            .read_to_end(&mut behind)
            .await
            .expect("reads");
        assert_eq!(behind, b"tunnel");
    }

    #[tokio::test]
    async fn records_follow_each_other_even_empty_and_in_single_bytes() {
        let (mut peer, socket) = duplex(64 * 1024);
        let records = [record(20, 1), record(23, 0), record(21, 2)].concat();
        peer.write_all(&records).await.expect("writes");
        drop(peer);
        let mut exact = RecordExact::new(socket);
        let mut read = Vec::new();

        loop {
            let mut byte = [0];
            match exact.read(&mut byte).await.expect("reads") {
                0 => break,
                _ => read.push(byte[0]),
            }
        }

        assert_eq!(read, records);
    }

    #[test]
    fn longest_record_is_read_and_one_past_it_is_not() {
        let limit = u16::try_from(BODY_MAX).expect("fits");
        let header = |length: u16| -> [u8; HEADER] {
            let [high, low] = length.to_be_bytes();
            [23, 3, 3, high, low]
        };

        assert_eq!(body_length(header(limit)).expect("is allowed"), BODY_MAX);
        assert!(body_length(header(limit + 1)).is_err());
    }

    #[test]
    fn other_protocols_are_told_in_printable_text() {
        for (bytes, beginning) in [
            (*b"HTTP/", "HTTP/"),
            (*b"\x1b[2J\0", "[2J"),
            (*b"SSH-2", "SSH-2"),
        ] {
            assert_eq!(body_length(bytes).expect_err("no TLS").beginning, beginning);
        }
    }
}
