//! A disk whose unflushed sectors are lost, written or torn when the power goes.
//!
//! Each call of the state machine is a few sector writes and then a flush, which the disk
//! honours. The power can go before any flush: then each of those sectors is on the disk or
//! not, by the seed, in any combination. A sector of a file with a checksum may also be torn;
//! `autoboot.txt` has none, and relies on one sector being written whole or not at all.

use std::collections::BTreeMap;
use std::io;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tasuki_board::slot::environment::{SIZE, encode};
use tasuki_board::slot::{BootChain, Slot, State, Volume, Volumes};
use tasuki_board::update::install::{Partitions, Place, install};

use super::bundle::{Parts, bundle, parts};

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    /// A system of that version.
    Works(u32),
    Hangs,
    /// Runs, but its health gate gives it up.
    Sick,
    Unfinished,
}

#[derive(Debug)]
pub(crate) struct Disk {
    chain: BootChain,
    files: BTreeMap<(Volume, String), Vec<u8>>,
    slots: [Content; 2],
    /// What lies in the partitions of a slot.
    parts: [Parts; 2],
    /// Sectors of a slot on their way to the card.
    pending: Vec<(Place, usize, [u8; SIZE])>,
    /// Numbers of the writes during which the power goes, rising.
    cuts: Vec<usize>,
    writes: usize,
    was_cut: bool,
    rng: StdRng,
}

enum Sector {
    Data(Volume, String, Vec<u8>),
    Name(Volume, String, Vec<u8>),
    NoName(Volume, String),
}

