//! `tasuki-host run`: the program that stays.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{Exit, UsageError};
use super::host_folder;
use crate::config::HostConfig;
use crate::host::{self, log};
use crate::state::StateDir;

const AFTER: &str = "\
It stays linked to the relay for as long as it runs: after any failure it tries again by itself, \
and at once when the network changes. Stop it with Ctrl-C or SIGTERM; connected clients are told.

Settings are read from host.toml in the state directory. A new password or name needs no restart; \
a change of host.toml does.

Logs go to the terminal, to daily files in the folder host/log of the state directory, and to a \
syslog server if host.toml names one.";

/// Make this office PC reachable until stopped
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {}

pub(super) fn run(state: Option<&Path>, Arguments {}: &Arguments) -> anyhow::Result<Exit> {
    let dir = StateDir::open(state)?;
    let config = HostConfig::load(&dir.path().join("host.toml"))?;
    let state = dir.host()?;
    if state.entry()?.is_none() {
        let text = "this office PC is not prepared yet; run tasuki-host init --entry FILE";
        return Err(UsageError(text.into()).into());
    }
    let folder = host_folder(&dir);
    log::start(&config.log, &folder.join("log"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        host::run(state, &folder, config, stop).await
    })?;
    Ok(Exit::Done)
}
