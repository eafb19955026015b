//! From a root file system and what boots it to a planned disk and its bytes.

use std::path::Path;

use jiff::Timestamp;

use crate::board::{Board, Chain};
use crate::boot::{self, BootError, BootFiles, Ingredients};
use crate::disk::fat::{self, Fat, FatError, FatKind, Files};
use crate::disk::image::Bytes;
use crate::disk::layout::Part;
use crate::disk::plan::{Content, Parts, Plan, PlanError};
use crate::exec::Call;
use crate::identity::{Hash, Seed};
use crate::initramfs::{self, InitramfsError};
use crate::root::Tree;
use crate::verity::{self, LengthError};

/// What an image is assembled from.
#[derive(Debug)]
pub struct Sources<'a> {
    pub board: &'a Board,
    pub version: &'a str,
    /// The kernel's, as in `vmlinuz-6.12.0-arm64`.
    pub kernel_version: &'a str,
    /// The kernel package, unpacked.
    pub kernel: &'a Tree,
    /// The package with the boot program or firmware, unpacked.
    pub firmware: &'a Tree,
    /// A tree with the kernel's modules and depmod's files.
    pub modules: &'a Tree,
    /// The first stage's program.
    pub first_stage: &'a [u8],
    /// The root file system, whole blocks.
    pub root: Vec<u8>,
    pub seed: Seed,
    /// Of all files.
    pub time: Timestamp,
}

/// A disk before it is written.
#[derive(Debug)]
pub struct Assembled {
    pub plan: Plan,
    pub bytes: Bytes,
    pub root_hash: Hash,
    /// The boot partition of an update.
    pub update: Vec<u8>,
}

/// Why there is no disk.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error(transparent)]
    Length(#[from] LengthError),
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Fat(#[from] FatError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Assembles a disk; `tool` gives a program of mtools, `folder` is for its work.
pub fn assemble(
    sources: Sources<'_>,
    tool: impl Fn(&str) -> Call,
    folder: &Path,
) -> Result<Assembled, AssembleError> {
    let Sources { board, seed, .. } = sources;
    let tree = verity::hash_tree(
        &sources.root,
        &seed.bytes("verity salt"),
        seed.uuid("verity"),
    )?;
    let modules = format!("usr/lib/modules/{}", sources.kernel_version);
    // The watchdog first: whatever hangs after it is reset.
    let loaded = board.hardware.watchdog.iter();
    let loaded: Vec<String> = loaded
        .chain(&board.kernel.initramfs_modules)
        .cloned()
        .collect();
    let initramfs = initramfs::build(sources.modules, &modules, sources.first_stage, &loaded)?;
    let BootFiles {
        config,
        slot,
        update,
        empty_slot,
        raw,
    } = boot::files(&Ingredients {
        board,
        version: sources.version,
        kernel_version: sources.kernel_version,
        kernel: sources.kernel,
        firmware: sources.firmware,
        initramfs: &initramfs,
        root_hash: tree.root,
    })?;
    let make = |part: Part, files: &Files| {
        let fat = fat_of(board, &seed, part, part.label(), files);
        fat::make(&fat, &tool, sources.time, folder)
    };
    let update = fat_of(board, &seed, Part::BootB, "BOOT", &update);
    let update = fat::make(&update, &tool, sources.time, folder)?;
    let bytes = Bytes {
        config: make(Part::Config, &config)?,
        boot_a: make(Part::BootA, &slot)?,
        boot_b: make(Part::BootB, &empty_slot)?,
        root: sources.root,
        verity: tree.bytes,
        raw,
    };
    let plan = Plan::new(board, &seed, &parts(&bytes))?;
    Ok(Assembled {
        plan,
        bytes,
        root_hash: tree.root,
        update,
    })
}

fn fat_of<'a>(board: &Board, seed: &Seed, part: Part, label: &'a str, files: &'a Files) -> Fat<'a> {
    let config = part == Part::Config;
    let uefi = board.boot.chain == Chain::SystemdBoot;
    Fat {
        label,
        serial: seed.number(label),
        size: if config {
            board.disk.config
        } else {
            board.disk.boot
        },
        kind: if uefi && !config {
            FatKind::Fat32
        } else {
            FatKind::Fat16
        },
        files,
    }
}

fn parts(bytes: &Bytes) -> Parts {
    Parts {
        config: Content::of(&bytes.config),
        boot_a: Content::of(&bytes.boot_a),
        boot_b: Content::of(&bytes.boot_b),
        root: Content::of(&bytes.root),
        verity: Content::of(&bytes.verity),
        raw: bytes.raw.iter().map(|raw| Content::of(raw)).collect(),
    }
}
