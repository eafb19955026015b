//! What can be typed after `tasuki-host`; each command has a file of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Parser, Subcommand};

#[cfg(not(windows))]
use super::update;
#[cfg(windows)]
use super::{autostart, protect_settings, service};
use super::{check, init, reload, rename, reset_identity, run, set_password, status, stop};
use crate::cli::exit::{self, Exit};
use crate::config::HostConfig;
use crate::platform::{self, RUN_HELP};
use crate::state::StateDir;

const ABOUT: &str = "Makes this office PC reachable from home, through a relay that cannot see \
    what passes.";

const GUARDED: &str = "on this PC tasuki-host runs as a service, and only an administrator may look \
    at it, change it or run another one; open a terminal as administrator, or ask whoever looks \
    after this PC";

fn after() -> String {
    format!(
        "The first time, three commands are enough:

  tasuki-host init --entry tasuki-entry.toml
  tasuki-host set-password
  {RUN_HELP}

Then read the computer ID off `tasuki-host status` and type it at home:

  tasuki-client connect ID

Settings (the desktop's address, who may connect, a proxy, logs) are in host.toml in the \
state directory; without that file the defaults hold.

Exit codes: 0 done, 1 failed, 64 the command line or host.toml is wrong."
    )
}

/// The command line of `tasuki-host`.
#[derive(Debug, Parser)]
#[command(name = "tasuki-host", version, about = ABOUT, after_help = after())]
pub struct Arguments {
    #[arg(long, global = true, value_name = "DIR", help = super::state_help("identity, password and logs"))]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    SetPassword(set_password::Arguments),
    Run(run::Arguments),
    Stop(stop::Arguments),
    Status(status::Arguments),
    Check(check::Arguments),
    Reload(reload::Arguments),
    Rename(rename::Arguments),
    ResetIdentity(reset_identity::Arguments),
    #[cfg(not(windows))]
    Update(update::Arguments),
    #[cfg(windows)]
    ProtectSettings(protect_settings::Arguments),
    #[cfg(windows)]
    Autostart(autostart::Arguments),
    #[cfg(windows)]
    Service(service::Arguments),
}

impl Command {
    /// Where the host runs as a service (A19); `service` has its own rules.
    fn is_for_administrators(&self) -> bool {
        #[cfg(windows)]
        if matches!(self, Self::Service(_)) {
            return false;
        }
        true
    }
}

/// Runs what was typed.
pub fn main() -> ExitCode {
    let arguments = match exit::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let state = arguments.state.as_deref();
    if arguments.command.is_for_administrators() && platform::is_guarded() {
        return exit::of(Err(anyhow!(GUARDED)));
    }
    exit::of(match arguments.command {
        Command::Init(arguments) => init::run(state, &arguments),
        Command::SetPassword(arguments) => set_password::run(state, &arguments),
        Command::Run(arguments) => run::run(state, &arguments),
        Command::Stop(arguments) => stop::run(state, &arguments),
        Command::Status(arguments) => status::run(state, &arguments),
        Command::Check(arguments) => run_check(state, &arguments),
        Command::Reload(arguments) => reload::run(state, &arguments),
        Command::Rename(arguments) => rename::run(state, &arguments),
        Command::ResetIdentity(arguments) => reset_identity::run(state, &arguments),
        #[cfg(not(windows))]
        Command::Update(arguments) => run_update(state, &arguments),
        #[cfg(windows)]
        Command::ProtectSettings(arguments) => protect_settings::run(state, &arguments),
        #[cfg(windows)]
        Command::Autostart(arguments) => autostart::run(state, &arguments),
        #[cfg(windows)]
        Command::Service(arguments) => service::run(state, &arguments),
    })
}

fn run_check(state: Option<&Path>, arguments: &check::Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let config = HostConfig::load(&dir.path().join("host.toml"))?;
    let way = check::Way {
        proxy: config.proxy,
        user_agent: config.user_agent,
    };
    check::run(arguments, &way, || dir.host()?.entry())
}

/// On Windows the settings tool tells.
#[cfg(not(windows))]
fn run_update(state: Option<&Path>, arguments: &update::Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let config = HostConfig::load(&dir.path().join("host.toml"))?;
    let host = dir.host()?;
    let lookout = host
        .entry()?
        .map(|entry| host.lookout(&entry, &config.proxy, &config.user_agent));
    update::run(arguments, lookout)
}

/// What `tasuki-host-background` does.
#[cfg(windows)]
pub fn start_in_background() -> ExitCode {
    autostart::start_beside()
}

/// What `tasuki-host-settings` does.
#[cfg(windows)]
pub fn open_settings() -> ExitCode {
    super::settings::open()
}
