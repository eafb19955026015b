//! The operating system: CPUs, timers, descriptors, process groups. The only module that names nix.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::Pid;

/// The calling thread, and what it starts from now on, runs on these CPUs only, until the guard is
/// dropped.
///
/// # Errors
/// There is no such CPU.
pub(crate) fn pin(cpus: &[usize]) -> io::Result<Pinned> {
    let this_thread = Pid::from_raw(0);
    let before = sched_getaffinity(this_thread)?;
    if !cpus.is_empty() {
        let mut set = CpuSet::new();
        for cpu in cpus {
            set.set(*cpu)?;
        }
        sched_setaffinity(this_thread, &set)?;
    }
    Ok(Pinned { before })
}

/// A thread that keeps to some CPUs; back to where it was when dropped.
pub(crate) struct Pinned {
    before: CpuSet,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    // Every thread has this clock.
    clock.now().map(Duration::from).unwrap_or_default()
}

/// CPU time of a process, whoever's it is, and of all threads that it has had.
///
/// # Errors
/// There is no such process.
pub(crate) fn process_cpu(id: i32) -> io::Result<Duration> {
    let clock = nix::time::clock_getcpuclockid(Pid::from_raw(id))?;
    Ok(clock.now()?.into())
}

/// Lets this process open as many descriptors as it may; tells how many those are.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// A timer that wakes a poll to the microsecond; `epoll_wait` itself counts in milliseconds.
pub(crate) struct Timer(TimerFd);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        Ok(Self(timer))
    }

    /// Wakes once, after this time.
    pub(crate) fn set(&self, after: Duration) -> io::Result<()> {
        // Zero would disarm it.
        let after = TimeSpec::from(after.max(Duration::from_nanos(1)));
        let once = Expiration::OneShot(after);
        Ok(self.0.set(once, TimerSetTimeFlags::empty())?)
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        let fd: BorrowedFd<'_> = self.0.as_fd();
        fd.as_raw_fd()
    }
}

/// A process group, named by the process that leads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Pid);

impl Group {
    /// `None` for what cannot lead a group: to the kernel 0 and 1 mean others.
    pub(crate) fn led_by(id: u32) -> Option<Self> {
        let id = i32::try_from(id).ok()?;
        (id > 1).then(|| Self(Pid::from_raw(id)))
    }

    pub(crate) fn terminate(self) {
        // A group that is gone is what the caller wants.
        let _ = killpg(self.0, Signal::SIGTERM);
    }

    pub(crate) fn kill(self) {
        // A group that is gone is what the caller wants.
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_to_its_cpus_and_is_let_go() {
        let this_thread = Pid::from_raw(0);
        let before = sched_getaffinity(this_thread).unwrap();
        {
            let _pinned = pin(&[0]).unwrap();
            let now = sched_getaffinity(this_thread).unwrap();
            assert!(now.is_set(0).unwrap() && (1..64).all(|cpu| !now.is_set(cpu).unwrap()));
        }
        assert_eq!(sched_getaffinity(this_thread).unwrap(), before);
        assert!(pin(&[1_023]).is_err());
    }

    #[test]
    fn cpu_time_of_a_thread_that_has_ended_is_its_process_s() {
        let id = i32::try_from(std::process::id()).unwrap();
        let worked = std::thread::spawn(|| {
            while thread_cpu() < Duration::from_millis(20) {}
            thread_cpu()
        });
        let worked = worked.join().unwrap();

        assert!(process_cpu(id).unwrap() >= worked);
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        assert!(process_cpu(i32::try_from(gone.id()).unwrap()).is_err());
    }

    #[test]
    fn a_group_is_never_everybody() {
        assert!(Group::led_by(0).is_none());
        assert!(Group::led_by(1).is_none());
        assert!(Group::led_by(u32::MAX).is_none());
    }
}
