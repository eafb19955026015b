//! The coarse timer of a worker and its walk over the table in small parts.
//!
//! Pure: time and table size enter as arguments.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::limits;

/// When to look again, and which places are left of a walk.
#[derive(Debug)]
pub(super) struct Sweep {
    due: Instant,
    /// The next place of a walk under way.
    next_place: Option<usize>,
}

impl Sweep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now + limits::BEAT,
            next_place: None,
        }
    }

    /// Starts a walk over the whole table, from the beginning if one is under way.
    pub(super) fn start(&mut self) {
        self.next_place = Some(0);
    }

    /// How long the worker may sleep.
    pub(super) fn timeout(&self) -> Duration {
        if self.next_place.is_some() {
            limits::SWEEP_PAUSE
        } else {
            limits::BEAT
        }
    }

    /// The places to visit now, or `None` if it is not time yet.
    ///
    /// The range is empty when only the beat was due.
    pub(super) fn poll(&mut self, now: Instant, places: usize) -> Option<Range<usize>> {
        let walking = self.next_place.is_some();
        // A walk that was started meanwhile does not wait for a beat.
        if now < self.due && !(walking && self.due > now + limits::SWEEP_PAUSE) {
            return None;
        }
        let range = match self.next_place {
            Some(from) => from..places.min(from + limits::SWEEP_PER_TURN).max(from),
            None => 0..0,
        };
        self.next_place = (walking && range.end < places).then_some(range.end);
        self.due = now + self.timeout();
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_walk_there_is_one_empty_turn_a_beat() {
        let start = Instant::now();
        let mut sweep = Sweep::new(start);

        assert_eq!(sweep.poll(start, 100), None);
        assert_eq!(sweep.poll(start + limits::BEAT, 100), Some(0..0));
        assert_eq!(sweep.poll(start + limits::BEAT, 100), None);
    }

    #[test]
    fn a_walk_visits_every_place_once_with_pauses() {
        let mut now = Instant::now();
        let mut sweep = Sweep::new(now);
        let places = 2 * limits::SWEEP_PER_TURN + 1;
        sweep.start();

        let mut visited = Vec::new();
        while let Some(range) = sweep.poll(now, places) {
            visited.extend(range);
            assert_eq!(
                sweep.poll(now, places),
                None,
                "no second turn without a pause"
            );
            now += limits::SWEEP_PAUSE;
        }

        assert_eq!(visited, (0..places).collect::<Vec<_>>());
        assert_eq!(sweep.timeout(), limits::BEAT);
    }
}
