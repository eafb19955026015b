//! Figures of the data plane: counted by one worker each, read by anybody, locked by nobody.

use std::sync::atomic::{AtomicU64, Ordering};

use super::leg::{Both, Direction};
use super::pipe::PipePool;
use super::reason::EndReason;

/// The figures of all workers at about one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub sessions_now: u64,
    pub sessions_joined: u64,
    /// Ended sessions, in the order of [`EndReason::ALL`].
    pub ended: [u64; EndReason::ALL.len()],
    pub bytes: Both<u64>,
    pub bytes_spliced: u64,
    pub bytes_copied: u64,
    pub splice_calls: u64,
    pub copy_calls: u64,
    pub pipes_in_use: u64,
    pub pipes_idle: u64,
    /// Reads that went through the buffer because no pipe was left.
    pub pipe_shortages: u64,
    /// Events for sessions that were over already.
    pub stale_events: u64,
    /// Commands that found a worker's mailbox full.
    pub mailbox_refusals: u64,
}

impl Stats {
    pub fn ended_for(&self, reason: EndReason) -> u64 {
        self.ended.get(reason.index()).copied().unwrap_or(0)
    }
}

/// The figures of one worker.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) joined: Counter,
    ended: [Counter; EndReason::ALL.len()],
    bytes: Both<Counter>,
    bytes_spliced: Counter,
    bytes_copied: Counter,
    pub(super) splice_calls: Counter,
    pub(super) copy_calls: Counter,
    pipes_in_use: Counter,
    pipes_idle: Counter,
    pub(super) pipe_shortages: Counter,
    pub(super) stale_events: Counter,
}

/// A figure with a single writer, so that adding needs no locked instruction.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counters {
    pub(super) fn add_spliced(&self, direction: Direction, bytes: usize) {
        self.bytes_spliced.add(widen(bytes));
        self.bytes.get(direction).add(widen(bytes));
    }

    pub(super) fn add_copied(&self, direction: Direction, bytes: usize) {
        self.bytes_copied.add(widen(bytes));
        self.bytes.get(direction).add(widen(bytes));
    }

    pub(super) fn add_ended(&self, reason: EndReason) {
        if let Some(counter) = self.ended.get(reason.index()) {
            counter.add(1);
        }
    }

    pub(super) fn set_pipes(&self, pool: &PipePool) {
        self.pipes_in_use.set(widen(pool.in_use()));
        self.pipes_idle.set(widen(pool.idle()));
    }

    pub(super) fn add_to(&self, stats: &mut Stats) {
        for (sum, counter) in stats.ended.iter_mut().zip(&self.ended) {
            *sum += counter.get();
        }
        stats.sessions_joined += self.joined.get();
        stats.bytes.to_host += self.bytes.to_host.get();
        stats.bytes.to_client += self.bytes.to_client.get();
        stats.bytes_spliced += self.bytes_spliced.get();
        stats.bytes_copied += self.bytes_copied.get();
        stats.splice_calls += self.splice_calls.get();
        stats.copy_calls += self.copy_calls.get();
        stats.pipes_in_use += self.pipes_in_use.get();
        stats.pipes_idle += self.pipes_idle.get();
        stats.pipe_shortages += self.pipe_shortages.get();
        stats.stale_events += self.stale_events.get();
    }
}

impl Counter {
    /// Adds; only the worker that owns the counter may.
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
