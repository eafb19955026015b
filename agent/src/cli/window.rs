//! `tasuki-client window`: for people who type no commands. Windows only.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::Exit;
use crate::message::Explain;
use crate::platform::window;
use crate::state::{StateDir, StateError, Visit};

/// The program that has this command.
const CLIENT: &str = "tasuki-client.exe";

/// Show the window; so does this program without any arguments
#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn run(state: Option<&Path>, Arguments {}: &Arguments) -> anyhow::Result<Exit> {
    let shown = prepare(state).inspect_err(|error| {
        // Whoever has started it by a click sees no terminal.
        window::tell(&format!("{:#}", error.explain_in(window::words().language)));
    });
    let (dir, visits) = shown?;
    window::show(dir, visits).context("cannot show the window")?;
    Ok(Exit::Done)
}

fn prepare(state: Option<&Path>) -> Result<(StateDir, Vec<Visit>), StateError> {
    let dir = StateDir::open(state)?;
    let client = dir.client()?;
    client.viewer_settings()?.put_back_leftovers();
    let visits = client.history()?;
    Ok((dir, visits))
}

/// What this program does without arguments: the window shall not hold up a terminal, nor hang
/// on the console that Windows makes for a click.
pub(super) fn open() -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    window::start(&program).context("cannot start the window")?;
    Ok(Exit::Done)
}

/// What `tasuki-client-window` does: the same for the program beside it.
pub(super) fn open_beside() -> ExitCode {
    let started =
        std::env::current_exe().and_then(|this| window::start(&this.with_file_name(CLIENT)));
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            window::tell(&window::words().cannot_start(CLIENT, &error));
            ExitCode::FAILURE
        }
    }
}
