//! `tasuki image inspect`: what lies where on an image or a card.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::disk::read::{self, Found};
use crate::disk::root;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::release;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An image, a release's folder, or a card
    image: PathBuf,
}

pub(super) fn run(arguments: &Arguments, progress: &Progress, out: &mut dyn Write) -> Result<()> {
    let path = release::image_of(&arguments.image)?;
    let (mut disk, _) = release::open(&path, progress)?;
    let shown = || path.display().to_string();
    let partitions = read::partitions(&mut disk).with_context(shown)?;
    // A card has none, and an image may have lost it.
    if let Ok(manifest) = release::manifest(&arguments.image) {
        let Manifest { board, version, .. } = manifest;
        writeln!(out, "By its manifest: tasuki {version} for {board}.")?;
    }
    writeln!(out, "NO  LABEL     BEGINS AT    LENGTH       CONTENT")?;
    for partition in &partitions {
        let content = content(&mut disk, partition, &partitions).with_context(shown)?;
        let Found {
            number,
            label,
            offset,
            length,
            ..
        } = partition;
        let (offset, length) = (size(*offset), size(*length));
        let line = format!("{number:<3} {label:<9} {offset:<12} {length:<12} {content}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn content(disk: &mut File, partition: &Found, all: &[Found]) -> io::Result<String> {
    let label = partition.label.as_str();
    Ok(match label {
        "root-a" | "root-b" => root::look(disk, label, all)?.to_string(),
        "verity-a" | "verity-b" => String::new(),
        _ => read::file_system(disk, partition)?.to_owned(),
    })
}

/// As people say it; our partitions begin and end at whole MiB, other people's may not.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} B")
    }
}
