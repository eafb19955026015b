//! GUID partition tables (UEFI 2.10, section 5.3).

use super::SECTOR;
use super::mbr;
use super::plan::{Partition, Plan};

/// Sectors of MBR, header and entries at the beginning of a disk.
pub const HEAD_SECTORS: u64 = 34;
/// Sectors of entries and header at its end.
pub const TAIL_SECTORS: u64 = 33;

const ENTRIES: u32 = 128;
const ENTRY: u32 = 128;
const HEADER: u32 = 92;
const NAME: usize = 72;

/// The two copies of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Tables {
    /// For the disk's first sectors.
    pub head: Vec<u8>,
    /// For the [`TAIL_SECTORS`] before its end.
    pub tail: Vec<u8>,
}

/// Writes the partition tables of a plan, for a disk of the plan's length.
pub fn tables(plan: &Plan) -> Tables {
    let last = plan.length / SECTOR - 1;
    let entries = entries(plan);
    let mut head = mbr::sector(plan).to_vec();
    head.extend(sector(header(
        plan,
        &entries,
        Place {
            own: 1,
            other: last,
            entries: 2,
        },
    )));
    head.extend(&entries);
    let first_entry = last + 1 - TAIL_SECTORS;
    let own = Place {
        own: last,
        other: 1,
        entries: first_entry,
    };
    let mut tail = entries.clone();
    tail.extend(sector(header(plan, &entries, own)));
    Tables { head, tail }
}

/// Sectors that a header speaks of.
struct Place {
    own: u64,
    other: u64,
    entries: u64,
}

fn header(plan: &Plan, entries: &[u8], place: Place) -> Vec<u8> {
    let last_usable = plan.length / SECTOR - 1 - TAIL_SECTORS;
    let with_checksum = |checksum: u32| {
        let mut header = b"EFI PART".to_vec();
        header.extend(0x0001_0000_u32.to_le_bytes()); // revision 1.0
        header.extend(HEADER.to_le_bytes());
        header.extend(checksum.to_le_bytes());
        header.extend([0; 4]);
        header.extend(place.own.to_le_bytes());
        header.extend(place.other.to_le_bytes());
        header.extend(HEAD_SECTORS.to_le_bytes());
        header.extend(last_usable.to_le_bytes());
        header.extend(plan.id.gpt_bytes());
        header.extend(place.entries.to_le_bytes());
        header.extend(ENTRIES.to_le_bytes());
        header.extend(ENTRY.to_le_bytes());
        header.extend(crc32fast::hash(entries).to_le_bytes());
        header
    };
    // The header's checksum is made with zeros in its own place.
    with_checksum(crc32fast::hash(&with_checksum(0)))
}

fn entries(plan: &Plan) -> Vec<u8> {
    let mut entries: Vec<u8> = plan.partitions.iter().flat_map(entry).collect();
    let length = (HEAD_SECTORS - 2) * SECTOR;
    entries.resize(usize::try_from(length).unwrap_or_default(), 0);
    entries
}

fn entry(partition: &Partition) -> Vec<u8> {
    let first = partition.offset / SECTOR;
    let last = (partition.offset + partition.length) / SECTOR - 1;
    let mut entry = partition.kind.gpt_bytes().to_vec();
    entry.extend(partition.id.gpt_bytes());
    entry.extend(first.to_le_bytes());
    entry.extend(last.to_le_bytes());
    entry.extend(partition.attributes.to_le_bytes());
    let label = partition.part.label().encode_utf16();
    let mut name: Vec<u8> = label.flat_map(u16::to_le_bytes).collect();
    name.resize(NAME, 0);
    entry.extend(name);
    entry
}

fn sector(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(usize::try_from(SECTOR).unwrap_or_default(), 0);
    bytes
}
