//! Whether there is room for another connection: descriptors, memory, and what the kernel says.
//!
//! What is here already is never ended for want of room; what comes waits in the kernel's queue.

use std::io;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use crate::limits;
use crate::sys;
use crate::sys::memory::Memory;

/// What new connections are short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The process has no room for their descriptors.
    Descriptors,
    /// The kernel could not give one out, although the process had room.
    System,
    /// The next ones would take memory that the sessions may need.
    Memory,
}

impl Shortage {
    /// Every one, in the order of its number.
    pub const ALL: [Self; 3] = [Self::Descriptors, Self::System, Self::Memory];

    /// What an operator reads.
    pub fn text(self) -> &'static str {
        match self {
            Self::Descriptors => "no new connections: descriptors are short; raise LimitNOFILE",
            Self::System => {
                "new connections fail: the system is short of files or of memory for sockets; \
                 look at fs.file-max, net.ipv4.tcp_mem and free memory"
            }
            Self::Memory => {
                "no new connections: memory is short; find what takes it, or give the relay more \
                 (MemoryMax)"
            }
        }
    }

    /// Whether accepting stops for it. Where the kernel fails it goes on, to see the end of it.
    pub(super) fn pauses(self) -> bool {
        self != Self::System
    }
}

/// Closes below the descriptor limit, and opens again only when there is some room.
///
/// The limit is looked at each time: an operator may change that of a running process
/// (`prlimit(1)`), and nobody else would tell.
#[derive(Debug, Default)]
pub(super) struct Gate {
    is_closed: bool,
    memory: Arc<Memory>,
    memory_is_low: bool,
    /// When memory is looked at again.
    look_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Gate {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self {
            memory,
            ..Self::default()
        }
    }

    /// What keeps the next connection out, with so many descriptors in use.
    pub(super) fn shortage(&mut self, open: usize, now: Instant) -> Option<Shortage> {
        let limit = sys::process::descriptor_limit().unwrap_or(u64::MAX);
        if self.closes(open, usize::try_from(limit).unwrap_or(usize::MAX)) {
            return Some(Shortage::Descriptors);
        }
        if self.memory_is_low(now) {
            return Some(Shortage::Memory);
        }
        self.failed_at = self
            .failed_at
            .filter(|at| now.saturating_duration_since(*at) < limits::SHORTAGE_MEMORY);
        self.failed_at.map(|_| Shortage::System)
    }

    /// Notes that the kernel had nothing for a connection; once for each time of trouble the log
    /// says so.
    pub(super) fn fail(&mut self, error: &io::Error, now: Instant) {
        if self.failed_at.replace(now).is_none() {
            warn!(%error, "Connections cannot be accepted");
        }
    }

    fn memory_is_low(&mut self, now: Instant) -> bool {
        if self.look_at.is_none_or(|at| at <= now) {
            self.look_at = Some(now + limits::MEMORY_LOOK);
            self.memory_is_low = is_low(self.memory.available(), self.memory_is_low);
        }
        self.memory_is_low
    }

    fn closes(&mut self, open: usize, limit: usize) -> bool {
        let max = limit
            .saturating_sub(limits::DESCRIPTORS_RESERVED)
            .max(limits::DESCRIPTORS_HYSTERESIS);
        let reopen = max - max / limits::DESCRIPTORS_HYSTERESIS;
        if open >= max {
            self.is_closed = true;
        } else if open <= reopen {
            self.is_closed = false;
        }
        self.is_closed
    }
}

/// Below the reserve; and after that until there is half as much again.
fn is_low(available: Option<u64>, was_low: bool) -> bool {
    let enough = if was_low {
        limits::MEMORY_RESERVE + limits::MEMORY_RESERVE / 2
    } else {
        limits::MEMORY_RESERVE
    };
    available.is_some_and(|bytes| bytes < enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_closes_at_the_limit_and_opens_below_it() {
        let limit = limits::DESCRIPTORS_RESERVED + 160;
        let mut gate = Gate::default();
        assert!(!gate.closes(159, limit));
        assert!(gate.closes(160, limit));
        assert!(gate.closes(151, limit));
        assert!(!gate.closes(150, limit));
        assert!(!gate.closes(159, limit));
    }

    #[test]
    fn a_limit_that_changes_counts_at_once() {
        let mut gate = Gate::default();
        assert!(!gate.closes(1_000, 65_536));
        assert!(gate.closes(1_000, 1_024));
        assert!(!gate.closes(1_000, 65_536));
    }

    #[test]
    fn a_failure_of_the_kernel_counts_for_a_while() {
        let mut gate = Gate::default();
        let now = Instant::now();
        assert_eq!(gate.shortage(0, now), None);

        gate.fail(&io::ErrorKind::OutOfMemory.into(), now);

        assert_eq!(gate.shortage(0, now), Some(Shortage::System));
        assert_eq!(gate.shortage(0, now + limits::SHORTAGE_MEMORY), None);
    }

    #[test]
    fn memory_is_low_below_the_reserve_until_there_is_half_as_much_again() {
        let reserve = limits::MEMORY_RESERVE;
        assert!(!is_low(Some(reserve), false));
        assert!(is_low(Some(reserve - 1), false));
        assert!(is_low(Some(reserve / 2 * 3 - 1), true));
        assert!(!is_low(Some(reserve / 2 * 3), true));
        assert!(!is_low(None, true), "nobody tells");
    }
}
