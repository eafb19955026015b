//! `tasuki image verify`: proves that an image is what its manifest says, and that the inputs give it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::build;
use crate::identity::Hash;
use crate::release::{self, Papers};
use crate::workplace::Workplace;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An image with its manifest beside it, or a release's folder
    image: PathBuf,
    /// Only compare the image with its manifest; do not build it again
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(arguments: &Arguments, workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let path = release::image_of(&arguments.image)?;
    let manifest = release::manifest(&arguments.image)?;
    let (mut disk, length) = release::open(&path, &workplace.progress)?;
    let hash: Hash = release::hash(&mut disk, 0, length)?;
    if hash.to_string() != manifest.image {
        bail!(
            "{} is not the image that its manifest speaks of: it has the hash {hash}, and should \
             have {}; fetch it anew",
            path.display(),
            manifest.image
        );
    }
    writeln!(out, "The image is the one of its manifest.")?;
    if arguments.no_build {
        return Ok(());
    }
    let (board, version) = (manifest.board.as_str(), manifest.version.as_str());
    let built = build::build(workplace, board, version)?;
    let papers = Papers {
        board,
        version,
        inputs: &built.inputs,
        sbom: built.sbom,
        recipe: built.recipe,
    };
    let folder = tempfile::tempdir()?;
    let again = release::write(
        &built.assembled,
        &papers,
        folder.path(),
        &workplace.progress,
    )?;
    let differences = manifest.differences(&again.manifest);
    for difference in &differences {
        writeln!(out, "{difference}")?;
    }
    if !differences.is_empty() {
        bail!("this checkout does not give that image");
    }
    writeln!(
        out,
        "Built again from this checkout, it comes out the same."
    )?;
    Ok(())
}
