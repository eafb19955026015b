//! The plan of a disk: every offset, size, hash and identifier, before a byte is written.
//!
//! Pure: the same board, seed and parts give the same plan. `tests/golden` has one per board.

use serde_json::{Value, json};

use crate::board::{Board, Chain, Scheme};
use crate::identity::{Hash, Seed, Uuid};

use super::layout::{BOOTABLE, Part};
use super::{SECTOR, gpt};

/// Where partitions begin and end: what cards erase at a time is a divisor of it.
const ALIGNMENT: u64 = 1 << 20;

/// What there is to write somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// In bytes; what follows it in its place is zeros.
    pub length: u64,
    pub hash: Hash,
}

impl Content {
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            hash: Hash::of(bytes),
        }
    }
}

/// The contents of a new image: slot b is empty.
#[derive(Debug, Clone)]
pub struct Parts {
    pub config: Content,
    pub boot_a: Content,
    pub boot_b: Content,
    pub root: Content,
    pub verity: Content,
    /// The board's raw areas, in its order.
    pub raw: Vec<Content>,
}

/// A disk. Offsets and lengths are bytes, and whole sectors.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of the image; a card may be larger.
    pub length: u64,
    pub id: Uuid,
    /// Windows' number for the disk.
    pub signature: u32,
    pub scheme: Scheme,
    pub raw: Vec<RawArea>,
    pub partitions: Vec<Partition>,
}

/// Bytes outside of all partitions.
#[derive(Debug, PartialEq, Eq)]
pub struct RawArea {
    /// Path in the boot package.
    pub name: String,
    pub offset: u64,
    pub content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    pub part: Part,
    pub kind: Uuid,
    pub id: Uuid,
    pub attributes: u64,
    pub offset: u64,
    pub length: u64,
    pub content: Option<Content>,
}

/// Why a board's parts make no disk.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "{place} needs {needed} bytes and has {room}; make it larger in the board file (a fleet's \
         boards keep their old sizes, so leave room)"
    )]
    TooLarge {
        place: String,
        needed: u64,
        room: u64,
    },
    #[error("{place}: {bytes} bytes are no multiple of 1 MiB; mend [disk] in the board file")]
    Unaligned { place: String, bytes: u64 },
    #[error("{name} at byte {offset} lies over the partition table or over another raw area")]
    Overlap { name: String, offset: u64 },
}

impl Plan {
    pub fn new(board: &Board, seed: &Seed, parts: &Parts) -> Result<Self, PlanError> {
        let uefi = board.boot.chain == Chain::SystemdBoot;
        let mut offset = aligned("first_mib", board.disk.first)?;
        let mut partitions = Vec::new();
        for part in Part::ALL {
            let (length, content) = match part {
                Part::Config => (board.disk.config, Some(&parts.config)),
                Part::BootA => (board.disk.boot, Some(&parts.boot_a)),
                Part::BootB => (board.disk.boot, Some(&parts.boot_b)),
                Part::RootA => (board.disk.root, Some(&parts.root)),
                Part::VerityA => (board.disk.hash, Some(&parts.verity)),
                Part::RootB => (board.disk.root, None),
                Part::VerityB => (board.disk.hash, None),
            };
            let length = aligned(part.label(), length)?;
            if let Some(content) = content {
                fits(part.label(), content.length, length)?;
            }
            let script = part == Part::Config && board.boot.chain == Chain::UBoot;
            partitions.push(Partition {
                part,
                kind: part.kind(board.architecture, uefi),
                id: seed.uuid(part.label()),
                attributes: if script { BOOTABLE } else { 0 },
                offset,
                length,
                content: content.cloned(),
            });
            offset += length;
        }
        Ok(Self {
            // The second partition table.
            length: offset + ALIGNMENT,
            id: seed.uuid("disk"),
            signature: seed.number("disk signature"),
            scheme: board.disk.scheme,
            raw: raw_areas(board, parts)?,
            partitions,
        })
    }

    pub fn partition(&self, part: Part) -> Option<&Partition> {
        self.partitions
            .iter()
            .find(|partition| partition.part == part)
    }

    /// For `manifest.json` and the golden files.
    pub fn to_json(&self) -> Value {
        let content = |content: &Content| json!({ "length": content.length, "sha256": content.hash.to_string() });
        json!({
            "length": self.length,
            "id": self.id.to_string(),
            "signature": format!("{:08x}", self.signature),
            "hybrid_mbr": self.scheme == Scheme::Hybrid,
            "raw": self.raw.iter().map(|area| json!({
                "name": area.name,
                "offset": area.offset,
                "content": content(&area.content),
            })).collect::<Vec<_>>(),
            "partitions": self.partitions.iter().map(|partition| json!({
                "number": partition.part.number(),
                "label": partition.part.label(),
                "type": partition.kind.to_string(),
                "id": partition.id.to_string(),
                "attributes": partition.attributes,
                "offset": partition.offset,
                "length": partition.length,
                "content": partition.content.as_ref().map(content),
            })).collect::<Vec<_>>(),
        })
    }
}

fn aligned(place: &str, bytes: u64) -> Result<u64, PlanError> {
    if bytes == 0 || !bytes.is_multiple_of(ALIGNMENT) {
        let place = place.to_owned();
        return Err(PlanError::Unaligned { place, bytes });
    }
    Ok(bytes)
}

fn fits(place: &str, needed: u64, room: u64) -> Result<(), PlanError> {
    if needed > room {
        return Err(PlanError::TooLarge {
            place: place.to_owned(),
            needed,
            room,
        });
    }
    Ok(())
}

/// In the board's order, which is also that of the bytes.
fn raw_areas(board: &Board, parts: &Parts) -> Result<Vec<RawArea>, PlanError> {
    let areas: Vec<RawArea> = board
        .boot
        .raw
        .iter()
        .zip(&parts.raw)
        .map(|(raw, content)| RawArea {
            name: raw.path.clone(),
            offset: raw.offset,
            content: content.clone(),
        })
        .collect();
    let mut by_offset: Vec<&RawArea> = areas.iter().collect();
    by_offset.sort_by_key(|area| area.offset);
    let mut free = gpt::HEAD_SECTORS * SECTOR;
    for area in by_offset {
        if area.offset < free {
            return Err(PlanError::Overlap {
                name: area.name.clone(),
                offset: area.offset,
            });
        }
        free = area.offset + area.content.length;
        let room = board.disk.first.saturating_sub(area.offset);
        fits(&area.name, area.content.length, room)?;
    }
    Ok(areas)
}

#[cfg(test)]
mod tests;
