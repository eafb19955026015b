//! `tasuki-host rename`: asks the relay for another computer ID.

use std::path::Path;

use clap::Args;
use protocol::id::ComputerId;

use super::exit::Exit;
use super::say;
use crate::host::control::AskError;
use crate::host::rename::{Renamed, rename};
use crate::state::StateDir;

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
    let renamed = rename(&dir, new).map_err(|error| match error {
        // It has words of its own.
        AskError::State(error) => error.into(),
        AskError::Ask(_) => anyhow::Error::from(error),
    })?;
    Ok(match renamed {
        Renamed::Already => {
            say::answer(&format!(
                "This office PC already has the computer ID {new}."
            ));
            Exit::Done
        }
        Renamed::Done => {
            say::answer(&format!("This office PC now has the computer ID {new}."));
            Exit::Done
        }
        Renamed::Later => {
            say::answer(&format!(
                "tasuki-host is not running; it will ask for {new} when it does."
            ));
            Exit::Done
        }
        Renamed::Refused { held, trouble } => {
            let held = held.as_deref().unwrap_or("none");
            say::line(&format!(
                "The relay refused the computer ID {new}; this office PC keeps {held}."
            ));
            if let Some(trouble) = &trouble {
                say::line(&trouble.text);
            }
            Exit::Failed
        }
        Renamed::Undecided => {
            say::line(&format!(
                "The relay has not answered yet. tasuki-host keeps asking for {new}; see \
                 tasuki-host status."
            ));
            Exit::Failed
        }
    })
}
