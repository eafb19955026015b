//! What must hold for [`RecordExact`] whatever a peer sends: for the fuzzer, and for what it found.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use super::record::RecordExact;
use crate::limits;

const HEADER: usize = 5;

/// Reads `input` as a peer's bytes. Its first byte says after how many records the handshake is
/// over, its second one how large the pieces are in which the bytes come.
///
/// # Panics
/// A byte was taken that belongs to what comes behind a record, or a record was let through that
/// is none.
pub(super) fn check(input: &[u8]) {
    let [handshake, piece, bytes @ ..] = input else {
        return;
    };
    let mut reader = RecordExact::new(Pieces {
        bytes,
        most: 1 + usize::from(*piece) * 8,
    });
    let (mut taken, mut handshake_taken, mut records) = (0, 0, 0);
    let mut is_handshake = true;
    loop {
        if is_handshake && records >= *handshake {
            is_handshake = false;
            reader.expect_frames();
        }
        let rest = &bytes[taken..];
        let Some(length) = read_record(&mut reader) else {
            let fails = end_of(rest, is_handshake, handshake_taken).is_none();
            assert!(fails, "a good record was refused");
            return;
        };
        let end = end_of(rest, is_handshake, handshake_taken);
        assert_eq!(Some(length), end, "not one record and no more");
        taken += length;
        handshake_taken += length;
        records = records.saturating_add(1);
    }
}

/// Bytes that were taken for one record; `None` at the end or an error.
fn read_record<S: AsyncRead + Unpin>(reader: &mut RecordExact<S>) -> Option<usize> {
    let mut context = Context::from_waker(Waker::noop());
    let mut buffer = [0; 333];
    let mut taken = 0;
    loop {
        let mut part = ReadBuf::new(&mut buffer);
        let Poll::Ready(read) = Pin::new(&mut *reader).poll_read(&mut context, &mut part) else {
            unreachable!("the bytes are there");
        };
        read.ok()?;
        if part.filled().is_empty() {
            return None;
        }
        taken += part.filled().len();
        if reader.is_between_records() {
            return Some(taken);
        }
    }
}

/// Where the first record ends, if it is a whole one that may come here.
fn end_of(bytes: &[u8], is_handshake: bool, before: usize) -> Option<usize> {
    let [content, version, _, high, low, ..] = bytes else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let most = if is_handshake {
        limits::HANDSHAKE_RECORD_MAX
    } else {
        limits::FRAME_RECORD_MAX
    };
    let end = HEADER + length;
    let fits = !is_handshake || before + end <= limits::HANDSHAKE_BYTES_MAX;
    let good = (20..=23).contains(content) && *version == 3 && length <= most && fits;
    (good && bytes.len() >= end).then_some(end)
}

/// Bytes that come in pieces.
struct Pieces<'a> {
    bytes: &'a [u8],
    most: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = buffer.remaining().min(self.most).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(count);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What the fuzzer found interesting.
    #[test]
    fn every_corpus_file_is_read_record_by_record() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/record");
        let mut files = 0;
        for entry in fs::read_dir(folder).unwrap() {
            check(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "there is no corpus");
    }
}
