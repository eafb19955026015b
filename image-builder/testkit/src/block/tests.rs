//! The card as a machine sees it, over its socket, and after power cuts.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SECTOR_BYTES: usize = 512;
const SECTORS: usize = 16;

/// A machine, as far as its card is concerned.
struct Machine(UnixStream);

impl Machine {
    /// Takes the card the way that QEMU does (`go`), or the old way.
    fn start(card: &BlockServer, go: bool) -> Self {
        let mut this = Self(UnixStream::connect(&card.socket).unwrap());
        assert_eq!(&this.take(18), b"NBDMAGICIHAVEOPT\0\x03");
        this.give(&[0, 0, 0, 3]);
        // Structured replies: not supported.
        this.option(8, &[]);
        assert_eq!(this.option_reply(), (0x8000_0001, Vec::new()));
        let mut export = 8192_u64.to_be_bytes().to_vec();
        export.extend(0b1101_u16.to_be_bytes());
        if go {
            this.option(7, &[0; 6]);
            let (kind, content) = this.option_reply();
            assert_eq!((kind, content.get(2..)), (3, Some(&export[..])));
            assert_eq!(this.option_reply(), (1, Vec::new()));
        } else {
            this.option(1, b"any");
            assert_eq!(this.take(10), export);
        }
        this
    }

    fn option(&mut self, option: u32, content: &[u8]) {
        self.give(b"IHAVEOPT");
        self.give(&option.to_be_bytes());
        self.give(&u32::try_from(content.len()).unwrap().to_be_bytes());
        self.give(content);
    }

    fn option_reply(&mut self) -> (u32, Vec<u8>) {
        self.take(12);
        let [kind, length] = [0; 2].map(|_| u32::from_be_bytes(self.take(4).try_into().unwrap()));
        (kind, self.take(length.try_into().unwrap()))
    }

    /// The error, and what was read; none: the power is gone.
    fn ask(
        &mut self,
        kind: u8,
        flags: u8,
        offset: u64,
        length: u32,
        content: &[u8],
    ) -> Option<(u32, Vec<u8>)> {
        self.give(&[0x25, 0x60, 0x95, 0x13, 0, flags, 0, kind]);
        self.give(b"a cookie");
        self.give(&offset.to_be_bytes());
        self.give(&length.to_be_bytes());
        self.give(content);
        let mut head = [0; 16];
        self.0.read_exact(&mut head).ok()?;
        assert_eq!(head[..4], [0x67, 0x44, 0x66, 0x98]);
        assert_eq!(&head[8..], b"a cookie");
        let error = u32::from_be_bytes(head[4..8].try_into().unwrap());
        let read = kind == 0 && error == 0;
        let read = if read {
            self.take(length.try_into().unwrap())
        } else {
            Vec::new()
        };
        Some((error, read))
    }

    fn write(&mut self, sector: u64, bytes: &[u8]) -> Option<u32> {
        let length = u32::try_from(bytes.len()).unwrap();
        Some(self.ask(1, 0, sector * SECTOR, length, bytes)?.0)
    }

    fn write_forced(&mut self, sector: u64, bytes: &[u8]) -> Option<u32> {
        let length = u32::try_from(bytes.len()).unwrap();
        Some(self.ask(1, 1, sector * SECTOR, length, bytes)?.0)
    }

    fn read(&mut self, offset: u64, length: u32) -> Option<(u32, Vec<u8>)> {
        self.ask(0, 0, offset, length, &[])
    }

    fn flush(&mut self) -> Option<u32> {
        Some(self.ask(3, 0, 0, 0, &[])?.0)
    }

