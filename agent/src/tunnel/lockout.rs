//! Counts password tries, so that guessing costs time and strangers cannot lock the owner out.

use std::time::Duration;

use super::host::Attempt;

/// All counters of one host. `now` is the time since any fixed moment, and never runs back.
#[derive(Debug, Default)]
pub struct Lockout {}

impl Lockout {
    /// Charges one try.
    ///
    /// # Errors
    /// How long to wait before the next try; nothing was charged.
    pub fn charge(&mut self, attempt: &Attempt, now: Duration) -> Result<(), Duration> {
        let _ = (attempt, now);
        unimplemented!()
    }

    /// Takes one charge back after a right password.
    pub fn refund(&mut self, attempt: &Attempt) {
        let _ = attempt;
        unimplemented!()
    }
}
