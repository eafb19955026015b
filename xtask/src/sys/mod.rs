//! The operating system: process groups, signals, users.
//!
//! The only module that names nix or signal-hook.
//! Everything here is safe code over owned process ids; nothing here decides policy.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Remembers that somebody asked this program to stop.
///
/// The signals only raise a flag: whoever waits looks at it, returns an error, and the owners of
/// processes and files clean up on the way out.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&raised))
                .context("cannot watch for Ctrl-C")?;
        }
        Ok(Self(raised))
    }

    pub(crate) fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A process group, named by the process that leads it.
#[derive(Clone, Copy)]
pub(crate) struct Group(Pid);

impl Group {
    /// The group led by process `id`; `None` when `id` cannot lead one.
    ///
    /// 0 and 1 are refused: to the kernel they mean this program's own group and everybody.
    pub(crate) fn led_by(id: u32) -> Option<Self> {
        let id = i32::try_from(id).ok()?;
        (id > 1).then(|| Self(Pid::from_raw(id)))
    }

    pub(crate) fn terminate(self) {
        self.signal(Signal::SIGTERM);
    }

    pub(crate) fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    /// Whether no process of the group runs any more.
    ///
    /// Those that ended and were not reaped do not count: nobody may ever reap them, as in a
    /// container whose first process is no init.
    pub(crate) fn is_gone(self) -> bool {
        let id = self.0.to_string();
        let Ok(processes) = fs::read_dir("/proc") else {
            return false;
        };
        !processes.flatten().any(|process| {
            stat_fields(&process.path()).is_some_and(|fields| {
                let state = fields.first().map(String::as_str);
                !matches!(state, Some("Z" | "X")) && fields.get(2) == Some(&id)
            })
        })
    }

    fn signal(self, signal: Signal) {
        // A group that is gone already is what the caller wants.
        let _ = killpg(self.0, signal);
    }
}

/// When a process was started, in the kernel's ticks; `None` when there is no such process.
///
/// With the id it names a process for ever: ids are given again, start times are not.
pub(crate) fn started_at(id: u32) -> Option<String> {
    stat_fields(Path::new(&format!("/proc/{id}")))?
        .into_iter()
        .nth(19)
}

/// The fields of proc_pid_stat(5) behind the name: state, parent, group and so on.
fn stat_fields(process: &Path) -> Option<Vec<String>> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name stands in parentheses and may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_never_everybody() {
        assert!(Group::led_by(0).is_none());
        assert!(Group::led_by(1).is_none());
        assert!(Group::led_by(u32::MAX).is_none());
        assert!(Group::led_by(2).is_some());
    }
}
