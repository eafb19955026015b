//! `tasuki-host reset-identity`: a new identity for a cloned PC.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::Path;

use clap::Args;

use super::exit::{Exit, UsageError};
use super::say;
use crate::host::control::{Request, ask};
use crate::platform::{RUN_HELP, propose_computer_id};
use crate::state::StateDir;

const AFTER: &str = "\
When a disk is copied, two PCs have one identity, and the relay refuses the second one. Run this \
on the copy, not on the original. The copy gets a computer ID of its own; its password stays. \
Clients that knew this PC have to run `tasuki-client forget-host ID` once.";

/// Make a new identity, for a PC whose disk was copied from another one
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let host = dir.host()?;
    if !arguments.yes
        && !confirmed(&host.claim()?.map_or_else(
            || "This office PC loses its identity".to_owned(),
            |signed| {
                format!(
                    "This office PC loses the computer ID {}",
                    signed.claim.computer_id
                )
            },
        ))?
    {
        say::answer(&"Nothing was changed.");
        return Ok(Exit::Failed);
    }
    host.reset_identity()?;
    let wish = propose_computer_id();
    host.set_wish(Some(&wish))?;
    host.identity()?;
    say::answer(&format!(
        "This office PC has a new identity and will ask for the computer ID {wish}."
    ));
    if ask(&dir.host_folder(), Request::Reload)?.is_none() {
        say::answer(&format!("Next: {RUN_HELP}"));
    }
    Ok(Exit::Done)
}

fn confirmed(what: &str) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        let text = "nobody can be asked here; say --yes if you mean it";
        return Err(UsageError(text.into()).into());
    }
    say::line(&format!("{what}. This cannot be undone. Go on? [y/N]"));
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
