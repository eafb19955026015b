//! A connection after its handshake: records that carry a frame each, opened and sealed here.
//!
//! rustls shakes hands, gives the keys away, and is thrown away: it keeps buffers and the state of
//! a handshake for as long as a connection lives, several times what is needed to open a record, and
//! a board holds thousands of connections that say something every half a minute.
//! Owns the record layer of TLS 1.3 (RFC 8446, section 5) and nothing of its handshake: a KeyUpdate
//! ends the connection. Nothing is kept between two records.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    Tag, UnboundKey,
};
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use zeroize::Zeroizing;

use super::record::{HEADER, RecordExact};
use crate::limits;

/// What one record carried.
pub type Content = heapless::Vec<u8, { limits::FRAME_RECORD_MAX }>;

/// Content types (RFC 8446, section 5.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// A warning, close_notify (RFC 8446, section 6.1).
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// What every cipher suite of TLS 1.3 adds to the content: a type and a tag.
const OVERHEAD: usize = 1 + 16;

/// Records under one key, the bound of AES-GCM as rustls has it (RFC 8446, section 5.5, allows
/// 2^24.5). A link at its full pace comes there after nine days, and links again.
const RECORDS_MAX: u64 = 1 << 24;

/// Why records cannot be opened or sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    #[error("the handshake is not over")]
    Handshake(#[source] rustls::Error),
    #[error("a cipher suite that we did not offer")]
    Suite,
    #[error("a record that nobody with the key has made")]
    Forged,
    #[error("a record of type {0}, where only frames may come")]
    Content(u8),
    #[error("the peer gave up with alert {0}")]
    Alert(u8),
    #[error("the keys have been used too often")]
    WornOut,
    #[error("longer than a record may be")]
    TooLong,
}

/// A connection whose handshake is done.
pub struct Sealed<S> {
    records: RecordExact<S>,
    opening: Key,
    sealing: Key,
    /// Of a record that has not come whole.
    partial: Box<[u8]>,
    /// Sealed, and not yet taken by the kernel.
    unsent: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sealed<S> {
    /// Goes on where the handshake has ended.
    ///
    /// # Errors
    /// It has not.
    pub fn new(tls: ServerConnection, mut records: RecordExact<S>) -> Result<Self, SealedError> {
        records.expect_frames();
        let secrets = tls.dangerous_extract_secrets();
        let ExtractedSecrets { tx, rx } = secrets.map_err(SealedError::Handshake)?;
        Ok(Self {
            records,
            opening: Key::new(rx)?,
            sealing: Key::new(tx)?,
            partial: Box::default(),
            unsent: Vec::new(),
        })
    }

    /// What the next record carries, and no byte behind it; `None` when the peer has closed.
    ///
    /// # Errors
    /// The connection broke, or this is no record of the peer's ([`io::ErrorKind::InvalidData`]).
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Content>>> {
        let mut buffer = [0; HEADER + limits::FRAME_RECORD_MAX];
        let mut filled = self.partial.len();
        buffer[..filled].copy_from_slice(&self.partial);
        loop {
            let mut part = ReadBuf::new(&mut buffer[filled..]);
            let Poll::Ready(read) = Pin::new(&mut self.records).poll_read(context, &mut part)
            else {
                if filled > self.partial.len() {
                    self.partial = buffer[..filled].into();
                }
                return Poll::Pending;
            };
            read?;
            let read = part.filled().len();
            if read == 0 {
                return Poll::Ready(match filled {
                    0 => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                });
            }
            filled += read;
            if self.records.is_between_records() {
                break;
            }
        }
        self.partial = Box::default();
        Poll::Ready(Ok(self.open(&mut buffer[..filled])?))
    }

    /// Seals one record. [`Self::poll_flush`] sends it.
    ///
    /// # Errors
    /// It is too long, or the keys are used up.
    pub fn queue(&mut self, content: &[u8]) -> Result<(), SealedError> {
        self.seal(APPLICATION_DATA, content)
    }

    /// Gives the kernel what is queued; whoever stops waiting loses nothing of it.
    ///
    /// # Errors
    /// The connection broke.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = Pin::new(&mut self.records).poll_write(context, &self.unsent);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.unsent.drain(..written),
            };
        }
        // An idle connection keeps no room.
        self.unsent = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Ends TLS in good form, and sends the FIN.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.seal(ALERT, &CLOSE_NOTIFY)?;
        poll_fn(|context| self.poll_flush(context)).await?;
        self.records.shutdown().await
    }

    /// The socket below.
    pub fn get_ref(&self) -> &S {
        self.records.get_ref()
    }

    /// Gives the socket back; `None` if a record is under way in either direction.
    pub fn into_inner(self) -> Option<S> {
        let is_sent = self.unsent.is_empty();
        self.records.into_inner().filter(|_| is_sent)
    }

    /// Gives the socket back wherever it stands, to be closed.
    pub fn abandon(self) -> S {
        self.records.abandon()
    }

    fn open(&mut self, record: &mut [u8]) -> Result<Option<Content>, SealedError> {
        let (header, body) = record.split_at_mut(HEADER);
        let inner = self.opening.open(header, body)?;
        // Zeros behind the type are padding.
        let end = inner.iter().rposition(|byte| *byte != 0);
        let (kind, content) = match end.map(|end| inner.split_at(end)) {
            Some((content, [kind, ..])) => (*kind, content),
            Some((_, [])) | None => return Err(SealedError::Content(0)),
        };
        match (kind, content) {
            (APPLICATION_DATA, content) => Content::from_slice(content)
                .map(Some)
                .map_err(|_| SealedError::TooLong),
            // Whatever its level says: the type alone counts (RFC 8446, section 6).
            (ALERT, [_, 0]) => Ok(None),
            (ALERT, [_, alert]) => Err(SealedError::Alert(*alert)),
            (kind, _) => Err(SealedError::Content(kind)),
        }
    }

    fn seal(&mut self, kind: u8, content: &[u8]) -> Result<(), SealedError> {
        let length = content.len() + OVERHEAD;
        let [high, low] = u16::try_from(length)
            .map_err(|_| SealedError::TooLong)?
            .to_be_bytes();
        let header = [APPLICATION_DATA, 3, 3, high, low];
        let mut inner = content.to_vec();
        inner.push(kind);
        let tag = self.sealing.seal(&header, &mut inner)?;
        for part in [&header, inner.as_slice(), tag.as_ref()] {
            self.unsent.extend_from_slice(part);
        }
        Ok(())
    }
}

