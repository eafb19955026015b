//! `tasuki image build`: a board's image, and the papers that belong to it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::build;
use crate::release::{self, Papers};
use crate::sys;
use crate::workplace::Workplace;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The board, a file in boards/ without its ending
    #[arg(long, value_name = "NAME")]
    board: String,
    /// The version that the image says it is
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    image_version: semver::Version,
    /// The folder to fill [default: tasuki-BOARD-VERSION]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Take the programs from a folder that `tasuki image programs` filled, and compile nothing
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let Arguments {
        board,
        image_version,
        out: folder,
        programs,
    } = arguments;
    let image_version = image_version.to_string();
    let folder = folder.unwrap_or_else(|| format!("tasuki-{board}-{image_version}").into());
    let programs = build::programs(workplace, &board, programs.as_deref())?;
    let began = sys::cpu_time()?;
    let built = build::build(workplace, &board, &image_version, &programs)?;
    let papers = Papers {
        board: &board,
        version: &image_version,
        inputs: &built.inputs,
        sbom: built.sbom,
        recipe: built.recipe,
    };
    let release = release::write(&built.assembled, &papers, &folder, &workplace.progress)?;
    let taken = (sys::cpu_time()? - began).as_secs_f64();
    writeln!(
        out,
        "Wrote {} ({} bytes).\n\
         Image: sha256 {}\n\
         Root:  {}\n\
         Update: {}\n\
         CPU:   {taken:.1} s beyond compiling\n\
         \n\
         Next: tasuki card flash {} DEVICE --node NODE.node.toml\n      \
         tasuki deployment sign-update {}",
        release.image.display(),
        release.size,
        release.manifest.image,
        release.manifest.root_hash,
        release.update.display(),
        release.image.display(),
        release.update.display(),
    )?;
    Ok(())
}