impl Disk {
    /// A card as it was flashed: slot a holds version 1, slot b nothing.
    pub(crate) fn new(chain: BootChain, cuts: Vec<usize>, seed: u64) -> Self {
        let fresh = encode(State {
            good: Slot::A,
            tries_left: None,
        });
        let autoboot = b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        let config = |path: &str| (Volume::Config, path.to_owned());
        let mut files = BTreeMap::new();
        match chain {
            BootChain::SdBoot => {
                let path = "EFI/Linux/tasuki-000001.efi".to_owned();
                files.insert((Volume::Boot(Slot::A), path), Vec::new());
            }
            BootChain::UBoot | BootChain::TryBoot => {
                files.insert(config("tasuki/slot-0.env"), fresh.to_vec());
                files.insert(config("tasuki/slot-1.env"), fresh.to_vec());
            }
        }
        if chain == BootChain::TryBoot {
            files.insert(config("autoboot.txt"), autoboot.to_vec());
        }
        Self {
            chain,
            files,
            slots: [Content::Works(1), Content::Unfinished],
            parts: [parts(Content::Works(1)), parts(Content::Unfinished)],
            pending: Vec::new(),
            cuts,
            writes: 0,
            was_cut: false,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn content(&self, slot: Slot) -> Content {
        self.slots[usize::from(slot == Slot::B)]
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut
    }

    /// The power goes during the write after the next `writes`.
    pub(crate) fn cut_after(&mut self, writes: usize) {
        self.cuts = vec![self.writes + writes];
    }

    pub(crate) fn power_on(&mut self) {
        self.cuts.clear();
    }

    /// Puts a system into a slot, as the board does.
    pub(crate) fn write_slot(&mut self, slot: Slot, content: Content) -> io::Result<()> {
        let (manifest, pieces) = bundle(content);
        let mut target = Target {
            disk: self,
            slot,
            content,
        };
        install(&manifest, &mut pieces.as_slice(), &mut target).map_err(io::Error::other)
    }

    /// Puts the sectors of a slot on the card, unless the power goes right now.
    ///
    /// # Panics
    /// The slot can be started, and is not whole.
    fn flush_slot(&mut self, slot: Slot, content: Content) -> io::Result<()> {
        let cut = self.cuts.contains(&self.writes);
        self.writes += 1;
        let index = usize::from(slot == Slot::B);
        for (place, number, sector) in std::mem::take(&mut self.pending) {
            if !cut || self.rng.gen_bool(0.5) {
                let at = number * SIZE;
                self.parts[index].get_mut(&place).expect("a partition")[at..at + SIZE]
                    .copy_from_slice(&sector);
            }
        }
        let boot = Volume::Boot(slot);
        let held = self.slots[index];
        if self.parts[index][&Place::Boot][..SIZE] == [0; SIZE] {
            self.files.retain(|(volume, _), _| *volume != boot);
            self.slots[index] = Content::Unfinished;
        } else if held == Content::Unfinished {
            assert_eq!(self.parts[index], parts(content), "bootable, so whole");
            self.slots[index] = content;
            if self.chain == BootChain::SdBoot {
                let path = "EFI/Linux/tasuki-000000+0.efi".to_owned();
                self.files.insert((boot, path), Vec::new());
            }
        } else {
            assert_eq!(self.parts[index], parts(held), "bootable, so untouched");
        }
        self.was_cut |= cut;
        if cut {
            Err(io::Error::other("the power is gone"))
        } else {
            Ok(())
        }
    }

    /// Puts sectors on the disk, unless the power goes right now.
    fn flush(&mut self, sectors: Vec<Sector>) -> io::Result<()> {
        let cut = self.cuts.contains(&self.writes);
        self.writes += 1;
        for sector in sectors {
            let kept = !cut || self.rng.gen_bool(0.5);
            match sector {
                Sector::Data(volume, path, mut bytes) => {
                    let torn = cut && path.ends_with(".env") && self.rng.gen_bool(0.5);
                    if let (true, Some(old)) = (torn, self.files.get(&(volume, path.clone()))) {
                        let at = self.rng.gen_range(0..SIZE);
                        bytes[at..].copy_from_slice(&old[at..]);
                    }
                    if kept || torn {
                        self.files.insert((volume, path), bytes);
                    }
                }
                Sector::Name(volume, path, bytes) if kept => {
                    self.files.insert((volume, path), bytes);
                }
                Sector::NoName(volume, path) if kept => {
                    self.files.remove(&(volume, path));
                }
                Sector::Name(..) | Sector::NoName(..) => {}
            }
        }
        self.was_cut |= cut;
        if cut {
            Err(io::Error::other("the power is gone"))
        } else {
            Ok(())
        }
    }
}

impl Volumes for &mut Disk {
    fn read(&self, volume: Volume, path: &str) -> io::Result<Vec<u8>> {
        let file = self.files.get(&(volume, path.to_owned()));
        file.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, volume: Volume, folder: &str) -> io::Result<Vec<String>> {
        let names = self.files.keys().filter(|(place, _)| *place == volume);
        let prefix = format!("{folder}/");
        Ok(names
            .filter_map(|(_, path)| path.strip_prefix(&prefix).map(str::to_owned))
            .collect())
    }

    fn overwrite(&mut self, volume: Volume, path: &str, bytes: &[u8]) -> io::Result<()> {
        let old = self.read(volume, path)?;
        assert_eq!(old.len(), bytes.len(), "FAT would allocate: {path}");
        assert!(bytes.len() <= SIZE, "more than a sector: {path}");
        self.flush(vec![Sector::Data(volume, path.to_owned(), bytes.to_vec())])
    }

    fn rename(&mut self, volume: Volume, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.read(volume, from)?;
        self.flush(vec![
            Sector::Name(volume, to.to_owned(), bytes),
            Sector::NoName(volume, from.to_owned()),
        ])
    }
}

/// A slot that is written to.
struct Target<'d> {
    disk: &'d mut Disk,
    slot: Slot,
    content: Content,
}

impl Partitions for Target<'_> {
    fn write(&mut self, place: Place, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let first = usize::try_from(offset).expect("small") / SIZE;
        for (number, sector) in bytes.chunks(SIZE).enumerate() {
            let sector = sector.try_into().expect("whole sectors");
            self.disk.pending.push((place, first + number, sector));
        }
        Ok(())
    }

    fn flush(&mut self, _: Place) -> io::Result<()> {
        self.disk.flush_slot(self.slot, self.content)
    }

    fn read(&mut self, place: Place, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        assert!(self.disk.pending.is_empty(), "memory would answer");
        let part = &self.disk.parts[usize::from(self.slot == Slot::B)][&place];
        let at = usize::try_from(offset).expect("small");
        bytes.copy_from_slice(&part[at..at + bytes.len()]);
        Ok(())
    }
}
