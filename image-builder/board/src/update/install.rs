//! Writing a system into the slot that does not run.
//!
//! The slot is emptied first and made bootable last: the first sector of its boot partition, without
//! which there is no file system, is cleared before anything else is written, and written after
//! all of the rest has been read back from the card. So a power cut leaves an empty slot or a whole
//! one. Every piece is checked before it is unpacked; memory holds one at a time.

use std::fmt;
use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use protocol::file::update::{Manifest, PIECE, Part, Sha256};

/// Bytes of the sector that makes a FAT file system.
const SECTOR: usize = 512;

/// A partition of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Root,
    Verity,
    Boot,
}

impl Place {
    /// In the order of [`Manifest::parts`].
    pub const ALL: [Self; 3] = [Self::Root, Self::Verity, Self::Boot];
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Root => "root",
            Self::Verity => "verity",
            Self::Boot => "boot",
        })
    }
}

/// The partitions of the slot that does not run. Offsets are bytes, and whole sectors.
pub trait Partitions {
    fn write(&mut self, place: Place, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Everything that was written to the partition is on the card when it returns.
    fn flush(&mut self, place: Place) -> io::Result<()>;
    /// Reads from the card, whatever memory remembers of it.
    fn read(&mut self, place: Place, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Why a system is not in the slot; once writing has begun, the slot is empty then.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("is damaged: piece {number} of {place} is not the one of its manifest; copy it anew")]
    Piece { place: Place, number: usize },
    #[error("ends in the middle: copy it anew")]
    Truncated,
    #[error("cannot be read: {0}")]
    Source(io::Error),
    #[error("cannot be written to the card: {0}; replace the card if that happens again")]
    Card(io::Error),
    #[error("is not what the card gives back of {0}: the card is failing; replace it")]
    ReadBack(Place),
}

/// Writes the system of `manifest`, whose signature holds; `pieces` gives what follows the head.
pub fn install(
    manifest: &Manifest,
    pieces: &mut impl Read,
    slot: &mut impl Partitions,
) -> Result<(), InstallError> {
    empty(slot)?;
    let mut first = [0; SECTOR];
    for (place, part) in parts(manifest) {
        for (number, offset) in offsets(part).enumerate() {
            let stored = read_piece(part, place, number, pieces)?;
            let mut bytes = unpack(part, place, number, &stored)?;
            if let (Place::Boot, 0, Some(sector)) = (place, number, bytes.get_mut(..SECTOR)) {
                first.copy_from_slice(sector);
                sector.fill(0);
            }
            slot.write(place, offset, &bytes)
                .map_err(InstallError::Card)?;
            // Piece by piece: the card's buffers stay short, and sessions get their turn.
            slot.flush(place).map_err(InstallError::Card)?;
        }
    }
    for (place, part) in parts(manifest) {
        let hash = read_back(part, place, slot, &first).map_err(InstallError::Card)?;
        if hash != part.sha256 {
            return Err(InstallError::ReadBack(place));
        }
    }
    slot.write(Place::Boot, 0, &first)
        .map_err(InstallError::Card)?;
    slot.flush(Place::Boot).map_err(InstallError::Card)?;
    let mut again = [0; SECTOR];
    slot.read(Place::Boot, 0, &mut again)
        .map_err(InstallError::Card)?;
    if again == first {
        Ok(())
    } else {
        Err(InstallError::ReadBack(Place::Boot))
    }
}

/// Reads all pieces, checks that each is whole and unpacks, and gives them to `keep` as they are.
pub fn check(
    manifest: &Manifest,
    pieces: &mut impl Read,
    keep: &mut impl Write,
) -> Result<(), InstallError> {
    for (place, part) in parts(manifest) {
        for number in 0..part.pieces.len() {
            let stored = read_piece(part, place, number, pieces)?;
            unpack(part, place, number, &stored)?;
            keep.write_all(&stored).map_err(InstallError::Card)?;
        }
    }
    Ok(())
}

/// Takes what makes the slot bootable away.
fn empty(slot: &mut impl Partitions) -> Result<(), InstallError> {
    slot.write(Place::Boot, 0, &[0; SECTOR])
        .map_err(InstallError::Card)?;
    slot.flush(Place::Boot).map_err(InstallError::Card)
}

fn parts(manifest: &Manifest) -> impl Iterator<Item = (Place, &Part)> {
    let parts = manifest.parts().map(|(_, part)| part);
    Place::ALL.into_iter().zip(parts)
}

/// Where the pieces of a part begin.
fn offsets(part: &Part) -> impl Iterator<Item = u64> {
    (0..part.length).step_by(PIECE)
}

/// The next piece, as it is stored.
fn read_piece(
    part: &Part,
    place: Place,
    number: usize,
    pieces: &mut impl Read,
) -> Result<Vec<u8>, InstallError> {
    let damaged = || InstallError::Piece { place, number };
    let piece = part.pieces.get(number).ok_or_else(damaged)?;
    let length = usize::try_from(piece.stored).map_err(|_| damaged())?;
    let mut stored = vec![0; length];
    pieces.read_exact(&mut stored).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            InstallError::Truncated
        } else {
            InstallError::Source(error)
        }
    })?;
    if Sha256::of(&stored) != piece.sha256 {
        return Err(damaged());
    }
    Ok(stored)
}

fn unpack(
    part: &Part,
    place: Place,
    number: usize,
    stored: &[u8],
) -> Result<Vec<u8>, InstallError> {
    let wanted = part.unpacked(number);
    zstd::bulk::decompress(stored, wanted)
        .ok()
        .filter(|bytes| bytes.len() == wanted)
        .ok_or(InstallError::Piece { place, number })
}

