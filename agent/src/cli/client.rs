//! What can be typed after `tasuki-client`; each command has a file of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::exit::{self, Exit};
#[cfg(windows)]
use super::window;
use super::{check, connect, forget_host, history, update};
use crate::config::ClientConfig;
use crate::state::StateDir;

const ABOUT: &str = "Shows the desktop of an office PC at home, through a relay that cannot see \
    what passes.";

const AFTER: &str = "\
The computer ID is what `tasuki-host status` shows at the office:

  tasuki-client connect quiet-maple-4071

Settings (a proxy, the viewer and its arguments) are in client.toml in the \
state directory; without that file the defaults hold.

Exit codes: `tasuki-client connect --help` lists them.";

/// The command line of `tasuki-client`.
#[derive(Debug, Parser)]
#[command(name = "tasuki-client", version, about = ABOUT, after_help = AFTER)]
pub struct Arguments {
    #[arg(long, global = true, value_name = "DIR", help = super::state_help("what this program remembers"))]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Connect(connect::Arguments),
    Check(check::Arguments),
    History(history::Arguments),
    ForgetHost(forget_host::Arguments),
    Update(update::Arguments),
    #[cfg(windows)]
    Window(window::Arguments),
}

/// Runs what was typed.
pub fn main() -> ExitCode {
    #[cfg(windows)]
    if std::env::args_os().len() == 1 {
        return exit::of(window::open());
    }
    let arguments = match exit::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let state = arguments.state.as_deref();
    exit::of(match arguments.command {
        Command::Connect(arguments) => connect::run(state, arguments),
        Command::Check(arguments) => run_check(state, &arguments),
        Command::History(arguments) => history::run(state, &arguments),
        Command::ForgetHost(arguments) => forget_host::run(state, &arguments),
        Command::Update(arguments) => run_update(state, &arguments),
        #[cfg(windows)]
        Command::Window(arguments) => window::run(state, &arguments),
    })
}

fn run_check(state: Option<&Path>, arguments: &check::Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let config = ClientConfig::load(&dir.path().join("client.toml"))?;
    let way = check::Way {
        proxy: config.proxy,
        user_agent: config.user_agent,
    };
    check::run(arguments, &way, || dir.client()?.entry())
}

fn run_update(state: Option<&Path>, arguments: &update::Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let config = ClientConfig::load(&dir.path().join("client.toml"))?;
    let client = dir.client()?;
    let entry = client.newest_entry()?;
    let lookout = entry.map(|entry| client.lookout(&entry, &config.proxy, &config.user_agent));
    update::run(arguments, lookout)
}

/// What `tasuki-client-window` does.
#[cfg(windows)]
pub fn open_window() -> ExitCode {
    window::open_beside()
}
