//! `tasuki image`: what its commands share.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::workplace::Workplace;

use super::{image_contents, image_lock};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The checkout of tasuki to build from [default: the one around the working directory]
    #[arg(long, global = true, value_name = "FOLDER")]
    source: Option<PathBuf>,
    /// A folder of packages kept beside a release; looked into before the network
    #[arg(long, global = true, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Show the arguments of every program that is started
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Which packages images are made of
    #[command(subcommand)]
    Lock(image_lock::Command),
    /// List every file of a board's root, with mode, owner and hash
    Contents(image_contents::Arguments),
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Result<()> {
    let Arguments {
        source,
        archive,
        verbose,
        command,
    } = arguments;
    let workplace = Workplace::new(source, archive, verbose)?;
    match command {
        Command::Lock(command) => image_lock::run(command, &workplace, out),
        Command::Contents(contents) => image_contents::run(&contents, &workplace, out),
    }
}
