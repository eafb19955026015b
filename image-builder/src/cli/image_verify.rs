//! `tasuki image verify`: proves that an image is what its manifest says, and that the inputs give it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::file::update::{Head, MANIFEST_MAX, Manifest};

use crate::build;
use crate::bundle::Bundle;
use crate::deployment::Deployment;
use crate::deployment::record::Time;
use crate::identity::Hash;
use crate::release::{self, Papers};
use crate::workplace::Workplace;

use super::Context;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An image with its manifest beside it, a release's folder, or an update bundle
    image: PathBuf,
    /// Only compare the image with its manifest; do not build it again
    #[arg(long)]
    no_build: bool,
}

impl Arguments {
    /// The bundle, if that is what is to be verified.
    pub(super) fn bundle(&self) -> Result<Option<Bundle>> {
        let path = &self.image;
        if path.is_dir() {
            return Ok(None);
        }
        let place = || path.display().to_string();
        let mut begin = Vec::new();
        let most = u64::try_from(MANIFEST_MAX)?;
        let file = File::open(path).with_context(place)?;
        file.take(most)
            .read_to_end(&mut begin)
            .with_context(place)?;
        if begin.is_empty() || Head::find(&begin).is_err() {
            return Ok(None);
        }
        Bundle::read(path).with_context(place).map(Some)
    }
}

/// Says what a bundle holds and whom it is for; fails if another deployment signed it.
pub(super) fn bundle(bundle: &Bundle, context: &mut Context<'_>) -> Result<()> {
    let Manifest {
        board,
        version,
        root_hash,
        order,
        ..
    } = &bundle.manifest;
    writeln!(
        context.out,
        "An update of {board} to version {version}, root {root_hash}.\n\
         Every byte is the one of its manifest, and the hash tree that of its root."
    )?;
    if bundle.head()?.signature.is_none() {
        writeln!(context.out, "Nobody has signed it: no board takes it.")?;
        return Ok(());
    }
    let until = Time(jiff::Timestamp::from_second(order.expires.try_into()?)?);
    let back = if order.downgrade {
        ", also in place of a newer version"
    } else {
        ""
    };
    writeln!(
        context.out,
        "Order {}, to be begun until {until}{back}.",
        order.generation
    )?;
    match Deployment::open(&context.folder) {
        Ok(deployment) => {
            bundle.head()?.open(&deployment.record().deployment_key)?;
            writeln!(context.out, "This deployment signed it.")?;
        }
        Err(_) => writeln!(
            context.out,
            "Who signed it was not checked: there is no deployment here (--deployment)."
        )?,
    }
    Ok(())
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
