//! `tasuki-host init`: takes the entry file over, makes the identity, settles on a wish.

use std::path::{Path, PathBuf};

use clap::Args;
use protocol::id::ComputerId;

use super::exit::{Exit, UsageError};
use super::{read_entry, say};
use crate::host::control::{Request, ask};
use crate::host::prepare::{Prepared, prepare};
use crate::platform::RUN_HELP;
use crate::state::{HostState, StateDir, entry_beside_executable};

const AFTER: &str = "\
Examples:
  tasuki-host init --entry tasuki-entry.toml
  tasuki-host init --entry tasuki-entry.toml --id soumu-hanako

The computer ID is what people type at home: at most 31 of A-Z a-z 0-9 _ -, upper and lower case \
alike. Without --id a readable one is proposed. Running init again takes a newer entry file over \
and keeps identity, ID and password.";

/// Prepare this office PC: take over the entry file and make its identity
///
/// The entry file comes from whoever runs the relay. It says where the relay is and how to
/// recognise it.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The entry file [default: tasuki-entry.toml beside this program]
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// The computer ID to ask for
    #[arg(long, value_name = "NAME")]
    id: Option<ComputerId>,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let path = arguments.entry.clone().or_else(entry_beside_executable);
    let path = path.ok_or_else(|| {
        UsageError("no entry file lies beside this program; name it with --entry FILE".into())
    })?;
    let source = read_entry(&path)?;
    let dir = StateDir::open(state)?;
    let host = dir.host()?;
    let prepared = prepare(&host, &source, arguments.id.as_ref())?;
    let entry = &prepared.entry;
    say::answer(&format!(
        "This office PC belongs to the deployment \"{}\".",
        entry.name
    ));
    say::answer(&format!(
        "The deployment's key, to compare with what the operator was shown: {}",
        entry.deployment_key
    ));
    if prepared.is_new {
        say::answer(&"The identity of this PC was made just now and never leaves it.");
    }
    say::answer(&name(&prepared));
    let running = ask(&dir.host_folder(), Request::Reload).ok().flatten();
    say::answer(&next_step(&host, running.is_some())?);
    Ok(Exit::Done)
}

fn name(prepared: &Prepared) -> String {
    match (&prepared.held, &prepared.wish) {
        (Some(held), None) => format!("The computer ID is {held}."),
        (Some(held), Some(wish)) => {
            format!("The computer ID is {held}; this PC will ask the relay for {wish} instead.")
        }
        (None, Some(wish)) => format!(
            "This PC will ask the relay for the computer ID {wish} (another one: tasuki-host rename NAME)."
        ),
        (None, None) => "It has no computer ID yet.".to_owned(),
    }
}

fn next_step(host: &HostState, running: bool) -> anyhow::Result<String> {
    Ok(match (host.password_record()?.is_some(), running) {
        (false, _) => "Next: tasuki-host set-password (until then every call is refused).".into(),
        (true, false) => format!("Next: {RUN_HELP}"),
        (true, true) => "The running tasuki-host has taken it up.".into(),
    })
}
