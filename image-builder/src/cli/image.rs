//! `tasuki image`: what its commands share.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::progress::Progress;
use crate::workplace::Workplace;

use super::{
    Context, image_build, image_contents, image_diff, image_inspect, image_lock, image_programs,
    image_verify,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The checkout of tasuki to build from [default: the one around the working directory]; only
    /// build, verify --rebuild, lock and contents need one
    #[arg(long, global = true, value_name = "FOLDER")]
    source: Option<PathBuf>,
    /// A folder of packages kept beside a release; looked into before the network
    #[arg(long, global = true, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Lock files that `tasuki image lock update --to` made elsewhere
    #[arg(long, global = true, value_name = "FOLDER")]
    locks: Option<PathBuf>,
    /// Ask no mirror: packages come from the cache and the archive alone
    #[arg(long, global = true)]
    offline: bool,
    /// Show the arguments of every program that is started
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a board's image
    Build(image_build::Arguments),
    /// Compile a board's programs and keep them in a folder, for builds that compile nothing
    Programs(image_programs::Arguments),
    /// Prove that an image is what its manifest says
    Verify(image_verify::Arguments),
    /// Tell where two images differ, and which input is why
    Diff(image_diff::Arguments),
    /// Show what lies where on an image or a card
    Inspect(image_inspect::Arguments),
    /// Which packages images are made of
    #[command(subcommand)]
    Lock(image_lock::Command),
    /// List every file of a board's root, with mode, owner and hash
    Contents(image_contents::Arguments),
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let Arguments {
        source,
        archive,
        locks,
        offline,
        verbose,
        command,
    } = arguments;
    // A bundle speaks for itself: no checkout is needed.
    if let Command::Verify(verify) = &command
        && let Some(bundle) = verify.bundle()?
    {
        return image_verify::bundle(&bundle, context);
    }
    let progress = Progress::new(verbose);
    let workplace = || {
        let workplace = Workplace::new(source, archive, verbose)?.with_locks(locks);
        anyhow::Ok(if offline {
            workplace.offline()
        } else {
            workplace
        })
    };
    let out = &mut *context.out;
    match command {
        Command::Build(build) => image_build::run(build, &workplace()?, out),
        Command::Programs(programs) => image_programs::run(&programs, &workplace()?, out),
        Command::Verify(verify) => image_verify::run(&verify, &progress, workplace, out),
        Command::Diff(diff) => image_diff::run(&diff, &progress, out),
        Command::Inspect(inspect) => image_inspect::run(&inspect, &progress, out),
        Command::Lock(command) => image_lock::run(command, &workplace()?, out),
        Command::Contents(contents) => image_contents::run(&contents, &workplace()?, out),
    }
}
