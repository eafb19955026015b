//! Writing an image and reading it back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::progress::Progress;
use crate::sys;

use super::target::Target;

/// What is written, or compared, at a time.
const PIECE: usize = 4 << 20;

/// An image, and bytes that go to a place of it instead of its own.
#[derive(Debug)]
pub struct Source<'a> {
    pub image: &'a mut File,
    /// Bytes.
    pub length: u64,
    /// Offset and content: `CONFIG` with the node file in it.
    pub instead: Option<(u64, Vec<u8>)>,
}

/// Why a card is not written.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    #[error("the card is too small: the image needs {needed} bytes, the card has {has}")]
    TooSmall { needed: u64, has: u64 },
    #[error("cannot read the image: {0}")]
    Image(io::Error),
    #[error("cannot write to the card: {0}")]
    Write(io::Error),
    #[error("cannot read the card: {0}")]
    Read(io::Error),
    #[error(
        "the card does not keep what is written to it (first at byte {0}); throw it away and take \
         another"
    )]
    Differs(u64),
}

/// Writes the image, waits until the card has it, and reads it back.
pub fn flash(
    source: &mut Source<'_>,
    target: &mut Target,
    progress: &Progress,
) -> Result<(), FlashError> {
    if let Some(has) = target.size.filter(|has| *has < source.length) {
        let needed = source.length;
        return Err(FlashError::TooSmall { needed, has });
    }
    // A file grows to what the image needs, and keeps what it has beyond, like a larger card.
    if target.size.is_none() {
        let has = target.file.metadata().map_err(FlashError::Write)?.len();
        let length = has.max(source.length);
        target.file.set_len(length).map_err(FlashError::Write)?;
    }
    {
        let step = progress.step("writing", source.length);
        let file = &mut target.file;
        file.seek(SeekFrom::Start(0)).map_err(FlashError::Write)?;
        source.pieces(|_, piece| {
            file.write_all(piece).map_err(FlashError::Write)?;
            // Waits here, so that the bar tells of the card and not of memory.
            file.sync_data().map_err(FlashError::Write)?;
            step.advance(count(piece));
            Ok(())
        })?;
        file.sync_all().map_err(FlashError::Write)?;
    }
    verify(source, &mut target.file, progress)
}

/// Compares the card with the image, byte for byte.
pub fn verify(
    source: &mut Source<'_>,
    card: &mut File,
    progress: &Progress,
) -> Result<(), FlashError> {
    sys::forget_cached(card).map_err(FlashError::Read)?;
    let step = progress.step("reading back", source.length);
    card.seek(SeekFrom::Start(0)).map_err(FlashError::Read)?;
    let mut read = vec![0; PIECE];
    source.pieces(|offset, piece| {
        let read = read.split_at_mut(piece.len()).0;
        card.read_exact(read).map_err(FlashError::Read)?;
        let differs = piece.iter().zip(read.iter()).position(|(a, b)| a != b);
        step.advance(count(piece));
        match differs.and_then(|at| u64::try_from(at).ok()) {
            Some(at) => Err(FlashError::Differs(offset + at)),
            None => Ok(()),
        }
    })
}

impl Source<'_> {
    /// Gives the bytes in order, with the offset of each piece.
    fn pieces(
        &mut self,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), FlashError>,
    ) -> Result<(), FlashError> {
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        self.image
            .seek(SeekFrom::Start(0))
            .map_err(FlashError::Image)?;
        while offset < self.length {
            let left = usize::try_from(self.length - offset).unwrap_or(PIECE);
            let piece = piece.split_at_mut(left.min(PIECE)).0;
            self.image.read_exact(piece).map_err(FlashError::Image)?;
            if let Some((at, content)) = &self.instead {
                overlay(offset, piece, *at, content);
            }
            take(offset, piece)?;
            offset += count(piece);
        }
        Ok(())
    }
}

/// Puts that part of `content`, which lies at `at`, over `piece`, which lies at `offset`.
fn overlay(offset: u64, piece: &mut [u8], at: u64, content: &[u8]) {
    let end = offset + count(piece);
    let (first, last) = (at.max(offset), (at + count(content)).min(end));
    if first >= last {
        return;
    }
    // INVARIANT: within both slices, whose lengths are usizes.
    let index = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let to = piece.get_mut(index(first - offset)..index(last - offset));
    let from = content.get(index(first - at)..index(last - at));
    if let (Some(to), Some(from)) = (to, from) {
        to.copy_from_slice(from);
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_goes_instead_may_lie_across_pieces() {
        let content = [1, 2, 3, 4];
        let pieced = |at: u64| {
            let mut bytes = [0; 8];
            let (left, right) = bytes.split_at_mut(4);
            overlay(0, left, at, &content);
            overlay(4, right, at, &content);
            bytes
        };

        assert_eq!(pieced(0), [1, 2, 3, 4, 0, 0, 0, 0]);
        assert_eq!(pieced(2), [0, 0, 1, 2, 3, 4, 0, 0]);
        assert_eq!(pieced(6), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(pieced(8), [0; 8]);
    }

    #[test]
    fn a_card_has_the_image_and_a_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let length = PIECE + 1000;
        let mut image = tempfile::tempfile().unwrap();
        image.write_all(&vec![7; length]).unwrap();
        let mut source = Source {
            image: &mut image,
            length: u64::try_from(length).unwrap(),
            instead: Some((10, b"node".to_vec())),
        };
        let card = folder.path().join("card.img");
        let mut target = Target::open(&card).unwrap();

        flash(&mut source, &mut target, &Progress::quiet()).unwrap();

        let written = std::fs::read(&card).unwrap();
        assert_eq!(written.len(), length);
        assert_eq!(&written[9..15], b"\x07node\x07");
        let at = u64::try_from(PIECE).unwrap() + 5;
        target.file.write_all_at(&[6], at).unwrap();
        let found = verify(&mut source, &mut target.file, &Progress::quiet());
        assert!(matches!(found, Err(FlashError::Differs(place)) if place == at));
        let larger = u64::try_from(length).unwrap() + 4096;
        target.file.set_len(larger).unwrap();
        flash(&mut source, &mut target, &Progress::quiet()).unwrap();
        assert_eq!(target.file.metadata().unwrap().len(), larger, "no smaller");
    }

    #[test]
    fn a_card_that_is_too_small_is_left_alone() {
        let mut image = tempfile::tempfile().unwrap();
        image.write_all(&[7; 100]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join("card.img");
        std::fs::write(&card, [1; 99]).unwrap();
        let mut target = Target::open(&card).unwrap();
        target.size = Some(99);
        let mut source = Source {
            image: &mut image,
            length: 100,
            instead: None,
        };

        let refused = flash(&mut source, &mut target, &Progress::quiet());

        assert!(matches!(refused, Err(FlashError::TooSmall { .. })));
        assert_eq!(std::fs::read(&card).unwrap(), [1; 99]);
    }
}
