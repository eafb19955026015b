//! `tasuki-host autostart`: a host in user mode that starts with Windows. Windows only.

use std::env::{args_os, current_exe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::exit::Exit;
use super::{logon_command, run, say};
use crate::platform::autostart;
use crate::state::StateDir;

/// What is started: it has no console.
const STARTER: &str = "tasuki-host-background.exe";
/// What that starts, and with which words.
const HOST: &str = "tasuki-host.exe";
const WORDS: [&str; 2] = ["run", "--desktop"];

const AFTER: &str = "\
What starts is tasuki-host run --desktop, without a window; it ends when you log off, or in Task \
Manager. tasuki-host status tells whether it runs. It needs no administrator.

A host that shall be there before anybody logs on is a service: tasuki-host service --help";

/// Share this desktop whenever you log on to Windows
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(subcommand)]
    switch: Switch,
}

#[derive(Debug, Subcommand)]
enum Switch {
    /// Start the host from your next logon on
    On,
    /// Start it no longer; a host that runs goes on
    Off,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments.switch {
        Switch::On => {
            let dir = StateDir::open(state)?;
            run::ask_for_entry(&dir.host()?)?;
            run::desktop_program()?;
            let command = logon_command::of(&starter()?, dir.path())?;
            autostart::set(&command).context("Windows refuses to start it")?;
            say::answer(&"The host starts when you log on, and shares your desktop.");
        }
        Switch::Off => {
            autostart::remove().context("Windows refuses to forget it")?;
            say::answer(&"The host does not start by itself any more.");
        }
    }
    Ok(Exit::Done)
}

fn starter() -> anyhow::Result<PathBuf> {
    let starter = current_exe()
        .context("cannot tell where this program is")?
        .with_file_name(STARTER);
    if !starter.is_file() {
        bail!("there is no {STARTER} beside this program; put it there and try again");
    }
    Ok(starter)
}

/// What `tasuki-host-background` does: starts the host beside it with the words it was given.
pub(super) fn start_beside() -> ExitCode {
    let words = args_os().skip(1).chain(WORDS.map(Into::into));
    let started =
        current_exe().and_then(|this| autostart::start(&this.with_file_name(HOST), words));
    match started {
        Ok(()) => ExitCode::SUCCESS,
        // At a logon nobody waits for an answer: status says that no host runs.
        Err(_) => ExitCode::FAILURE,
    }
}
