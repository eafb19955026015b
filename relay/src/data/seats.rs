//! The one bound on sessions that all workers share.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Seats for sessions, taken by control at the join and released by the worker at the reap.
#[derive(Debug)]
pub(super) struct Seats {
    taken: AtomicUsize,
    max: usize,
}

impl Seats {
    pub(super) fn new(max: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            max,
        }
    }

    /// Takes a seat; `false` when there is none.
    pub(super) fn take(&self) -> bool {
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.max).then_some(taken + 1)
            })
            .is_ok()
    }

    pub(super) fn release(&self) {
        let before = self.taken.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a seat was released twice");
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seat_is_given_and_one_more_is_not() {
        let seats = Seats::new(2);
        assert!(seats.take() && seats.take());
        assert!(!seats.take());

        seats.release();
        assert!(seats.take());
        assert_eq!(seats.taken(), 2);
    }
}
