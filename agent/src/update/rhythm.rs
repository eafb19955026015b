//! When to look for a newer version. Pure.

use std::time::{Duration, SystemTime};

/// After an answer.
pub(super) const AFTER_ANSWER: Duration = Duration::from_secs(24 * 3600);
/// As long as nothing answers, or nothing that is believed: a PC is often started before it is
/// in a network.
pub(super) const AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// Whether it is time; `next` is what was noted the last time. A clock that was set back does not
/// keep anybody waiting for longer than a day.
pub(super) fn is_due(next: Option<SystemTime>, now: SystemTime) -> bool {
    next.is_none_or(|next| {
        let wait = next.duration_since(now).unwrap_or_default();
        wait.is_zero() || wait > AFTER_ANSWER
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_time_after_the_noted_hour_and_when_the_clock_makes_no_sense() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let second = Duration::from_secs(1);

        assert!(is_due(None, now), "never asked");
        assert!(is_due(Some(now), now));
        assert!(is_due(Some(now - second), now));
        assert!(!is_due(Some(now + second), now));
        assert!(!is_due(Some(now + AFTER_ANSWER), now));
        assert!(is_due(Some(now + AFTER_ANSWER + second), now), "set back");
    }
}