    fn give(&mut self, bytes: &[u8]) {
        // The power may be gone; then there is no answer, which is noticed.
        let _ = self.0.write_all(bytes);
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// An image of zeros, and a card that serves it.
fn card() -> (TempDir, BlockServer) {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::write(&image, vec![0; SECTORS * SECTOR_BYTES]).unwrap();
    let card = BlockServer::start(&image, folder.path()).unwrap();
    (folder, card)
}

/// What a power cut during `event` leaves.
fn after(folder: &TempDir, journal: &Journal, event: usize, seed: u64) -> Vec<u8> {
    let [image, before] = ["after", "before"].map(|name| folder.path().join(name));
    let zeros = vec![0; SECTORS * SECTOR_BYTES];
    fs::write(&before, &zeros).unwrap();
    copy(&before, &image).unwrap();
    replay(&image, journal, event, seed).unwrap();
    let left = fs::read(&image).unwrap();
    undo(&image, &before, journal).unwrap();
    assert_eq!(fs::read(&image).unwrap(), zeros);
    left
}

#[test]
fn a_machine_reads_what_it_wrote_and_errors_are_answers() {
    let (folder, card) = card();
    let mut machine = Machine::start(&card, true);

    assert_eq!(machine.write(2, &[7; 1024]), Some(0));
    assert_eq!(machine.flush(), Some(0));
    assert_eq!(
        machine.read(1000, 30),
        Some((0, [vec![0; 24], vec![7; 6]].concat()))
    );
    // Beyond the end, by one byte; a command that is not there.
    assert_eq!(machine.read(8192 - 511, 512), Some((22, Vec::new())));
    assert_eq!(machine.ask(4, 0, 0, 512, &[]), Some((22, Vec::new())));
    drop(machine);
    let mut again = Machine::start(&card, false);
    assert_eq!(again.read(1024, 2), Some((0, vec![7; 2])));

    let expected = Counts {
        reads: 2,
        writes: 1,
        bytes_written: 1024,
        flushes: 1,
    };
    assert_eq!(card.counts(), expected);
    let journal = card.stop().unwrap();
    assert!(journal.written().eq(std::iter::once(1024..2048)));
    assert_eq!(journal.events_count(), 2);
    assert_eq!(fs::read(folder.path().join("image")).unwrap()[1024], 7);
}

#[test]
fn the_event_that_the_cut_hits_is_not_answered_and_nothing_follows() {
    let (_folder, card) = card();
    card.cut_at(2);
    let mut machine = Machine::start(&card, true);

    assert_eq!(machine.write(0, &[1; 512]), Some(0));
    assert_eq!(machine.flush(), Some(0));
    assert!(!card.was_cut());
    assert_eq!(machine.write(1, &[1; 512]), None);
    assert!(card.was_cut());
    assert_eq!(machine.write(2, &[1; 512]), None);

    assert_eq!(card.stop().unwrap().events_count(), 3);
}

#[test]
fn a_flush_that_was_not_answered_keeps_nothing_for_sure() {
    let (folder, card) = card();
    let mut machine = Machine::start(&card, true);
    machine.write(0, &[1; 512]).unwrap();
    machine.flush().unwrap();
    drop(machine);
    let journal = card.stop().unwrap();

    let lost = (0..20).filter(|seed| after(&folder, &journal, 1, *seed)[0] == 0);
    assert!((1..20).contains(&lost.count()));
    for seed in 0..20 {
        assert_eq!(after(&folder, &journal, 2, seed)[0], 1, "seed {seed}");
    }
}

#[test]
fn unflushed_writes_are_kept_lost_torn_and_reordered() {
    let (folder, card) = card();
    let mut machine = Machine::start(&card, true);
    machine.write(0, &[1; 4 * SECTOR_BYTES]).unwrap();
    machine.write(0, &[2; 4 * SECTOR_BYTES]).unwrap();
    let journal = card.stop().unwrap();

    let found: BTreeSet<[u8; 4]> = (0..400)
        .map(|seed| {
            let left = after(&folder, &journal, 2, seed);
            for sector in left.chunks(SECTOR_BYTES) {
                assert!(
                    sector.iter().all(|byte| *byte == sector[0]),
                    "torn inside of a sector"
                );
            }
            [0, 1, 2, 3].map(|sector| left[sector * SECTOR_BYTES])
        })
        .collect();

    assert!(found.contains(&[0; 4]), "both lost");
    assert!(
        found.contains(&[1; 4]),
        "the older alone, or after the newer"
    );
    assert!(found.contains(&[2; 4]), "the newer");
    let torn = found.iter().filter(|it| it.contains(&0) && it.contains(&2));
    assert!(torn.count() > 3, "{found:?}");
    let mixed = found.iter().filter(|it| it.contains(&1) && it.contains(&2));
    assert!(mixed.count() > 3, "{found:?}");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Write { sector: u8, count: u8, forced: bool },
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..14_u8, 1..3_u8, prop::bool::weighted(0.2));
    prop_oneof![
        4 => write.prop_map(|(sector, count, forced)| Step::Write { sector, count, forced }),
        1 => Just(Step::Flush),
    ]
}

#[test]
fn a_rotten_bit_comes_back_wrong_and_no_other() {
    let (_folder, card) = card();
    let mut machine = Machine::start(&card, true);
    machine.write(0, &[8; SECTOR_BYTES]).unwrap();

    card.rot(100);

    let (_, read) = machine.read(90, 20).unwrap();
    let mut expected = [8; 20];
    expected[10] = 9;
    assert_eq!(read, expected);
    let (_, read) = machine.read(101, 20).unwrap();
    assert_eq!(read, [8; 20]);
    machine.write(0, &[6; SECTOR_BYTES]).unwrap();
    let (_, read) = machine.read(0, 512).unwrap();
    assert_eq!(read.iter().filter(|byte| **byte == 7).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each sector holds what the last safe write put there, or what a later one did; and the
    /// same seed leaves the same card.
    #[test]
    fn what_is_safe_is_never_lost(
        steps in prop::collection::vec(step(), 0..30),
        cut in 0..31_usize,
        seed: u64,
    ) {
        let (folder, card) = card();
        let mut machine = Machine::start(&card, true);
        for (step, mark) in steps.iter().zip(1..) {
            match *step {
                Step::Flush => machine.flush(),
                Step::Write { sector, count, forced } => {
                    let bytes = vec![mark; usize::from(count) * SECTOR_BYTES];
                    let write = if forced { Machine::write_forced } else { Machine::write };
                    write(&mut machine, sector.into(), &bytes)
                }
            }.unwrap();
        }
        let journal = card.stop().unwrap();

        let left = after(&folder, &journal, cut, seed);

        prop_assert_eq!(&left, &after(&folder, &journal, cut, seed));
        let mut allowed: Vec<BTreeSet<u8>> = vec![BTreeSet::from([0]); SECTORS];
        for ((index, step), mark) in steps.iter().enumerate().take(cut + 1).zip(1..) {
            match *step {
                Step::Flush if index < cut => {
                    // Of those that were possible, only the newest is.
                    let newest = |marks: &mut BTreeSet<u8>| {
                        let newest = *marks.last().unwrap();
                        marks.retain(|mark| *mark == newest);
                    };
                    allowed.iter_mut().for_each(newest);
                }
                Step::Flush => {}
                Step::Write { sector, count, forced } => {
                    let sectors = usize::from(sector)..usize::from(sector + count);
                    for marks in &mut allowed[sectors] {
                        if forced && index < cut {
                            marks.clear();
                        }
                        marks.insert(mark);
                    }
                }
            }
        }
        for (sector, marks) in left.chunks(SECTOR_BYTES).zip(&allowed) {
            prop_assert!(marks.contains(&sector[0]), "{} is none of {:?}", sector[0], marks);
            prop_assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
    }
}

#[test]
fn a_copy_has_the_same_bytes_and_length() {
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
    let mut bytes = vec![0; 300_000];
    bytes[70_000] = 1;
    fs::write(&from, &bytes).unwrap();

    copy(&from, &to).unwrap();

    assert_eq!(fs::read(&to).unwrap(), bytes);
}
