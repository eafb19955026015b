//! `tasuki image programs`: a board's programs in a folder, for builds that compile nothing.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::build;
use crate::identity::Hash;
use crate::workplace::Workplace;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A board of the architecture, a file in boards/ without its ending
    #[arg(long, value_name = "NAME")]
    board: String,
    /// The folder to fill
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let programs = build::programs(workplace, &arguments.board, None)?;
    programs.write(&arguments.out)?;
    for (name, _, bytes) in programs.all() {
        writeln!(out, "{}  {name}", Hash::of(bytes))?;
    }
    Ok(())
}
