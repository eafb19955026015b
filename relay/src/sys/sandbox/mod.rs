//! What this process gives away before it talks to strangers: capabilities, system calls, paths.
//!
//! Contract: [`confine`] is called once, while the process has a single thread; all later threads
//! inherit what it set. Nothing can be taken back, by us or by an intruder.
//! Read next: [`calls`] for the list of system calls, [`paths`] for files, ports and scopes.

mod calls;
mod paths;

use std::io;

use caps::{CapSet, CapsHashSet};

pub use paths::Paths;

/// Why a process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot give up capabilities: {0}")]
    Capabilities(String),
    #[error("{0} threads run already, and a filter covers only the one that sets it")]
    Threads(usize),
    #[error("cannot forbid core dumps")]
    Dumps(#[source] io::Error),
    #[error("cannot set Landlock rules: {0}")]
    Landlock(String),
    #[error("cannot set the filter of system calls: {0}")]
    Filter(String),
}

/// What holds this process from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Only the system calls in [`calls`] work.
    pub system_calls: bool,
    /// Version of Landlock that guards files (from 1), TCP ports (4), signals and abstract sockets
    /// (6); none in a kernel without it.
    pub landlock: Option<u32>,
}

/// Gives up system calls and files that a serving relay does not need.
///
/// A kernel without Landlock, or an
/// architecture without a list of calls, is no error: the result says so.
///
/// # Errors
/// The kernel has the means and refuses; what was given up until then stays so.
pub fn confine(paths: &Paths) -> Result<Confinement, SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(SandboxError::Threads(threads));
    }
    // A dump would put the board's key on a disk, and what waits in our buffers with it.
    nix::sys::prctl::set_dumpable(false).map_err(|error| SandboxError::Dumps(error.into()))?;
    Ok(Confinement {
        landlock: paths::restrict(paths).map_err(SandboxError::Landlock)?,
        system_calls: calls::filter().map_err(SandboxError::Filter)?,
    })
}

/// Gives up every capability, for good: no program is started that could have its own.
///
/// # Errors
/// The kernel refuses.
pub fn give_up_capabilities() -> Result<(), SandboxError> {
    let none = CapsHashSet::new();
    // Ambient ones fall with the permitted ones.
    for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
        caps::set(None, set, &none)
            .map_err(|error| SandboxError::Capabilities(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_process_with_threads_is_not_confined_by_halves() {
        let (end, ended) = mpsc::sync_channel::<()>(0);
        let other = std::thread::spawn(move || ended.recv());

        let refused = confine(&Paths::default());

        assert!(
            matches!(refused, Err(SandboxError::Threads(threads)) if threads > 1),
            "{refused:?}"
        );
        drop(end);
        assert!(other.join().is_ok());
    }
}
