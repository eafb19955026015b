//! `tasuki-host reload`: a changed `host.toml` counts from now on.

use std::path::Path;

use clap::Args;

use super::exit::{Exit, UsageError};
use super::say;
use crate::host::control::{Request, ask};
use crate::state::StateDir;

const AFTER: &str = "\
Sessions go on. With a mistake in host.toml the settings from before go on to hold. What cannot \
change while it runs (log, max_sessions) is named and waits for the next start.

Exit codes: 0 taken, 1 tasuki-host does not run, 64 host.toml is wrong.";

/// Let the running tasuki-host take up a changed host.toml
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {}

pub(super) fn run(state: Option<&Path>, Arguments {}: &Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let Some(status) = ask(&dir.host_folder(), Request::Reload)? else {
        say::line(&"tasuki-host is not running; it reads host.toml when it starts.");
        return Ok(Exit::Failed);
    };
    if let Some(mistakes) = status.refused_settings {
        return Err(UsageError(mistakes).into());
    }
    say::answer(&"The settings are taken.");
    if !status.waiting_settings.is_empty() {
        let keys = status.waiting_settings.join(", ");
        say::answer(&format!("These wait for the next start: {keys}"));
    }
    Ok(Exit::Done)
}
