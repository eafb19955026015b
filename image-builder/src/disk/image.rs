//! Putting a planned disk into a file or onto a card.

use std::io::{self, Seek, SeekFrom, Write};

use super::layout::Part;
use super::plan::Plan;
use super::{SECTOR, gpt};

/// The bytes that a plan's contents stand for.
#[derive(Debug, Default)]
pub struct Bytes {
    pub config: Vec<u8>,
    pub boot_a: Vec<u8>,
    pub boot_b: Vec<u8>,
    pub root: Vec<u8>,
    pub verity: Vec<u8>,
    /// The board's raw areas, in its order.
    pub raw: Vec<Vec<u8>>,
}

impl Bytes {
    fn of(&self, part: Part) -> &[u8] {
        match part {
            Part::Config => &self.config,
            Part::BootA => &self.boot_a,
            Part::BootB => &self.boot_b,
            Part::RootA => &self.root,
            Part::VerityA => &self.verity,
            Part::RootB | Part::VerityB => &[],
        }
    }
}

/// Writes the parts to their places; what lies between them stays as it is, zeros in a new file.
pub fn write(plan: &Plan, bytes: &Bytes, disk: &mut (impl Write + Seek)) -> io::Result<()> {
    let tables = gpt::tables(plan);
    put(disk, 0, &tables.head)?;
    for (area, content) in plan.raw.iter().zip(&bytes.raw) {
        put(disk, area.offset, content)?;
    }
    for partition in &plan.partitions {
        put(disk, partition.offset, bytes.of(partition.part))?;
    }
    put(disk, plan.length - gpt::TAIL_SECTORS * SECTOR, &tables.tail)
}

/// Skips what is zero, so that a file stays sparse.
fn put(disk: &mut (impl Write + Seek), offset: u64, content: &[u8]) -> io::Result<()> {
    const PIECE: usize = 64 << 10;
    let mut at = offset;
    for piece in content.chunks(PIECE) {
        if piece.iter().any(|byte| *byte != 0) {
            disk.seek(SeekFrom::Start(at))?;
            disk.write_all(piece)?;
        }
        at += u64::try_from(piece.len()).map_err(io::Error::other)?;
    }
    Ok(())
}
