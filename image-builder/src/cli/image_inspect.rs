//! `tasuki image inspect`: what lies where on an image or a card.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::disk::read::{self, Found};
use crate::release;
use crate::verity::{self, BLOCK};
use crate::workplace::Workplace;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An image, a release's folder, or a card
    image: PathBuf,
}

pub(super) fn run(arguments: &Arguments, workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let path = release::image_of(&arguments.image)?;
    let (mut disk, _) = release::open(&path, &workplace.progress)?;
    let partitions = read::partitions(&mut disk).with_context(|| path.display().to_string())?;
    writeln!(out, "NO  LABEL     BEGINS AT    LENGTH       CONTENT")?;
    for partition in &partitions {
        let Found {
            number,
            label,
            offset,
            length,
            ..
        } = partition;
        let content = match label.as_str() {
            "root-a" | "root-b" => root(&mut disk, partition, &partitions)?,
            "CONFIG" | "BOOT-A" | "BOOT-B" => "FAT".to_owned(),
            _ => String::new(),
        };
        let line = format!("{number:<3} {label:<9} {offset:<12} {length:<12} {content}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The root's state by its hash tree.
fn root(disk: &mut File, root: &Found, all: &[Found]) -> Result<String> {
    let label = root.label.replace("root", "verity");
    let Some(tree) = all.iter().find(|partition| partition.label == label) else {
        return Ok("no hash tree".to_owned());
    };
    let tree_bytes = bytes(disk, tree.offset, tree.length)?;
    let Some(superblock) = verity::Superblock::parse(&tree_bytes) else {
        return Ok("empty".to_owned());
    };
    let length = superblock.data_blocks.saturating_mul(u64::try_from(BLOCK)?);
    if length > root.length {
        return Ok("damaged: its hash tree is that of a larger one".to_owned());
    }
    let data = bytes(disk, root.offset, length)?;
    let again = verity::hash_tree(&data, &superblock.salt, superblock.id)?;
    let same = tree_bytes.starts_with(&again.bytes);
    Ok(if same {
        format!("root hash {}", again.root)
    } else {
        "damaged: it does not fit its hash tree".to_owned()
    })
}

fn bytes(disk: &mut File, offset: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length)?];
    disk.seek(SeekFrom::Start(offset))?;
    disk.read_exact(&mut bytes).context("the disk is cut off")?;
    Ok(bytes)
}
