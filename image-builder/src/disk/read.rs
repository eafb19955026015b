//! Reading a partition table back from a disk or an image.

use std::io::{self, Read, Seek, SeekFrom};

use crate::identity::Uuid;

use super::{SECTOR, gpt};

const HEADER_AT: u64 = SECTOR;
const HEADER: usize = 92;
const ENTRY: usize = 128;
/// Longest part that is read at a time; the boards' roots have a tenth of it.
const BYTES_MAX: u64 = 1 << 30;

/// A partition that the table of a disk names. Offset and length are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub number: usize,
    pub label: String,
    pub kind: Uuid,
    pub id: Uuid,
    pub offset: u64,
    pub length: u64,
}

/// Why there is no partition table to read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("holds no partition table of ours")]
    NoTable,
    #[error("has a damaged partition table: its checksum is wrong")]
    Damaged,
}

/// The used entries of the first table.
pub fn partitions(disk: &mut (impl Read + Seek)) -> Result<Vec<Found>, TableError> {
    let length = usize::try_from((gpt::HEAD_SECTORS - 1) * SECTOR).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    disk.seek(SeekFrom::Start(HEADER_AT))?;
    disk.read_exact(&mut bytes)?;
    let sector = usize::try_from(SECTOR).map_err(io::Error::other)?;
    let (header, entries) = bytes.split_at(sector);
    let header = header.get(..HEADER).ok_or(TableError::NoTable)?;
    if !header.starts_with(b"EFI PART") || number(header, 84, 4) != 128 {
        return Err(TableError::NoTable);
    }
    let mut blank = header.to_vec();
    blank.splice(16..20, [0; 4]);
    let checks = [
        (number(header, 16, 4), crc32fast::hash(&blank)),
        (number(header, 88, 4), crc32fast::hash(entries)),
    ];
    if checks.iter().any(|(said, is)| *said != u64::from(*is)) {
        return Err(TableError::Damaged);
    }
    let used = entries.chunks(ENTRY).enumerate();
    Ok(used
        .filter(|(_, entry)| entry.iter().take(16).any(|byte| *byte != 0))
        .map(|(index, entry)| found(index + 1, entry))
        .collect())
}

/// Which file system a partition holds, by the marks of the two that boards have; `empty` is one
/// that begins with zeros, as the boot partition of a slot that is being written does.
pub fn file_system(disk: &mut (impl Read + Seek), partition: &Found) -> io::Result<&'static str> {
    /// As far as the mark that lies furthest in.
    const HEAD: u64 = 4096;
    let head = bytes(disk, partition.offset, partition.length.min(HEAD))?;
    let has = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    // FAT's specification, "Boot Sector and BPB"; ext4's superblock, Documentation/filesystems/ext4.
    Ok(if has(54, b"FAT") || has(82, b"FAT32") {
        "FAT"
    } else if has(1024 + 56, &[0x53, 0xef]) {
        "ext4"
    } else if head.iter().all(|byte| *byte == 0) {
        "empty"
    } else {
        "unknown"
    })
}

/// A part of the disk, whose place a table has told: it is believed only as far as it is likely.
pub fn bytes(disk: &mut (impl Read + Seek), offset: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > BYTES_MAX {
        let what = "the partition table names a part that is far too large";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut bytes = Vec::new();
    disk.seek(SeekFrom::Start(offset))?;
    disk.take(length).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read == length) {
        Ok(bytes)
    } else {
        let what = "it ends before the parts that its partition table names";
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
    }
}

/// Where a byte lies, in words.
pub fn place(disk: &mut (impl Read + Seek), byte: u64) -> String {
    let partitions = partitions(disk).unwrap_or_default();
    let inside = |found: &&Found| {
        byte.checked_sub(found.offset)
            .is_some_and(|at| at < found.length)
    };
    match partitions.iter().find(inside) {
        Some(Found { offset, label, .. }) => {
            let at = byte - offset;
            format!("byte {byte} of the disk, byte {at} of {label}")
        }
        None => format!("byte {byte} of the disk, outside of all partitions"),
    }
}

fn found(number_of: usize, entry: &[u8]) -> Found {
    let first = number(entry, 32, 8);
    let end = number(entry, 40, 8).saturating_add(1);
    let units = entry.get(56..).unwrap_or_default().chunks(2);
    let name: Vec<u16> = units
        .filter_map(|unit| Some(u16::from_le_bytes(unit.try_into().ok()?)))
        .take_while(|unit| *unit != 0)
        .collect();
    Found {
        number: number_of,
        label: String::from_utf16_lossy(&name),
        kind: uuid(entry, 0),
        id: uuid(entry, 16),
        offset: first.saturating_mul(SECTOR),
        length: end.saturating_sub(first).saturating_mul(SECTOR),
    }
}

fn uuid(bytes: &[u8], at: usize) -> Uuid {
    let field = bytes
        .get(at..at + 16)
        .and_then(|field| field.try_into().ok());
    Uuid::from_gpt(field.unwrap_or_default())
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let field = bytes.get(at..at + length).unwrap_or_default();
    field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
