//! `tasuki-host run`: the program that stays.

use std::env::consts::EXE_SUFFIX;
use std::env::current_exe;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::say;
use crate::config::{ConfigError, HostConfig, Program, Target};
use crate::host;
use crate::host::log::{self, Place};
use crate::platform;
use crate::state::{HostState, StateDir};

/// What the program that shares the desktop shows of itself, in the host's folder.
const CERTIFICATE: &str = "desktop.pem";

const AFTER: &str = "\
It stays linked to the relay for as long as it runs: after any failure it tries again by itself, \
and at once when the network changes. Stop it with Ctrl-C (or SIGTERM on Linux), or \
tasuki-host stop; connected clients are told.

Settings are read from host.toml in the state directory. A new password or name counts at once, a \
change of host.toml after `tasuki-host reload`; only log and max_sessions wait for a restart.

Logs go to the terminal, to daily files in the folder host/log of the state directory, and to a \
syslog server if host.toml names one.";

/// Who would otherwise be surprised from home.
const SHARED: &str = "\
Whoever connects sees and uses the desktop of whoever is logged on here, for as long as this \
program runs; it needs no administrator and no desktop service.

What cannot be done from home this way:
  - lock screen and questions for an administrator: the picture is grey until somebody here has \
answered
  - logging on, and anything while nobody is logged on
  - sound, printers and drives; of the clipboard text alone, and with clipboard = false in \
host.toml not that either";

/// Make this office PC reachable until stopped
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Share the desktop of whoever is logged on, through tasuki-desktop beside this program
    /// (Windows), instead of leading to a desktop service
    #[arg(long)]
    desktop: bool,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let shared = arguments.desktop.then(desktop_program).transpose()?;
    if shared.is_some() {
        say::answer(&SHARED);
    }
    let stopped_by = platform::stopped_by();
    let stop: Stop = Box::new(|| Ok(Box::pin(platform::asked_to_stop()?)));
    serve(state, Place::Terminal, shared, stopped_by, stop)?;
    Ok(Exit::Done)
}

/// The program that shares a desktop.
pub(super) fn desktop_program() -> anyhow::Result<PathBuf> {
    let name = format!("tasuki-desktop{}", EXE_SUFFIX);
    let program = current_exe()
        .context("cannot tell where this program is")?
        .with_file_name(&name);
    if !program.is_file() {
        bail!(
            "there is no {name} beside this program; put it there, or leave --desktop out to \
             lead to a desktop service"
        );
    }
    Ok(program)
}

/// Makes what ends when somebody wants the program to; in the runtime, which it may need. Boxed, so
/// that all that runs until then is compiled once.
pub(super) type Stop = Box<dyn FnOnce() -> io::Result<Pin<Box<dyn Future<Output = ()>>>>>;

/// Makes this PC reachable until what `stop` makes, in the runtime, ends. `shared` is the
/// program that shares the desktop, if that is asked for; `stopped_by` the command that ends it,
/// if `tasuki-host stop` must not.
pub(super) fn serve(
    state: Option<&Path>,
    place: Place,
    shared: Option<PathBuf>,
    stopped_by: Option<String>,
    stop: Stop,
) -> anyhow::Result<()> {
    let dir = StateDir::open(state)?;
    let file = dir.path().join("host.toml");
    let config = HostConfig::load(&file)?;
    let state = dir.host()?;
    ask_for_entry(&state)?;
    let folder = dir.host_folder();
    let certificate = folder.join(CERTIFICATE);
    let load = move || -> Result<HostConfig, ConfigError> {
        let mut config = HostConfig::load(&file)?;
        if let Some(program) = &shared {
            config.target = sharing(program, &certificate, config.clipboard);
        }
        Ok(config)
    };
    log::start(&config.log, &folder.join("log"), place)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let stop = stop()?;
        Box::pin(host::run(state, &folder, load, stopped_by, stop)).await
    })
}

/// Fails where nobody has prepared this PC.
pub(super) fn ask_for_entry(host: &HostState) -> anyhow::Result<()> {
    if host.entry()?.is_some() {
        return Ok(());
    }
    let text = "this office PC is not prepared yet; run tasuki-host init --entry FILE";
    Err(UsageError(text.into()).into())
}

/// Where sessions lead when `program` shares the desktop.
fn sharing(program: &Path, certificate: &Path, clipboard: bool) -> Target {
    let mut arguments = vec!["--certificate".into(), certificate.into()];
    if clipboard {
        arguments.push("--clipboard".into());
    }
    let path = program.to_owned();
    Target::Program(Arc::new(Program { path, arguments }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_text_passes_only_where_it_may() {
        let words = |clipboard| {
            let target = sharing(Path::new("desktop"), Path::new("pem"), clipboard);
            let Target::Program(program) = target else {
                panic!("{target} is no program");
            };
            program.arguments.join(" ".as_ref())
        };

        assert_eq!(words(true), "--certificate pem --clipboard");
        assert_eq!(words(false), "--certificate pem");
    }
}
