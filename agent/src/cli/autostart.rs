//! `tasuki-host autostart`: a host in user mode that starts with Windows; the settings tool starts
//! it in the same way. Windows only.

use std::env::{args_os, current_exe};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::exit::Exit;
use super::{logon_command, run, say};
use crate::platform::autostart;
use crate::settings::{Failure, Starter};
use crate::state::StateDir;

/// What is started: it has no console.
const STARTER: &str = "tasuki-host-background.exe";
/// What that starts, and with which words.
const HOST: &str = "tasuki-host.exe";
/// What that starts for each session.
const DESKTOP: &str = "tasuki-desktop.exe";
const WORDS: [&str; 2] = ["run", "--desktop"];

const AFTER: &str = "\
What starts is tasuki-host run --desktop, without a window; it ends when you log off, or by \
tasuki-host stop. tasuki-host status tells whether it runs. It needs no administrator.

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
            let starter = beside(STARTER).with_context(|| {
                format!("there is no {STARTER} beside this program; put it there and try again")
            })?;
            let command = logon_command::of(&starter, dir.path())?;
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

/// A program beside this one, if it is there.
fn beside(name: &str) -> Option<PathBuf> {
    let program = current_exe().ok()?.with_file_name(name);
    program.is_file().then_some(program)
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

/// The host of whoever is logged on, as the settings tool starts it: like Windows at a logon.
#[derive(Debug)]
pub(super) struct OwnHost {
    state: PathBuf,
}

impl OwnHost {
    pub(super) fn new(state: &Path) -> Self {
        let state = state.to_owned();
        Self { state }
    }

    fn starter() -> Result<PathBuf, Failure> {
        // Without this one what is started would end at once.
        beside(DESKTOP).ok_or(Failure::Missing(DESKTOP))?;
        beside(STARTER).ok_or(Failure::Missing(STARTER))
    }
}

impl Starter for OwnHost {
    fn start(&self) -> Result<(), Failure> {
        let words = ["--state".into(), self.state.clone().into()];
        autostart::start(&Self::starter()?, words.into_iter()).map_err(Failure::Windows)
    }

    fn is_at_logon(&self) -> bool {
        autostart::command().is_some()
    }

    fn set_at_logon(&self, is_at_logon: bool) -> Result<(), Failure> {
        let set = if is_at_logon {
            let command = logon_command::of(&Self::starter()?, &self.state);
            let command = command.map_err(|error| Failure::Windows(io::Error::other(error)))?;
            autostart::set(&command)
        } else {
            autostart::remove()
        };
        set.map_err(Failure::Windows)
    }
}
