//! What `tasuki-host-settings` does: shows the host's settings. Windows only.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::autostart::OwnHost;
use super::exit::Exit;
use crate::platform;
use crate::platform::service;
use crate::platform::settings::{show, tell, words};
use crate::settings::{Failure, Job, Starter};
use crate::state::{StateDir, entry_beside_executable};

/// Runs the program. Nobody sees a terminal: what is in the way has a window of its own.
pub(super) fn open() -> ExitCode {
    let words = words();
    // The same rule as for commands (A19).
    if platform::is_guarded() {
        tell(words.guarded);
        return ExitCode::FAILURE;
    }
    let Ok(state) = state() else {
        tell(words.usage);
        return Exit::Usage.code().into();
    };
    let shown = prepare(state.as_deref()).map_err(|failure| words.failure(&failure));
    let shown = shown.and_then(|job| show(&job).map_err(|error| words.unexpected(&error)));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            tell(&text);
            ExitCode::FAILURE
        }
    }
}

fn prepare(state: Option<&Path>) -> Result<Job, Failure> {
    let dir = StateDir::open(state)?;
    // A service is started and stopped by its own commands.
    let starter = (!service::is_installed()).then(|| -> Arc<dyn Starter> {
        let own = OwnHost::new(dir.path());
        Arc::new(own)
    });
    let job = Job::new(dir, starter);
    if let Some(entry) = entry_beside_executable() {
        job.prepare(&entry)?;
    }
    Ok(job)
}

/// Something was said to it that it does not know.
struct Unknown;

/// `--state DIR`, the only thing that can be said to it.
fn state() -> Result<Option<PathBuf>, Unknown> {
    let mut arguments = std::env::args_os().skip(1);
    match [arguments.next(), arguments.next(), arguments.next()] {
        [None, ..] => Ok(None),
        [Some(option), Some(dir), None] if option == "--state" => Ok(Some(dir.into())),
        [Some(_), ..] => Err(Unknown),
    }
}
