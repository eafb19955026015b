//! What the boot chains read: the files of `CONFIG` and of a slot's boot partition.
//!
//! One file a chain; `docs/BOOT.md` has the names and what happens with them on the board. Nothing
//! in a slot names the slot, so an update is the same bytes in either.

mod readme;
mod script;
mod systemd_boot;
mod tryboot;
mod u_boot;
pub mod uki;

use crate::board::{Board, Chain};
use crate::disk::fat::Files;
use crate::identity::Hash;
use crate::root::{Tree, TreeError};

use self::uki::StubError;

/// What a slot is made of.
#[derive(Debug, Clone, Copy)]
pub struct Ingredients<'a> {
    pub board: &'a Board,
    /// The version of this image, for people.
    pub version: &'a str,
    /// The kernel's, as in `vmlinuz-6.12.0-arm64`.
    pub kernel_version: &'a str,
    /// The kernel package, unpacked.
    pub kernel: &'a Tree,
    /// The package with the boot program or firmware, unpacked.
    pub firmware: &'a Tree,
    pub initramfs: &'a [u8],
    pub root_hash: Hash,
}

/// The files of a new image.
#[derive(Debug, PartialEq, Eq)]
pub struct BootFiles {
    pub config: Files,
    /// Of slot a.
    pub slot: Files,
    /// Of an update, for either slot.
    pub update: Files,
    /// Of slot b, which has no system yet.
    pub empty_slot: Files,
    /// What lies outside of all partitions, in the board's order.
    pub raw: Vec<Vec<u8>>,
}

/// Why there are no files to boot from.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("kernel or boot package: {0}")]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Stub(#[from] StubError),
    #[error("{0}: the path of a firmware file has no name")]
    Name(String),
}

/// The files for the board's chain.
pub fn files(from: &Ingredients<'_>) -> Result<BootFiles, BootError> {
    let mut files = match from.board.boot.chain {
        Chain::SystemdBoot => systemd_boot::files(from),
        Chain::UBoot => u_boot::files(from),
        Chain::Tryboot => tryboot::files(from),
    }?;
    let readme = readme::text(from.board, from.version);
    files.config.insert(readme::NAME.to_owned(), readme);
    for raw in &from.board.boot.raw {
        files.raw.push(from.firmware.read(&raw.path)?.to_vec());
    }
    Ok(files)
}

impl Ingredients<'_> {
    /// The kernel's command line.
    fn command_line(&self) -> String {
        let mut words = vec![format!("tasuki.root={}", self.root_hash)];
        let consoles = &self.board.boot.consoles;
        words.extend(consoles.iter().map(|console| format!("console={console}")));
        // A panic is a reboot, which lets the boot chooser count. A power cut while the first boot
        // adds `data` can tear the first partition table: only with `gpt` does Linux then take the
        // second (the kernel's admin-guide/kernel-parameters). Our own units mount everything.
        let fixed = ["ro", "panic=10", "gpt", "loglevel=6", "systemd.gpt_auto=no"];
        words.extend(fixed.map(str::to_owned));
        words.extend(self.board.boot.arguments.iter().cloned());
        words.join(" ")
    }

    fn kernel(&self) -> Result<Vec<u8>, TreeError> {
        let path = format!("boot/vmlinuz-{}", self.kernel_version);
        Ok(self.kernel.read(&path)?.to_vec())
    }

    fn device_tree(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let path = format!("usr/lib/linux-image-{}/{path}", self.kernel_version);
        Ok(self.kernel.read(&path)?.to_vec())
    }
}

/// The last part of a path.
fn name_of(path: &str) -> Result<String, BootError> {
    match path.rsplit('/').next() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(BootError::Name(path.to_owned())),
    }
}

#[cfg(test)]
mod pi_firmware;
#[cfg(test)]
mod tests;
