//! `tasuki-client history`: whom this client has visited.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use super::exit::Exit;
use super::say;
use crate::platform;
use crate::state::StateDir;

/// List the office PCs that were connected to, newest first
#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn run(state: Option<&Path>, Arguments {}: &Arguments) -> anyhow::Result<Exit> {
    let visits = StateDir::open(state)?.client()?.history()?;
    if visits.is_empty() {
        say::line(&"No office PC has been connected to yet.");
    }
    for visit in visits {
        let last = Timestamp::try_from(visit.last).map_or_else(
            |_| "at an unknown time".to_owned(),
            |last| {
                last.to_zoned(platform::time_zone(last))
                    .strftime("%Y-%m-%d %H:%M")
                    .to_string()
            },
        );
        say::answer(&format!("{:<31}  {last}  {}", visit.computer_id, visit.user).trim_end());
    }
    Ok(Exit::Done)
}
