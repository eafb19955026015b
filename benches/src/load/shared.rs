//! What the threads of a load and whoever watches it tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// A load in progress. Times are nanoseconds since `epoch`.
#[derive(Debug)]
pub(crate) struct Shared {
    epoch: Instant,
    from: AtomicU64,
    until: AtomicU64,
    closing: AtomicBool,
    pub(crate) live: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) faults: AtomicU64,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            from: AtomicU64::new(u64::MAX),
            until: AtomicU64::new(u64::MAX),
            closing: AtomicBool::new(false),
            live: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the load began; they last for centuries.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Messages count from now on.
    pub(crate) fn begin(&self) {
        self.from.store(self.now(), Ordering::Relaxed);
    }

    /// Messages that are meant to be sent from now on do not count.
    pub(crate) fn end(&self) {
        self.until.store(self.now(), Ordering::Relaxed);
    }

    /// Whether a message that is meant to be sent at this time counts.
    pub(crate) fn counts(&self, at: u64) -> bool {
        self.from.load(Ordering::Relaxed) <= at && at < self.until.load(Ordering::Relaxed)
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.from.load(Ordering::Relaxed) != u64::MAX
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.until.load(Ordering::Relaxed) != u64::MAX
    }

    /// Sessions end in good form, and nothing follows them.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// Adds to a number that only tells how things go.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
