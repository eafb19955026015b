//! `tasuki-client forget-host`: accepts that an office PC has a new identity.

use std::path::Path;

use clap::Args;
use protocol::id::ComputerId;

use super::exit::Exit;
use super::say;
use crate::state::StateDir;

const AFTER: &str = "\
An office PC that was set up anew, or whose identity was reset, shows a new key, and `connect` \
refuses it: it might be an impostor. Ask whoever looks after that PC. If the change was meant, run \
this, then connect again; the password check shows whether it is the right PC.";

/// Forget the key of an office PC, after it was set up anew
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The computer ID
    #[arg(value_name = "ID")]
    id: ComputerId,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let id = &arguments.id;
    let known = StateDir::open(state)?.client()?.forget_host(id)?;
    say::answer(&if known {
        format!("The key of {id} is forgotten. The next connection takes its new one.")
    } else {
        format!("Nothing was known about {id}.")
    });
    Ok(Exit::Done)
}