impl<S> fmt::Debug for Sealed<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealed").finish_non_exhaustive()
    }
}

impl From<SealedError> for io::Error {
    fn from(error: SealedError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// One direction's key. What the cipher makes of it takes ten times its room, and a moment: it is
/// made for each record.
struct Key {
    algorithm: &'static Algorithm,
    /// As long as the algorithm says.
    key: Zeroizing<[u8; 32]>,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    /// Number of the next record.
    next: u64,
}

impl Key {
    fn new((next, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, SealedError> {
        let (algorithm, secret, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(SealedError::Suite),
        };
        let mut key = Zeroizing::new([0; 32]);
        let room = key.get_mut(..algorithm.key_len());
        let secret = secret.as_ref().get(..algorithm.key_len());
        let (Some(room), Some(secret)) = (room, secret) else {
            return Err(SealedError::Suite);
        };
        room.copy_from_slice(secret);
        let iv = iv.as_ref().try_into().map_err(|_| SealedError::Suite)?;
        Ok(Self {
            algorithm,
            key,
            iv: Zeroizing::new(iv),
            next,
        })
    }

    fn open<'a>(&mut self, header: &[u8], body: &'a mut [u8]) -> Result<&'a [u8], SealedError> {
        let (key, nonce) = self.turn()?;
        let opened = key.open_in_place(nonce, Aad::from(header), body);
        opened.map(|inner| &*inner).map_err(|_| SealedError::Forged)
    }

    fn seal(&mut self, header: &[u8], inner: &mut [u8]) -> Result<Tag, SealedError> {
        let (key, nonce) = self.turn()?;
        key.seal_in_place_separate_tag(nonce, Aad::from(header), inner)
            .map_err(|_| SealedError::TooLong)
    }

    /// The cipher and the nonce of the next record (RFC 8446, section 5.3).
    fn turn(&mut self) -> Result<(LessSafeKey, Nonce), SealedError> {
        if self.next >= RECORDS_MAX {
            return Err(SealedError::WornOut);
        }
        let mut nonce = *self.iv;
        let (_, low) = nonce.split_at_mut(NONCE_LEN - size_of::<u64>());
        for (byte, number) in low.iter_mut().zip(self.next.to_be_bytes()) {
            *byte ^= number;
        }
        self.next += 1;
        let key = self.key.get(..self.algorithm.key_len());
        let key = UnboundKey::new(self.algorithm, key.unwrap_or_default());
        let key = LessSafeKey::new(key.map_err(|_| SealedError::Suite)?);
        Ok((key, Nonce::assume_unique_for_key(nonce)))
    }
}

#[cfg(test)]
mod tests;
