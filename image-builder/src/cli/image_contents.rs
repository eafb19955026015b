//! `tasuki image contents`: every file of a board's root. Empty files stand for the programs of
//! this workspace, which take longer to build than everything else.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::identity::{Hash, Seed};
use crate::root::{self, listing};
use crate::workplace::Workplace;

const PROGRAMS: [root::Program<'_>; 2] =
    [("usr/bin/tasuki-relay", b""), ("usr/bin/tasuki-board", b"")];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The board, a file in boards/
    #[arg(long)]
    board: String,
    /// Write the root file system (EROFS) here as well
    #[arg(long, value_name = "FILE")]
    erofs: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let board = workplace.board(&arguments.board)?;
    let lock = workplace.lock(board.architecture)?;
    let tools = workplace.tools()?;
    let folder = tempfile::tempdir().context("no room for temporary files")?;
    let version = env!("CARGO_PKG_VERSION");
    let built = root::build(
        workplace,
        |name| tools.call(name),
        &board,
        &lock,
        version,
        &PROGRAMS,
        folder.path(),
    )?;
    out.write_all(listing::of(&built.root).as_bytes())?;
    if let Some(path) = &arguments.erofs {
        let uuid = Seed::new(Hash::of(b"contents")).uuid("root");
        let bytes = root::erofs(&built.root, uuid, tools.call("mkfs.erofs"), folder.path())?;
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
