//! `tasuki-host service`: the host as a service of Windows.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::exit::{Exit, UsageError};
use super::{run, say};
use crate::host::log::{self, Place};
use crate::platform;
use crate::platform::service::{self, Installed, ServiceError};
use crate::state::StateDir;

const AFTER: &str = "\
The first time, in a terminal that was opened as administrator:

  tasuki-host init --entry tasuki-entry.toml
  tasuki-host set-password
  tasuki-host service install

The service starts with Windows, before anybody logs on, and again after a failure. install \
switches the RDP server of Windows on if it is off; remove switches it off again. The rules of \
the firewall stay as they are.

Exit codes: 0 done, for status: it runs; 1 failed, for status: it does not run; 64 the command \
line is wrong.";

/// Install, start, stop or remove the service that makes this PC reachable
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the service, or bring an installed one up to date, and start it
    Install,
    /// Stop and remove the service; identity, password and logs stay
    Remove,
    /// Start the service
    Start,
    /// Stop the service until it is started again, or Windows is
    Stop,
    /// Say whether the service runs
    Status,
    /// What Windows starts
    #[command(hide = true)]
    Run,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments.command {
        Command::Install => install(state),
        Command::Remove => {
            service::remove()?;
            say::answer(
                &"There is no service any more. Identity, password and logs are still there.",
            );
            Ok(Exit::Done)
        }
        Command::Start => {
            service::start()?;
            say::answer(&"The service runs.");
            Ok(Exit::Done)
        }
        Command::Stop => {
            service::stop()?;
            say::answer(&"The service has stopped. It starts again with Windows.");
            Ok(Exit::Done)
        }
        Command::Status => status(),
        Command::Run => serve(state),
    }
}

fn install(state: Option<&Path>) -> anyhow::Result<Exit> {
    // First of all: anybody else would own the folder that is about to be made.
    service::ask_for_administrator()?;
    let root = platform::system_root().ok_or(ServiceError::NoRoot)?;
    if state.is_some_and(|state| state != root) {
        let text = format!(
            "the service keeps its state in {}; leave --state out",
            root.display()
        );
        return Err(UsageError(text).into());
    }
    let host = StateDir::open(Some(&root))?.host()?;
    run::ask_for_entry(&host)?;
    say::answer(&match service::install(&root)? {
        Installed::New => "The service is installed.",
        Installed::Renewed => "The service is up to date.",
    });
    // A program that was renewed runs from the next start on.
    service::stop()?;
    service::start()?;
    say::answer(&"It runs, and starts with Windows.");
    if host.password_record()?.is_none() {
        say::answer(&"Next: tasuki-host set-password (until then every call is refused).");
    }
    Ok(Exit::Done)
}

fn status() -> anyhow::Result<Exit> {
    let state = match service::state() {
        Err(ServiceError::NotInstalled) => "not installed",
        state => state?,
    };
    say::answer(&state);
    Ok(if state == "running" {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Returns when the service has stopped; why it failed is in the event log.
fn serve(state: Option<&Path>) -> anyhow::Result<Exit> {
    let state = state.map(PathBuf::from);
    service::run(move |stop| {
        let stop: run::Stop = Box::new(|| Ok(Box::pin(stop.wait_for())));
        let stopped_by = Some("tasuki-host service stop".to_owned());
        let served = run::serve(state.as_deref(), Place::Service, None, stopped_by, stop);
        if let Err(error) = &served {
            // A file with mistakes ends it before its log is there.
            log::begin_without_settings();
            tracing::error!(error = format!("{error:#}"), "Service failed");
        }
        served.is_ok()
    })?;
    Ok(Exit::Done)
}
