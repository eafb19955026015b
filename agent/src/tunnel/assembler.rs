//! Cuts a flow of bytes into frames, in place wherever a frame lies in one piece.
//!
//! A peer of this build sends each frame as one TLS record, so the copy below is for others.

use protocol::codec::DecodeError;
use protocol::tunnel::{Frame, HEADER, frame_length};

#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The beginning of a frame that is not all there.
    partial: Vec<u8>,
}

impl Assembler {
    /// Takes in all of `bytes` and gives each frame that it completes to `take`.
    pub(super) fn absorb<E: From<DecodeError>>(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.partial.is_empty()
                && let Some((frame, rest)) = split_frame(bytes)?
            {
                take(&Frame::decode(frame)?)?;
                bytes = rest;
                continue;
            }
            bytes = self.fill(bytes)?;
            if let Some((frame, [])) = split_frame(&self.partial)? {
                take(&Frame::decode(frame)?)?;
                self.partial.clear();
            }
        }
        Ok(())
    }

    /// Moves what belongs to the partial frame (or just to its header) into it.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let whole = match self.partial.first_chunk::<HEADER>() {
            Some(header) => frame_length(*header)?,
            None => HEADER,
        };
        let count = bytes.len().min(whole - self.partial.len());
        let (head, rest) = bytes.split_at(count);
        self.partial.extend_from_slice(head);
        Ok(rest)
    }
}

/// A frame's bytes, and the bytes behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The first frame of `bytes` and what follows it, if it is all there.
fn split_frame(bytes: &[u8]) -> Result<Option<Split<'_>>, DecodeError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    Ok(bytes.split_at_checked(frame_length(*header)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::tunnel::{FRAME_MAX, Probe};

    use super::*;

    proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            numbers in proptest::collection::vec(any::<u32>(), 0..20),
            cuts in proptest::collection::vec(1_usize..30, 1..200),
        ) {
            let mut bytes = Vec::new();
            for number in &numbers {
                let mut buffer = [0; FRAME_MAX];
                let length = Frame::from(Probe { number: *number }).encode(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..length]);
            }
            let (mut assembler, mut found, mut rest) = (Assembler::default(), vec![], &bytes[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (head, tail) = rest.split_at(rest.len().min(*cut));
                rest = tail;
                assembler.absorb(head, |frame| {
                    if let Frame::Probe(probe) = frame {
                        found.push(probe.number);
                    }
                    Ok::<_, DecodeError>(())
                }).unwrap();
            }
            prop_assert_eq!(found, numbers);
        }

        #[test]
        fn garbage_is_an_error_or_frames_but_never_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        ) {
            let mut assembler = Assembler::default();
            for piece in bytes.chunks(7) {
                if assembler.absorb(piece, |_| Ok::<_, DecodeError>(())).is_err() {
                    break;
                }
            }
            prop_assert!(assembler.partial.len() <= FRAME_MAX);
        }
    }
}
