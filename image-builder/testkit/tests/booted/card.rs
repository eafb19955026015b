//! A card as firmware and Linux read it, without booting it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use image_builder::disk::read::{self, Found, TableError};
use image_builder::exec::Call;
use image_builder::tools::Tools;

const SECTOR: u64 = 512;
/// Sectors of a partition table with its header, but for the protective MBR.
const TABLE_SECTORS: u64 = 33;

/// A card, or a copy of one.
pub(crate) struct Card<'a> {
    path: &'a Path,
    tools: &'a Tools,
    parts: BTreeMap<String, Found>,
    /// Only the second partition table counts.
    pub(crate) first_table_is_damaged: bool,
}

impl<'a> Card<'a> {
    /// Reads the partition table as firmware and Linux do: the second one if the first is damaged.
    pub(crate) fn open(path: &'a Path, tools: &'a Tools) -> Result<Self> {
        let mut file = File::open(path)?;
        let first = read::partitions(&mut file);
        let first_table_is_damaged =
            matches!(first, Err(TableError::Damaged | TableError::NoTable));
        let parts = if first_table_is_damaged {
            second_table(&mut file)?
        } else {
            first?
        };
        Ok(Self {
            path,
            tools,
            first_table_is_damaged,
            parts: parts
                .into_iter()
                .map(|part| (part.label.clone(), part))
                .collect(),
        })
    }

    pub(crate) fn has(&self, label: &str) -> bool {
        self.parts.contains_key(label)
    }

    /// Where a partition lies; bytes.
    pub(crate) fn place(&self, label: &str) -> Result<std::ops::Range<u64>> {
        let part = self.part(label)?;
        Ok(part.offset..part.offset + part.length)
    }

    /// A program of mtools on one of the FAT partitions.
    pub(crate) fn fat(&self, label: &str, program: &str) -> Result<Call> {
        let offset = self.part(label)?.offset;
        Ok(fat(self.tools, self.path, offset, program))
    }

    /// Whether a partition begins with these bytes.
    pub(crate) fn starts_with(&self, label: &str, bytes: &[u8]) -> Result<bool> {
        let mut found = vec![0; bytes.len()];
        let file = File::open(self.path)?;
        file.read_exact_at(&mut found, self.part(label)?.offset)?;
        Ok(found == bytes)
    }

    /// A file of a FAT partition.
    pub(crate) fn file(&self, label: &str, path: &str) -> Result<Vec<u8>> {
        let call = self.fat(label, "mcopy")?;
        Ok(call.args([&format!("::/{path}"), "-"]).output()?)
    }

    /// Names of the kernels in a boot partition.
    pub(crate) fn kernels(&self, label: &str) -> Result<Vec<String>> {
        let list = self
            .fat(label, "mdir")?
            .args(["-b", "::/EFI/Linux"])
            .text()?;
        let names = list.lines().filter_map(|line| line.rsplit('/').next());
        Ok(names.map(str::to_owned).collect())
    }

    fn part(&self, label: &str) -> Result<&Found> {
        let part = self.parts.get(label);
        part.with_context(|| format!("the card has no partition {label}"))
    }
}

/// A program of mtools on the file system that begins at this byte of a file.
pub(crate) fn fat(tools: &Tools, path: &Path, offset: u64, program: &str) -> Call {
    let place = format!("{}@@{offset}", path.display());
    let call = tools.call(program).env("MTOOLS_SKIP_CHECK", "1");
    call.args(["-i", &place])
}

/// The partitions by the copy of the table in the card's last sectors.
fn second_table(file: &mut File) -> Result<Vec<Found>> {
    let mut tail = Vec::new();
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(end - TABLE_SECTORS * SECTOR))?;
    file.read_to_end(&mut tail)?;
    let header = tail.split_off(tail.len() - usize::try_from(SECTOR)?);
    let mbr = vec![0; usize::try_from(SECTOR)?];
    let table = [mbr, header, tail].concat();
    read::partitions(&mut Cursor::new(table)).context("the second partition table")
}
