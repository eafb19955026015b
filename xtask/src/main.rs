//! `cargo xtask`: the project's own commands.
//!
//! It runs the product's programs and uses none of its crates, so that it sees what a person sees.
//! It must never be needed by the product.
//! Read next: `demo` for what a newcomer runs, `ci` for what every commit passes, `exec` for how
//! programs are started and ended.

mod cache;
mod ci;
mod debian;
mod demo;
mod dist;
mod exec;
mod image;
mod nightly;
mod pins;
mod report;
mod sys;
mod tidy;
mod wine;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::exec::Shell;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Show every program that is started, with its exact arguments.
    #[arg(long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a real desktop through a real relay, all on this machine.
    Demo(demo::Options),
    /// Run every check that a commit has to pass.
    Ci(ci::Options),
    /// Run what takes too long for every commit.
    Nightly(nightly::Options),
    /// Build the stock agents for Windows and Linux, as they are released.
    Dist(dist::Options),
    /// Take pictures of the client's window and of the host's settings, in every state and both
    /// languages.
    Shots(demo::shots::Options),
    /// Check the rules about the tree that the compiler does not know.
    Tidy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let root = repository()?;
    let shell = Shell::new(arguments.verbose)?;
    match &arguments.command {
        Command::Demo(options) => demo::run(&shell, &root, options),
        Command::Ci(options) => ci::run(&shell, &root, options),
        Command::Nightly(options) => nightly::run(&shell, &root, options),
        Command::Dist(options) => dist::run(&shell, &root, options),
        Command::Shots(options) => demo::shots::run(&shell, &root, options),
        Command::Tidy => tidy::run(&shell, &root),
    }
}

/// The folder that holds the workspace.
fn repository() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("start this program as `cargo xtask`, so that it knows where the repository is")?;
    let root = PathBuf::from(manifest).join("..");
    root.canonicalize()
        .with_context(|| format!("no repository at {}", root.display()))
}
