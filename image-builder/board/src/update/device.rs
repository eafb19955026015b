//! The partitions of the other slot on the board's own disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use first_stage::superblock::{self, BLOCK, Superblock};

use crate::slot::Slot;
use crate::sys::{self, System};

use super::install::{Partitions, Place};

/// Three devices, opened for this program alone.
#[derive(Debug)]
pub(super) struct Devices([File; 3]);

impl Devices {
    /// Opens them. The kernel refuses if one is mounted or part of the system that runs.
    pub(super) fn open(system: &System, slot: Slot) -> io::Result<Self> {
        let open = |place| {
            let path = path(system, slot, place);
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(sys::ALONE)
                .open(&path);
            file.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })
        };
        let [root, verity, boot] = Place::ALL.map(open);
        Ok(Self([root?, verity?, boot?]))
    }

    fn file(&self, place: Place) -> &File {
        let [root, verity, boot] = &self.0;
        match place {
            Place::Root => root,
            Place::Verity => verity,
            Place::Boot => boot,
        }
    }
}

fn path(system: &System, slot: Slot, place: Place) -> PathBuf {
    let label = match place {
        Place::Root | Place::Verity => format!("{place}-{slot}"),
        Place::Boot => slot.boot_label(),
    };
    system.at("/dev/disk/by-partlabel").join(label)
}

/// Bytes of a slot's partition; 0 if there is none.
pub(super) fn size(system: &System, slot: Slot, place: Place) -> u64 {
    let length = |mut file: File| file.seek(SeekFrom::End(0));
    File::open(path(system, slot, place))
        .and_then(length)
        .unwrap_or(0)
}

/// The beginning of a slot's hash tree, if it has one.
pub(super) fn tree(system: &System, slot: Slot) -> Option<(Superblock, [u8; BLOCK])> {
    let mut device = File::open(path(system, slot, Place::Verity)).ok()?;
    superblock::read(&mut device).ok()
}

impl Partitions for Devices {
    fn write(&mut self, place: Place, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(place).write_all_at(bytes, offset)
    }

    fn flush(&mut self, place: Place) -> io::Result<()> {
        self.file(place).sync_all()
    }

    fn read(&mut self, place: Place, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let file = self.file(place);
        sys::forget_cached(file)?;
        file.read_exact_at(bytes, offset)
    }
}
