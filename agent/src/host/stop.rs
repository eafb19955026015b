//! The end of a running host, in order: sessions are told, as with Ctrl-C.

use std::time::{Duration, Instant};

use super::control::{AskError, Request, ask};
use crate::state::{StateDir, StateError};

/// How long the host may take; it gives its sessions less.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often its lock is tried.
const INTERVAL: Duration = Duration::from_millis(50);

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    Done,
    /// No host runs.
    Already,
    /// The system has started it as a service, and this command stops that.
    Refused(String),
    /// It is still at it.
    Slow,
}

/// Asks the host that runs on `dir` to end, and waits until it has. Not for asynchronous code.
pub fn stop(dir: &StateDir) -> Result<Stopped, AskError> {
    let Some(status) = ask(&dir.host_folder(), Request::Stop)? else {
        return Ok(Stopped::Already);
    };
    if let Some(command) = status.stopped_by {
        return Ok(Stopped::Refused(command));
    }
    let host = dir.host()?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // It gives the lock up last of all, or the kernel does; that has no event.
        match host.lock() {
            Ok(_) => return Ok(Stopped::Done),
            Err(StateError::InUse { .. }) => std::thread::sleep(INTERVAL),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Stopped::Slow)
}
