//! `tasuki-host status`: how the running host stands.

use std::path::Path;

use clap::Args;

use super::exit::Exit;
use super::say;
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
    let status = match ask(&dir.host_folder(), Request::Status)? {
        Some(status) => status,
        None => Status::at_rest(&dir.host()?)?,
    };
    if arguments.json {
        say::answer(&serde_json::to_string(&status)?);
    } else {
        say::answer(&status.to_text());
        #[cfg(windows)]
        if let Some(command) = crate::platform::autostart::command() {
            say::answer(&format!("At logon:     {command}"));
        }
    }
    Ok(if status.link.is_some() {
        Exit::Done
    } else {
        Exit::Failed
    })
}
