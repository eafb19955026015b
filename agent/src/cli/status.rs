//! `tasuki-host status`: how the running host stands.

use std::path::Path;

use clap::Args;

use super::exit::Exit;
use super::{host_folder, say};
use crate::host::control::{Request, ask};
use crate::host::status::Status;
use crate::state::StateDir;

const AFTER: &str = "\
Examples:
  tasuki-host status
  tasuki-host status --json

Exit codes: 0 tasuki-host runs and is linked to a relay, 1 it is not.";

/// Show the computer ID, the link to the relay and who is connected
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let status = match ask(&host_folder(&dir), Request::Status)? {
        Some(status) => status,
        None => at_rest(&dir)?,
    };
    if arguments.json {
        say::answer(&serde_json::to_string(&status)?);
    } else {
        say::answer(&status.to_text());
    }
    Ok(if status.link.is_some() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What the disk tells while no host runs.
fn at_rest(dir: &StateDir) -> anyhow::Result<Status> {
    let host = dir.host()?;
    let claim = host.claim()?;
    Ok(Status {
        running: false,
        computer_id: claim.map(|signed| signed.claim.computer_id.to_string()),
        wish: host.wish()?.map(|wish| wish.to_string()),
        password_set: host.password_record()?.is_some(),
        ..Status::default()
    })
}
