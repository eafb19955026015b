//! How often the log tells of calls that came to nothing.
//!
//! Strangers choose how often they call, and every line lies on the office PC's disk for months.

use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

/// Lines at once.
const LINES_MAX: u32 = 60;
/// Time after which one more line is allowed: some 10 MB a day at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// Says which calls are told of, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When all lines so far are forgiven.
    forgiven_at: Option<Instant>,
    untold: u64,
}

impl Pace {
    /// If this call may be told of: how many were not, since the last that was.
    pub(super) fn tell(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let forgiven_at = state.forgiven_at.map_or(now, |at| at.max(now)) + INTERVAL;
        if forgiven_at > now + INTERVAL * LINES_MAX {
            state.untold += 1;
            return None;
        }
        state.forgiven_at = Some(forgiven_at);
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_calls_leaves_a_line_a_second_and_the_number_of_the_others() {
        let (pace, began) = (Pace::default(), Instant::now());
        let calls = (0..10_000).map(|call| began + Duration::from_millis(call));

        let told: Vec<u64> = calls.filter_map(|now| pace.tell(now)).collect();

        // 60 at once, and one for each of the ten seconds but the first.
        assert_eq!(told.len(), 69);
        assert!(told[..60].iter().all(|untold| *untold == 0));
        assert_eq!(told[61..], [999; 8]);
    }
}
