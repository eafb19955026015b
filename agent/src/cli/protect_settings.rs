//! `tasuki-host protect-settings`: what the settings tool asks for before it opens. Windows only.

use std::path::Path;

use clap::Args;

use super::exit::Exit;
use super::{say, set_password};
use crate::settings::SettingsPassword;
use crate::state::StateDir;

const AFTER: &str = "\
It keeps those out who sit down at a PC that somebody has left. Whoever can type commands as you \
needs no window.

Examples:
  tasuki-host protect-settings
  tasuki-host protect-settings --off";

/// Let tasuki-host-settings ask for a password before it opens
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Read the password from the first line of this descriptor instead of asking
    #[arg(long, value_name = "N", conflicts_with = "off")]
    password_fd: Option<u32>,
    /// Let it open for everybody again
    #[arg(long)]
    off: bool,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let host = StateDir::open(state)?.host()?;
    if arguments.off {
        host.set_settings_password(None)?;
        say::answer(&"The settings open without a password.");
        return Ok(Exit::Done);
    }
    let password = set_password::new_password(arguments.password_fd, false)?;
    let kept = SettingsPassword::new(&password)?;
    host.set_settings_password(Some(kept.as_bytes()))?;
    say::answer(&"The settings ask for this password from now on.");
    Ok(Exit::Done)
}
