//! What a load thread has counted.

use crate::load::flow::Arrived;
use crate::load::shared::{Shared, count};
use crate::report::{Ends, Faults, Recorder};

/// Counts of one thread, or of all of them together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Sessions that began in the measured time.
    pub(crate) begun: u64,
    pub(crate) latency: Recorder,
    pub(crate) lag: Recorder,
    pub(crate) ends: Ends,
    pub(crate) faults: Faults,
    /// Share of the measured time that the busiest thread ran.
    pub(crate) busy: f64,
}

impl Tally {
    /// A message is complete.
    pub(crate) fn arrived(&mut self, message: Arrived, now: u64, shared: &Shared) {
        count(&shared.messages, 1);
        if !shared.counts(message.at) {
            return;
        }
        self.messages += 1;
        self.bytes += u64::from(message.bytes);
        if !message.excused {
            self.latency.record(delay(message.at, now));
        }
    }

    /// A message goes out that was meant to go out at `at`.
    pub(crate) fn left(&mut self, at: u64, now: u64, shared: &Shared) {
        if shared.counts(at) {
            self.lag.record(delay(at, now));
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.begun += other.begun;
        self.latency.add(&other.latency);
        self.lag.add(&other.lag);
        self.ends.add(other.ends);
        self.faults.add(other.faults);
        self.busy = self.busy.max(other.busy);
    }
}

fn delay(from: u64, to: u64) -> std::time::Duration {
    std::time::Duration::from_nanos(to.saturating_sub(from))
}
