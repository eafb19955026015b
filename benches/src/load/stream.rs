//! A byte stream that tells where each of its bytes belongs: a counter under a key.
//!
//! Word `n` of a stream is `key + n * STEP`. Filling and checking go at the speed of memory, no byte
//! has to be kept until it arrives, and since `STEP` is odd a word can be turned back into its `n`:
//! bytes in a wrong place say where they belong.

/// Odd, with its bits well spread (2^64 over the golden ratio), so that streams of other keys and
/// other alignments do not look alike.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// `STEP * STEP_INVERSE` is 1, modulo 2^64.
const STEP_INVERSE: u64 = inverse(STEP);

const WORD: usize = 8;

/// A stream by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    key: u64,
}

/// What came instead of the bytes that belong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// Bytes from further on: so many are missing before them.
    Ahead(u64),
    /// Bytes that belong so many bytes before.
    Behind(u64),
    /// Bytes that nobody put into this stream, or too few to tell.
    Foreign,
}

impl Stream {
    pub(crate) fn new(key: u64) -> Self {
        Self { key }
    }

    /// Writes the bytes that begin at `offset`.
    pub(crate) fn fill(self, offset: u64, mut bytes: &mut [u8]) {
        let (mut word, within) = self.word_at(offset);
        if within > 0 {
            let head = word.to_le_bytes();
            let length = bytes.len().min(WORD - within);
            let (first, rest) = bytes.split_at_mut(length);
            first.copy_from_slice(&head[within..within + length]);
            bytes = rest;
            word = word.wrapping_add(STEP);
        }
        let mut words = bytes.chunks_exact_mut(WORD);
        for chunk in &mut words {
            chunk.copy_from_slice(&word.to_le_bytes());
            word = word.wrapping_add(STEP);
        }
        let rest = words.into_remainder();
        rest.copy_from_slice(&word.to_le_bytes()[..rest.len()]);
    }

    /// Checks bytes that arrived at `offset`. `end` is how much was put into the stream.
    pub(crate) fn check(self, offset: u64, bytes: &[u8], end: u64) -> Result<(), Mismatch> {
        match self.first_wrong(offset, bytes) {
            None => Ok(()),
            Some(at) => {
                let place = offset + u64::try_from(at).unwrap_or(u64::MAX);
                Err(match self.locate(&bytes[at..], end) {
                    Some(found) if found > place => Mismatch::Ahead(found - place),
                    Some(found) if found < place => Mismatch::Behind(place - found),
                    Some(_) | None => Mismatch::Foreign,
                })
            }
        }
    }

    fn first_wrong(self, offset: u64, bytes: &[u8]) -> Option<usize> {
        let (mut word, within) = self.word_at(offset);
        let mut at = 0;
        if within > 0 {
            let length = bytes.len().min(WORD - within);
            let head = word.to_le_bytes();
            if let Some(wrong) = differ(&bytes[..length], &head[within..]) {
                return Some(wrong);
            }
            at = length;
            word = word.wrapping_add(STEP);
        }
        let mut words = bytes[at..].chunks_exact(WORD);
        for chunk in &mut words {
            let expected = word.to_le_bytes();
            if *chunk != expected {
                return differ(chunk, &expected).map(|wrong| at + wrong);
            }
            at += WORD;
            word = word.wrapping_add(STEP);
        }
        differ(words.remainder(), &word.to_le_bytes()).map(|wrong| at + wrong)
    }

    /// Where in the stream these bytes stand, going by the first whole word in them.
    fn locate(self, bytes: &[u8], end: u64) -> Option<u64> {
        (0..WORD).find_map(|shift| {
            let chunk = bytes.get(shift..)?.first_chunk::<WORD>()?;
            let word = u64::from_le_bytes(*chunk);
            let number = word.wrapping_sub(self.key).wrapping_mul(STEP_INVERSE);
            let offset = number.checked_mul(8)?;
            let fits = offset.checked_add(8)? <= end;
            fits.then(|| offset.checked_sub(u64::try_from(shift).ok()?))?
        })
    }

    /// The word that holds the byte at `offset`, and that byte's place in it.
    fn word_at(self, offset: u64) -> (u64, usize) {
        let word = self.key.wrapping_add((offset / 8).wrapping_mul(STEP));
        // Smaller than a word's length.
        (word, usize::try_from(offset % 8).unwrap_or_default())
    }
}

fn differ(bytes: &[u8], expected: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .zip(expected)
        .position(|(byte, expected)| byte != expected)
}

/// Newton's iteration doubles the digits that are right; five times from 5 gives 160.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd.wrapping_mul(3) ^ 2;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u64 = 1 << 40;

    fn bytes(stream: Stream, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        stream.fill(offset, &mut bytes);
        bytes
    }

    #[test]
    fn a_stream_is_the_same_however_it_is_cut() {
        let stream = Stream::new(0x1234_5678_9abc_def0);
        let whole = bytes(stream, 0, 100);
        for start in 0..40_usize {
            for length in 0..40 {
                let offset = u64::try_from(start).unwrap();
                let part = bytes(stream, offset, length);
                assert_eq!(part, whole[start..start + length], "{start} {length}");
                assert_eq!(stream.check(offset, &part, END), Ok(()));
            }
        }
    }

    #[test]
    fn every_single_wrong_byte_is_seen() {
        let stream = Stream::new(3);
        let right = bytes(stream, 5, 60);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert!(stream.check(5, &wrong, END).is_err(), "{at}");
        }
    }

    #[test]
    fn bytes_in_a_wrong_place_say_where_they_belong() {
        let stream = Stream::new(0xfeed_beef);
        for jump in [1, 2, 7, 8, 9, 4_096, 1_000_003] {
            let ahead = bytes(stream, 10_000_000 + jump, 32);
            let behind = bytes(stream, 10_000_000 - jump, 32);
            let check = |bytes: &[u8]| stream.check(10_000_000, bytes, END).unwrap_err();

            assert_eq!(check(&ahead), Mismatch::Ahead(jump));
            assert_eq!(check(&behind), Mismatch::Behind(jump));
        }
    }

    #[test]
    fn foreign_bytes_are_foreign() {
        let (stream, other) = (Stream::new(1), Stream::new(0xa1b2_c3d4_e5f6_0718));
        let stranger = bytes(other, 0, 64);

        assert_eq!(stream.check(0, &stranger, END), Err(Mismatch::Foreign));
        // Bytes that are still to be sent cannot have come.
        let early = bytes(stream, 1_000, 64);
        assert_eq!(stream.check(0, &early, 1_000), Err(Mismatch::Foreign));
        assert_eq!(stream.check(0, &[7], END), Err(Mismatch::Foreign));
    }
}
