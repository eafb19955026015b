//! Bounded batching: while events come thick, a worker rests for a moment between two turns, and
//! small messages share what a wake-up costs.
//!
//! Pure: time enters as an argument. Nothing rests longer than [`limits::BATCH_MAX`], and a message
//! after a pause finds its worker in the poll, where nothing keeps it waiting.

use std::time::{Duration, Instant};

use crate::limits;

/// Decides after each turn of one worker.
#[derive(Debug)]
pub(super) struct Batching {
    last: Instant,
    /// Nanoseconds from one event to the next, smoothed over about [`WEIGHT`] turns.
    gap: u32,
}

const WEIGHT: u32 = 8;

const BOUND: u32 = limits::BATCH_MAX.subsec_nanos();

/// A longer silence counts as this many nanoseconds, so that one pause is not remembered for long.
const GAP_MAX: u32 = 2 * BOUND;

/// What is asked of the kernel, which wakes a thread up to 50 us late (`PR_SET_TIMERSLACK`,
/// `prctl(2)`).
const REST: Duration = limits::BATCH_MAX.saturating_sub(Duration::from_micros(50));

impl Batching {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last: now,
            gap: GAP_MAX,
        }
    }

    /// How long to rest after a turn that ended `now` and had so many events.
    ///
    /// Not at all when fewer than [`limits::BATCH_WORTH`] would come meanwhile, and not when so many
    /// came at once that they shared their wake-up anyway.
    pub(super) fn rest(&mut self, now: Instant, events: u32) -> Option<Duration> {
        if events == 0 {
            return None;
        }
        let passed = now.saturating_duration_since(self.last);
        self.last = now;
        let passed = match passed.as_secs() {
            0 => passed.subsec_nanos().min(GAP_MAX),
            _ => GAP_MAX,
        };
        self.gap = (self.gap * (WEIGHT - 1) + passed / events) / WEIGHT;
        let is_thick = self.gap * limits::BATCH_WORTH <= BOUND;
        (is_thick && events < limits::BATCH_ENOUGH).then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a worker does while events come this far apart: the rests it took, and the most that
    /// an event had to wait because of one. Turns take no time of their own.
    fn worker(gap: Duration, events: u32) -> (u32, Duration) {
        let start = Instant::now();
        let mut batching = Batching::new(start);
        let (mut rests, mut longest) = (0, Duration::ZERO);
        let mut now = start;
        let mut next = 0;
        while next < events {
            // The poll returns when the next event is there.
            now = now.max(start + gap * next);
            let first = next;
            while next < events && start + gap * next <= now {
                next += 1;
            }
            longest = longest.max(now - (start + gap * first));
            if let Some(rest) = batching.rest(now, next - first) {
                rests += 1;
                now += rest;
            }
        }
        (rests, longest)
    }

    #[test]
    fn few_events_never_wait() {
        for micros in [110, 150, 300, 1_000, 40_000] {
            let (rests, longest) = worker(Duration::from_micros(micros), 1_000);
            assert_eq!((rests, longest), (0, Duration::ZERO), "{micros} us apart");
        }
    }

    #[test]
    fn many_events_share_turns_and_wait_no_longer_than_the_bound() {
        let (rests, longest) = worker(Duration::from_micros(80), 10_000);

        assert!((2_000..4_000).contains(&rests), "{rests} turns");
        assert!(longest <= limits::BATCH_MAX, "{longest:?}");
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_batch_enough() {
        let start = Instant::now();
        let mut batching = Batching::new(start);
        for turn in 1..100 {
            let now = start + Duration::from_micros(100) * turn;
            assert_eq!(batching.rest(now, limits::BATCH_ENOUGH), None);
        }
    }

    #[test]
    fn after_a_pause_it_takes_more_than_one_event_to_rest() {
        let start = Instant::now();
        let mut batching = Batching::new(start);
        let mut now = start;
        while batching.rest(now, 1).is_none() {
            now += Duration::from_micros(50);
        }
        // Turns that only kept time are no events.
        now += Duration::from_secs(1);
        assert_eq!(batching.rest(now, 0), None);
        assert_eq!(batching.rest(now, 1), None);
        now += Duration::from_micros(50);
        assert_eq!(batching.rest(now, 1), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_rest_is_longer_than_the_bound(
            turns in proptest::collection::vec((0_u64..u64::MAX >> 20, any::<u32>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut batching = Batching::new(now);
            for (nanos, events) in turns {
                now += Duration::from_nanos(nanos);
                if let Some(rest) = batching.rest(now, events) {
                    prop_assert!(rest <= limits::BATCH_MAX);
                }
            }
        }
    }
}
