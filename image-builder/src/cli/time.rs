//! Times as an operator reads them.

use jiff::Timestamp;

/// Shorter than this, and a certificate's end is worth a warning.
pub(super) const SOON_DAYS: i64 = 30;

/// Now, in whole seconds as certificates count.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Whole days from `now` to `then`; negative when it is over.
pub(super) fn days_until(then: Timestamp, now: Timestamp) -> i64 {
    then.duration_since(now).as_secs().div_euclid(24 * 60 * 60)
}

/// The date in UTC, as 2026-01-31.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
