//! `tasuki-host rename`: asks the relay for another computer ID.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use protocol::id::ComputerId;

use super::exit::Exit;
use super::{host_folder, say};
use crate::host::control::{Request, ask};
use crate::host::status::Status;
use crate::state::StateDir;

/// How long the relay gets to decide before the command stops waiting.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the running host is asked whether the relay has decided.
const INTERVAL: Duration = Duration::from_millis(200);

const AFTER: &str = "\
Example:
  tasuki-host rename soumu-hanako

People at home then have to type the new name. The old one rests for a year before another PC can \
take it. If the new name is taken, the old one stays. Open sessions go on.";

/// Give this office PC another computer ID
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The new computer ID: at most 31 of A-Z a-z 0-9 _ -
    #[arg(value_name = "NEW")]
    new: ComputerId,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let new = &arguments.new;
    let dir = StateDir::open(state)?;
    let host = dir.host()?;
    let held = host.claim()?.map(|signed| signed.claim.computer_id);
    if held.as_ref() == Some(new) {
        host.set_wish(None)?;
        say::answer(&format!(
            "This office PC already has the computer ID {new}."
        ));
        return Ok(Exit::Done);
    }
    host.set_wish(Some(new))?;
    let folder = host_folder(&dir);
    if ask(&folder, Request::Reload)?.is_none() {
        say::answer(&format!(
            "tasuki-host is not running; it will ask for {new} when it does."
        ));
        return Ok(Exit::Done);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // The relay's answer has no event that reaches this process; the host is asked.
        std::thread::sleep(INTERVAL);
        let Some(status) = ask(&folder, Request::Status)? else {
            break;
        };
        if let Some(exit) = decided(&status, new) {
            return Ok(exit);
        }
    }
    say::line(&format!(
        "The relay has not answered yet. tasuki-host keeps asking for {new}; see tasuki-host status."
    ));
    Ok(Exit::Failed)
}

fn decided(status: &Status, new: &ComputerId) -> Option<Exit> {
    if status.computer_id.as_deref() == Some(new.as_str()) {
        say::answer(&format!("This office PC now has the computer ID {new}."));
        return Some(Exit::Done);
    }
    // Linked again and without the wish: the host gives one up only when the relay refused it.
    if status.wish.is_none() && status.link.is_some() {
        let held = status.computer_id.as_deref().unwrap_or("none");
        say::line(&format!(
            "The relay refused the computer ID {new}; this office PC keeps {held}."
        ));
        if let Some(trouble) = &status.trouble {
            say::line(&trouble.text);
        }
        return Some(Exit::Failed);
    }
    None
}
