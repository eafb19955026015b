//! The disk: what lies where on a card, as a plan, and the bytes that the plan stands for.
//!
//! [`plan`] is pure: offsets, sizes, hashes and identifiers. [`gpt`] and [`mbr`] write partition
//! tables as bytes, [`fat`] has mtools make FAT file systems, [`image`] puts all into a file, [`read`] and
//! [`root`] read it back. `docs/BOOT.md` has the partitions in words.

pub mod fat;
pub mod gpt;
pub mod image;
pub mod layout;
pub mod mbr;
pub mod plan;
pub mod read;
pub mod root;

/// Bytes in a sector, as partition tables count them.
pub const SECTOR: u64 = 512;
