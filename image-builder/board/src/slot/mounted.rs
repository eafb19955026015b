//! The files of the boot chain on the board's own disk: `CONFIG` and the two boot partitions.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::file;
use crate::places::{self, Board};
use crate::sys::System;

use super::{BootChain, Slot, Slots, Volume, Volumes};

/// State files and `autoboot.txt` have 512 bytes or less; somebody may have edited the latter.
const FILE_MAX: u64 = 4 * 1024;

/// The slots of this board, for as long as they are needed: boot partitions are mounted meanwhile.
///
/// # Errors
/// The image or `/run` is broken.
pub fn slots(system: &System) -> Result<Slots<Mounted<'_>>> {
    let chain = Board::load(system)?.chain;
    let path = system.at(places::SLOT);
    let running = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .trim()
        .parse()
        .map_err(|problem| anyhow::anyhow!("{}: {problem}", path.display()))?;
    Ok(Slots {
        chain,
        volumes: Mounted::open(system, chain),
        running,
    })
}

/// The partitions, mounted read-only but for the moment of a change; unmounted on drop.
#[derive(Debug)]
pub struct Mounted<'s> {
    system: &'s System,
    /// Boot partitions that were mounted here.
    mounted: Vec<PathBuf>,
}

impl<'s> Mounted<'s> {
    /// Mounts what this boot chain keeps its state on. A boot partition that cannot be mounted is
    /// an empty slot: its first sector is the last thing that an update writes.
    pub fn open(system: &'s System, chain: BootChain) -> Self {
        let mut this = Self {
            system,
            mounted: Vec::new(),
        };
        if chain == BootChain::SdBoot {
            for slot in [Slot::A, Slot::B] {
                let mount_point = this.mount_point(Volume::Boot(slot));
                if system.mount_fat(&slot.boot_label(), &mount_point).is_ok() {
                    this.mounted.push(mount_point);
                }
            }
        }
        this
    }

    fn mount_point(&self, volume: Volume) -> PathBuf {
        match volume {
            Volume::Config => self.system.at(places::CONFIG),
            Volume::Boot(slot) => self.system.at(&format!("/run/tasuki/boot-{slot}")),
        }
    }
}

impl Volumes for Mounted<'_> {
    fn read(&self, volume: Volume, path: &str) -> io::Result<Vec<u8>> {
        file::read_at_most(&self.mount_point(volume).join(path), FILE_MAX)
    }

    fn list(&self, volume: Volume, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.mount_point(volume).join(folder))? {
            let entry = entry?;
            // FAT renames by making an empty file first; a power cut may leave just that.
            if entry.metadata()?.len() > 0 {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    fn overwrite(&mut self, volume: Volume, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mount_point = self.mount_point(volume);
        let path = mount_point.join(path);
        self.system.writable(&mount_point, || {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            if file.metadata()?.len() != u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
                return Err(io::Error::other("has another length than what replaces it"));
            }
            file.write_all(bytes)?;
            file.sync_all()
        })
    }

    fn rename(&mut self, volume: Volume, from: &str, to: &str) -> io::Result<()> {
        let mount_point = self.mount_point(volume);
        let [from, to] = [from, to].map(|path| mount_point.join(path));
        self.system.writable(&mount_point, || {
            fs::rename(&from, &to)?;
            let folder = to.parent().unwrap_or(&mount_point);
            File::open(folder)?.sync_all()
        })
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        for mount_point in &self.mounted {
            // A mount that stays is read-only and in memory's way only.
            let _ = self.system.unmount(mount_point);
        }
    }
}
