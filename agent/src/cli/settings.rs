//! What `tasuki-host-settings` does: shows the host's settings. Windows only.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::platform;
use crate::platform::settings::{show, tell, words};
use crate::settings::{Failure, Job};
use crate::state::StateDir;

/// Runs the program. Nobody sees a terminal: what is in the way has a window of its own.
pub(super) fn open() -> ExitCode {
    let words = words();
    // The same rule as for commands (A19).
    if platform::is_guarded() {
        tell(words.guarded);
        return ExitCode::FAILURE;
    }
    let shown = prepare().map_err(|failure| words.failure(&failure));
    let shown = shown.and_then(|job| show(&job).map_err(|error| words.unexpected(&error)));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            tell(&text);
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> Result<Job, Failure> {
    let state = state();
    Ok(Job(StateDir::open(state.as_deref())?))
}

/// `--state DIR`, the only thing that can be said to it.
fn state() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip(1);
    arguments.find(|argument| argument == "--state")?;
    arguments.next().map(PathBuf::from)
}
