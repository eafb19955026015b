//! `tasuki-host stop`: the running host ends in order.

use std::path::Path;

use anyhow::bail;
use clap::Args;

use super::exit::Exit;
use super::say;
use crate::host::stop::{Stopped, stop};
use crate::state::StateDir;

const AFTER: &str = "\
Connected clients are told, as with Ctrl-C. A host that runs as a service is stopped by the command \
that this one names.

Exit codes: 0 it has stopped, 1 it did not run, or runs on.";

/// Stop the running tasuki-host
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {}

pub(super) fn run(state: Option<&Path>, Arguments {}: &Arguments) -> anyhow::Result<Exit> {
    match stop(&StateDir::open(state)?)? {
        Stopped::Done => {
            say::answer(&"tasuki-host has stopped.");
            Ok(Exit::Done)
        }
        Stopped::Already => {
            say::line(&"tasuki-host is not running.");
            Ok(Exit::Failed)
        }
        Stopped::Refused(command) => {
            bail!("tasuki-host runs as a service, which would start again; stop it with: {command}")
        }
        Stopped::Slow => {
            bail!("tasuki-host is still saying good-bye; ask again with: tasuki-host status")
        }
    }
}