/// The hash of what the card holds, with `first` where the boot partition begins.
fn read_back(
    part: &Part,
    place: Place,
    slot: &mut impl Partitions,
    first: &[u8; SECTOR],
) -> io::Result<Sha256> {
    let mut hash = Context::new(&SHA256);
    let mut bytes = Vec::new();
    for (number, offset) in offsets(part).enumerate() {
        bytes.resize(part.unpacked(number), 0);
        slot.read(place, offset, &mut bytes)?;
        if let (Place::Boot, 0, Some(sector)) = (place, number, bytes.get_mut(..SECTOR)) {
            sector.copy_from_slice(first);
        }
        hash.update(&bytes);
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(hash.finish().as_ref());
    Ok(Sha256(sum))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use protocol::file::update::{Order, Piece};

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Event {
        Write(Place, u64),
        Flush(Place),
    }

    /// A card that writes down what it is told.
    #[derive(Default)]
    struct Card {
        parts: BTreeMap<Place, Vec<u8>>,
        events: Vec<Event>,
        /// A byte that it does not give back as it was written.
        rotten: Option<(Place, usize)>,
    }

    impl Partitions for Card {
        fn write(&mut self, place: Place, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.events.push(Event::Write(place, offset));
            let part = self.parts.entry(place).or_default();
            let at = usize::try_from(offset).expect("small");
            part.resize(part.len().max(at + bytes.len()), 0xee);
            part[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn flush(&mut self, place: Place) -> io::Result<()> {
            self.events.push(Event::Flush(place));
            Ok(())
        }

        fn read(&mut self, place: Place, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
            let at = usize::try_from(offset).expect("small");
            bytes.copy_from_slice(&self.parts[&place][at..at + bytes.len()]);
            if let Some((_, byte)) = self.rotten.filter(|(rotten, _)| *rotten == place)
                && let Some(byte) = byte.checked_sub(at).and_then(|at| bytes.get_mut(at))
            {
                *byte ^= 1;
            }
            Ok(())
        }
    }

    /// A part of so many bytes, and what is stored of it.
    fn part(length: usize, filling: u8, stored: &mut Vec<u8>) -> Part {
        let bytes = vec![filling; length];
        let pieces = bytes.chunks(PIECE).map(|piece| {
            let packed = zstd::bulk::compress(piece, 1).expect("packs");
            stored.extend(&packed);
            Piece {
                stored: u32::try_from(packed.len()).expect("small"),
                sha256: Sha256::of(&packed),
            }
        });
        Part {
            length: u64::try_from(length).expect("small"),
            pieces: pieces.collect(),
            sha256: Sha256::of(&bytes),
        }
    }

    fn system() -> (Manifest, Vec<u8>) {
        let mut stored = Vec::new();
        let manifest = Manifest {
            board: "virt".into(),
            version: semver::Version::new(0, 2, 0),
            root_hash: Sha256([0; 32]),
            order: Order::default(),
            root: part(PIECE + 512, 1, &mut stored),
            verity: part(1_024, 2, &mut stored),
            boot: part(PIECE + 1_024, 3, &mut stored),
        };
        (manifest, stored)
    }

    #[test]
    fn the_slot_is_emptied_before_anything_else_and_made_bootable_after_all_the_rest() {
        let (manifest, stored) = system();
        let mut card = Card::default();

        install(&manifest, &mut stored.as_slice(), &mut card).expect("takes it");

        let events = &card.events;
        // Each write is on the card before the next one is made.
        for pair in events.chunks(2) {
            let [Event::Write(written, _), Event::Flush(flushed)] = pair else {
                unreachable!("a write and its flush: {pair:?}");
            };
            assert_eq!(written, flushed);
        }
        let first_sector = Event::Write(Place::Boot, 0);
        assert_eq!(events.first(), Some(&first_sector));
        assert_eq!(events.iter().nth_back(1), Some(&first_sector));
        assert_eq!(card.parts[&Place::Boot], vec![3; PIECE + 1_024]);
    }

    #[test]
    fn a_card_that_gives_something_else_back_is_named_and_its_slot_stays_empty() {
        let (manifest, stored) = system();
        for rotten in [
            (Place::Root, 0),
            (Place::Root, PIECE + 511),
            (Place::Verity, 1_023),
            (Place::Boot, SECTOR),
            (Place::Boot, PIECE + 1_023),
        ] {
            let mut card = Card {
                rotten: Some(rotten),
                ..Card::default()
            };
            let failed = install(&manifest, &mut stored.as_slice(), &mut card);
            assert!(
                matches!(failed, Err(InstallError::ReadBack(place)) if place == rotten.0),
                "{rotten:?}: {failed:?}"
            );
            assert_eq!(
                card.parts[&Place::Boot][..SECTOR],
                [0; SECTOR],
                "{rotten:?}"
            );
        }
        let mut card = Card {
            rotten: Some((Place::Boot, 0)),
            ..Card::default()
        };
        let failed = install(&manifest, &mut stored.as_slice(), &mut card);
        assert!(
            matches!(failed, Err(InstallError::ReadBack(Place::Boot))),
            "the first sector is looked at, too: {failed:?}"
        );
    }

    #[test]
    fn a_piece_that_unpacks_to_another_length_is_refused() {
        let (mut manifest, stored) = system();
        // Shorter than the manifest says; a longer one does not fit into its memory.
        for length in [1_536, 512] {
            manifest.verity.length = length;
            let failed = check(&manifest, &mut stored.as_slice(), &mut io::sink());
            assert!(
                matches!(
                    failed,
                    Err(InstallError::Piece {
                        place: Place::Verity,
                        number: 0
                    })
                ),
                "{length}: {failed:?}"
            );
        }
    }
}
