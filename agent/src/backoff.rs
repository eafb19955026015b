//! How long to wait before the next attempt. Pure: no clock, and randomness by seed.
//!
//! Full jitter between nothing and a cap that doubles, so that a thousand hosts which lose
//! their board at once do not come back at once. What the relay asks for is a floor.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The cap of a client's first delay: somebody waits in front of it.
const FIRST_OF_CLIENT: Duration = Duration::from_secs(1);
/// The cap of a host's first delay. A full board has 5,000 hosts, which come back with some 1,700
/// attempts a second: it answers them as they come (docs/BENCHMARKS.md). All within one second would
/// be more than it can, and attempts that are given up cost it most.
const FIRST_OF_HOST: Duration = Duration::from_secs(3);
/// No delay of ours is longer: with the handshake, hosts are back within half a minute of a board
/// that serves again. A thousand of them make 80 attempts a second then, of which a board of ours
/// takes many times more.
const LONGEST: Duration = Duration::from_secs(24);
/// A link that was up for this long shows that the failures before it are over.
const STABLE: Duration = Duration::from_secs(60);
/// A relay that says "never" is asked again once an hour: operators change their minds.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// What is left of such a wish when the network changes: a PC whose network changes all the time
/// asks no more often than one whose link does not hold.
const WISH_AFTER_CHANGE: Duration = Duration::from_secs(24);

/// Delays between the attempts of one host or client.
#[derive(Debug)]
pub struct Backoff {
    jitter: StdRng,
    first: Duration,
    /// What the next delay stays below.
    cap: Duration,
    relay_asked: bool,
}

impl Backoff {
    /// A host's; `seed` decides the jitter.
    pub fn of_host(seed: u64) -> Self {
        Self::new(seed, FIRST_OF_HOST)
    }

    /// A client's.
    pub fn of_client(seed: u64) -> Self {
        Self::new(seed, FIRST_OF_CLIENT)
    }

    fn new(seed: u64, first: Duration) -> Self {
        Self {
            jitter: StdRng::seed_from_u64(seed),
            first,
            cap: first,
            relay_asked: false,
        }
    }

    /// The delay before the next attempt; `retry_after` is what the relay asked for, if it did.
    pub fn next_delay(&mut self, retry_after: Option<Duration>) -> Duration {
        let jitter = self.jitter.gen_range(Duration::ZERO..=self.cap);
        self.cap = (self.cap * 2).min(LONGEST);
        let floor = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        self.relay_asked = !floor.is_zero();
        floor + jitter
    }

    /// A link was up for that long: a long one forgets the failures before it.
    pub fn held(&mut self, duration: Duration) {
        if duration >= STABLE {
            self.cap = self.first;
        }
    }

    /// The network has changed, so past failures mean nothing. Says how long the delay that runs
    /// now may still last: a relay's wish a little, since it may have been meant for the address
    /// that this PC had.
    pub fn wake(&mut self) -> Duration {
        self.cap = self.first;
        if self.relay_asked {
            WISH_AFTER_CHANGE
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 0x7a5_0ff1ce;

    fn delays(backoff: &mut Backoff, count: usize) -> Vec<Duration> {
        (0..count).map(|_| backoff.next_delay(None)).collect()
    }

    #[test]
    fn delays_stay_below_a_cap_that_doubles() {
        let mut backoff = Backoff::of_host(SEED);

        let delays = delays(&mut backoff, 200);

        let caps = [3, 6, 12, 24, 24];
        for (delay, cap) in delays.iter().zip(caps) {
            assert!(
                *delay <= Duration::from_secs(cap),
                "{delay:?} above {cap} s, seed {SEED}"
            );
        }
        let longest = delays.iter().max().expect("200 delays");
        assert!(*longest <= LONGEST, "{longest:?}, seed {SEED}");
        assert!(
            *longest > LONGEST / 2,
            "{longest:?} is no full jitter, seed {SEED}"
        );
        let shortest = delays[8..].iter().min().expect("192 delays");
        assert!(
            *shortest < LONGEST / 8,
            "{shortest:?} is no full jitter, seed {SEED}"
        );
    }

    #[test]
    fn somebody_waits_for_a_client() {
        let first = |mut backoff: Backoff| backoff.next_delay(None);
        let seeds = || SEED..SEED + 100;

        let client = seeds().map(Backoff::of_client).map(first).max();
        let host = seeds().map(Backoff::of_host).map(first).max();

        assert!(client.expect("100 delays") <= FIRST_OF_CLIENT);
        assert!(host.expect("100 delays") > FIRST_OF_HOST / 2);
    }

    #[test]
    fn same_seed_gives_the_same_delays_and_another_seed_others() {
        let first = delays(&mut Backoff::of_host(SEED), 8);

        assert_eq!(first, delays(&mut Backoff::of_host(SEED), 8));
        assert_ne!(first, delays(&mut Backoff::of_host(SEED + 1), 8));
    }

    #[test]
    fn relay_delay_is_a_floor_and_at_most_an_hour() {
        let mut backoff = Backoff::of_host(SEED);

        let asked = backoff.next_delay(Some(Duration::from_secs(300)));
        let never = backoff.next_delay(Some(Duration::from_secs(u64::from(u32::MAX))));

        assert!(
            (Duration::from_secs(300)..=Duration::from_secs(300) + FIRST_OF_HOST).contains(&asked)
        );
        assert!(never >= RETRY_AFTER_MAX && never <= RETRY_AFTER_MAX + LONGEST);
    }

    #[test]
    fn only_a_link_held_for_a_minute_forgets_failures() {
        let mut backoff = Backoff::of_host(SEED);
        delays(&mut backoff, 10);

        backoff.held(STABLE - Duration::from_millis(1));
        assert_eq!(backoff.cap, LONGEST);

        backoff.held(STABLE);
        assert_eq!(backoff.cap, FIRST_OF_HOST);
    }

    #[test]
    fn network_change_ends_our_delay_and_shortens_the_relays() {
        let mut backoff = Backoff::of_host(SEED);

        delays(&mut backoff, 10);
        assert_eq!(backoff.wake(), Duration::ZERO);
        assert!(backoff.next_delay(None) <= FIRST_OF_HOST);

        backoff.next_delay(Some(Duration::from_secs(3600)));
        assert_eq!(backoff.wake(), WISH_AFTER_CHANGE);
    }
}
