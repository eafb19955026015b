//! `tasuki image verify`: proves that an image is what its manifest says, and that the inputs give it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::file::update::{Head, MANIFEST_MAX, Manifest};

use crate::build;
use crate::bundle::Bundle;
use crate::deployment::Deployment;
use crate::deployment::record::Time;
use crate::identity::Hash;
use crate::manifest::Manifest as ImageManifest;
use crate::progress::Progress;
use crate::proof;
use crate::release::{self, Papers};
use crate::workplace::Workplace;

use super::Context;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An image with its manifest beside it, a release's folder, or an update bundle
    image: PathBuf,
    /// Build it again from a checkout as well, and compare; tells which input differs
    #[arg(long)]
    rebuild: bool,
    /// Take the programs from a folder that `tasuki image programs` filled, and compile nothing
    #[arg(long, value_name = "FOLDER", requires = "rebuild")]
    programs: Option<PathBuf>,
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

pub(super) fn run(
    arguments: &Arguments,
    progress: &Progress,
    workplace: impl FnOnce() -> Result<Workplace>,
    out: &mut dyn Write,
) -> Result<()> {
    // What is missing for the second half is said before the first.
    let workplace = arguments.rebuild.then(workplace).transpose()?;
    let path = release::image_of(&arguments.image)?;
    let manifest = release::manifest(&arguments.image)?;
    let (mut disk, length) = release::open(&path, progress)?;
    let step = progress.step("comparing with the manifest", 0);
    let shown = || path.display().to_string();
    let mut differences = proof::differences(&mut disk, length, &manifest).with_context(shown)?;
    differences.extend(in_sbom(&path, &manifest)?);
    let update = release::update_of(&path, &manifest);
    let has_update = update.exists();
    if has_update {
        differences.extend(in_update(&update, &manifest));
    }
    drop(step);
    if !differences.is_empty() {
        bail!(
            "{} is not what its manifest speaks of; fetch it anew:\n  {}",
            arguments.image.display(),
            differences.join("\n  ")
        );
    }
    writeln!(
        out,
        "The image is the one of its manifest: tasuki {} for {}, root hash {}.",
        manifest.version, manifest.board, manifest.root_hash
    )?;
    if has_update {
        writeln!(out, "The update beside it brings the same root.")?;
    }
    match workplace {
        Some(workplace) => rebuild(arguments, &manifest, &workplace, out),
        None => Ok(()),
    }
}

/// The list of contents may be left behind; if it is there, it has to be the right one.
fn in_sbom(image: &Path, manifest: &ImageManifest) -> Result<Option<String>> {
    let path = image.with_file_name(release::SBOM);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let right = Hash::of(&text).to_string() == manifest.sbom;
    Ok((!right).then(|| format!("{} is another image's", path.display())))
}

/// It may be left behind, too.
fn in_update(path: &Path, manifest: &ImageManifest) -> Option<String> {
    let shown = path.display();
    let bundle = match Bundle::read(path) {
        Ok(bundle) => bundle.manifest,
        Err(error) => return Some(format!("{shown}: {error}")),
    };
    let same = bundle.board == manifest.board
        && bundle.version.to_string() == manifest.version
        && bundle.root_hash.to_string() == manifest.root_hash;
    (!same).then(|| format!("{shown} is another image's"))
}

fn rebuild(
    arguments: &Arguments,
    manifest: &ImageManifest,
    workplace: &Workplace,
    out: &mut dyn Write,
) -> Result<()> {
    let (board, version) = (manifest.board.as_str(), manifest.version.as_str());
    let programs = build::programs(workplace, board, arguments.programs.as_deref())?;
    let built = build::build(workplace, board, version, &programs)?;
    let papers = Papers {
        board,
        version,
        inputs: &built.inputs,
        sbom: built.sbom,
        recipe: built.recipe,
    };
    let folder = tempfile::tempdir()?;
    let progress = &workplace.progress;
    let again = release::write(&built.assembled, &papers, folder.path(), progress)?;
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
