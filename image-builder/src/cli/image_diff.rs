//! `tasuki image diff`: where two images differ, and which input is why.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::disk::read;
use crate::progress::Progress;
use crate::release;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An image or a release's folder
    here: PathBuf,
    /// Another one
    there: PathBuf,
}

pub(super) fn run(arguments: &Arguments, progress: &Progress, out: &mut dyn Write) -> Result<()> {
    let Arguments { here, there } = arguments;
    let mut count = 0;
    // Images without their papers can still be compared byte by byte.
    if let (Ok(here), Ok(there)) = (release::manifest(here), release::manifest(there)) {
        for difference in here.differences(&there) {
            writeln!(out, "{difference}")?;
            count += 1;
        }
    }
    if let Some(place) = first_difference(here, there, progress)? {
        writeln!(out, "the images differ first at {place}")?;
        count += 1;
    }
    if count > 0 {
        bail!("they differ");
    }
    writeln!(out, "the same")?;
    Ok(())
}

fn first_difference(here: &Path, there: &Path, progress: &Progress) -> Result<Option<String>> {
    const PIECE: usize = 1 << 20;
    let open = |path: &Path| release::open(&release::image_of(path)?, progress);
    let ((mut one, length), (mut other, other_length)) = (open(here)?, open(there)?);
    for disk in [&mut one, &mut other] {
        disk.seek(SeekFrom::Start(0))?;
    }
    let common = length.min(other_length);
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    while offset < common {
        let count = usize::try_from(common - offset)?.min(PIECE);
        let (a, b) = (a.split_at_mut(count).0, b.split_at_mut(count).0);
        one.read_exact(a)?;
        other.read_exact(b)?;
        if let Some(at) = a.iter().zip(b.iter()).position(|(a, b)| a != b) {
            return Ok(Some(read::place(&mut one, offset + u64::try_from(at)?)));
        }
        offset += u64::try_from(count)?;
    }
    let cut = length != other_length;
    Ok(cut.then(|| format!("byte {common}: one of them ends there")))
}
