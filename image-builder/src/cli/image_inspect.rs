//! `tasuki image inspect`: what lies where on an image or a card.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::disk::read::{self, Found};
use crate::disk::root;
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
            "root-a" | "root-b" => root::look(&mut disk, label, &partitions)
                .with_context(shown)?
                .to_string(),
            "CONFIG" | "BOOT-A" | "BOOT-B" => "FAT".to_owned(),
            _ => String::new(),
        };
        let line = format!("{number:<3} {label:<9} {offset:<12} {length:<12} {content}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
