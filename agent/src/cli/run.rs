//! `tasuki-host run`: the program that stays.

use std::io;
use std::path::Path;

use anyhow::Context;
use clap::Args;

use super::exit::{Exit, UsageError};
use super::host_folder;
use crate::config::HostConfig;
use crate::host;
use crate::host::log::{self, Place};
use crate::platform;
use crate::state::StateDir;

const AFTER: &str = "\
It stays linked to the relay for as long as it runs: after any failure it tries again by itself, \
and at once when the network changes. Stop it with Ctrl-C (or SIGTERM on Linux); connected clients are told.

Settings are read from host.toml in the state directory. A new password or name needs no restart; \
a change of host.toml does.

Logs go to the terminal, to daily files in the folder host/log of the state directory, and to a \
syslog server if host.toml names one.";

/// Make this office PC reachable until stopped
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {}

pub(super) fn run(state: Option<&Path>, Arguments {}: &Arguments) -> anyhow::Result<Exit> {
    serve(state, Place::Terminal, platform::asked_to_stop)?;
    Ok(Exit::Done)
}

/// Makes this PC reachable until what `stop` makes, in the runtime, ends.
pub(super) fn serve<S: Future<Output = ()>>(
    state: Option<&Path>,
    place: Place,
    stop: impl FnOnce() -> io::Result<S>,
) -> anyhow::Result<()> {
    let dir = StateDir::open(state)?;
    let config = HostConfig::load(&dir.path().join("host.toml"))?;
    let state = dir.host()?;
    if state.entry()?.is_none() {
        let text = "this office PC is not prepared yet; run tasuki-host init --entry FILE";
        return Err(UsageError(text.into()).into());
    }
    let folder = host_folder(&dir);
    log::start(&config.log, &folder.join("log"), place)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let stop = stop()?;
        host::run(state, &folder, config, stop).await
    })
}
