//! What can be typed after `tasuki-host`; each command has a file of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{init, rename, reset_identity, run, set_password, status};
use crate::cli::exit;

const ABOUT: &str = "Makes this office PC reachable from home, through a relay that cannot see \
    what passes.";

const AFTER: &str = "\
The first time, three commands are enough:

  tasuki-host init --entry tasuki-entry.toml
  tasuki-host set-password
  tasuki-host run

Then read the computer ID off `tasuki-host status` and type it at home:

  tasuki-client connect ID

Settings (the desktop's address, who may connect, a proxy, logs) are in host.toml in the \
state directory; without that file the defaults hold.

Exit codes: 0 done, 1 failed, 64 the command line or host.toml is wrong.";

/// The command line of `tasuki-host`.
#[derive(Debug, Parser)]
#[command(name = "tasuki-host", version, about = ABOUT, after_help = AFTER)]
pub struct Arguments {
    /// Folder that holds identity, password and logs [default: /var/lib/tasuki for root,
    /// otherwise ~/.local/state/tasuki]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    SetPassword(set_password::Arguments),
    Run(run::Arguments),
    Status(status::Arguments),
    Rename(rename::Arguments),
    ResetIdentity(reset_identity::Arguments),
}

/// Runs what was typed.
pub fn main() -> ExitCode {
    let arguments = match exit::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let state = arguments.state.as_deref();
    exit::of(match arguments.command {
        Command::Init(arguments) => init::run(state, &arguments),
        Command::SetPassword(arguments) => set_password::run(state, &arguments),
        Command::Run(arguments) => run::run(state, &arguments),
        Command::Status(arguments) => status::run(state, &arguments),
        Command::Rename(arguments) => rename::run(state, &arguments),
        Command::ResetIdentity(arguments) => reset_identity::run(state, &arguments),
    })
}
