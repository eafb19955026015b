//! Counts password tries, so that guessing costs time and strangers cannot lock the owner out.
//!
//! Pure: time comes in, nothing is kept on disk. Every try is charged before it is made and
//! taken back when it succeeds. Delays double from a second up to a longest one.
//!
//! - A caller with a return tag of this host has a counter of its own and no other: nothing
//!   that strangers do delays it.
//! - All others share counters by address (/32, /64), by user and for the whole host. The
//!   latter two run in two lanes: callers from networks (/24, /48) that have tried less than
//!   [`FRESH_TRIES`] times in a day, and the rest. So strangers wear out their own lane: an
//!   owner without a tag, on a network of its own, waits seconds while strangers call from
//!   one network, and at most nine minutes (three tries of three minutes) for each network
//!   that they can call from.
//! - Against strangers on thousands of networks no rule can tell the owner apart; then the
//!   tag, given at every success, is the only way in.
//!
//! However many strangers try, about fifty guesses get through in the first hour, and
//! twenty-six in each later one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::host::Attempt;

/// Tries of one network in a day that count as those of a newcomer.
const FRESH_TRIES: u32 = 3;
/// Counters kept. Only a charged try makes any, at most four, so that it takes days to make
/// the host forget one; the one longest unused goes first.
const COUNTERS_MAX: usize = 8 * 1024;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// All counters of one host. `now` is the time since any fixed moment, and never runs back.
#[derive(Debug, Default)]
pub struct Lockout {
    counters: BTreeMap<Key, Counter>,
}

impl Lockout {
    /// Charges one try.
    ///
    /// # Errors
    /// How long to wait before the next try; nothing was charged.
    pub fn charge(&mut self, attempt: &Attempt, now: Duration) -> Result<(), Duration> {
        let keys = self.keys(attempt, now);
        let waits = keys.iter().map(|key| self.wait(key, now));
        let wait = waits.max().unwrap_or_default();
        if wait > Duration::ZERO {
            return Err(wait);
        }
        for key in keys {
            self.count(key, now);
        }
        Ok(())
    }

    /// Takes one charge back after a right password.
    pub fn refund(&mut self, attempt: &Attempt) {
        // As the lane was before this try was charged.
        let network = Key::network(attempt.address);
        self.take_back(&network);
        for key in self.keys(attempt, Duration::ZERO) {
            match key {
                // Whoever knows the password may have mistyped it before.
                Key::Tag(_) | Key::Address(_) => drop(self.counters.remove(&key)),
                Key::Network(_) => {}
                Key::User(..) | Key::Host(_) => self.take_back(&key),
            }
        }
    }

    /// Everything that counts this try.
    fn keys(&self, attempt: &Attempt, now: Duration) -> Vec<Key> {
        if let Some(tag) = attempt.tag {
            return vec![Key::Tag(tag)];
        }
        let network = Key::network(attempt.address);
        let fresh = self.tries(&network, now) < FRESH_TRIES;
        let lane = if fresh { Lane::Fresh } else { Lane::Worn };
        vec![
            Key::address(attempt.address),
            network,
            Key::User(lane, attempt.user.as_str().to_owned()),
            Key::Host(lane),
        ]
    }

    fn wait(&self, key: &Key, now: Duration) -> Duration {
        let policy = key.policy();
        let Some(over) = self.tries(key, now).checked_sub(policy.free) else {
            return Duration::ZERO;
        };
        let seconds = 1_u64.checked_shl(over).unwrap_or(u64::MAX);
        let delay = Duration::from_secs(seconds).min(policy.longest);
        let last = self.counters.get(key).map_or(now, |counter| counter.last);
        last.saturating_add(delay).saturating_sub(now)
    }

    /// Charged tries that are not forgotten yet.
    fn tries(&self, key: &Key, now: Duration) -> u32 {
        let remembered =
            |counter: &&Counter| now.saturating_sub(counter.last) < key.policy().forget;
        let counter = self.counters.get(key).filter(remembered);
        counter.map_or(0, |counter| counter.tries)
    }

    fn count(&mut self, key: Key, now: Duration) {
        let tries = self.tries(&key, now).saturating_add(1);
        self.counters.insert(key, Counter { tries, last: now });
        if self.counters.len() > COUNTERS_MAX {
            let oldest = self.counters.iter().min_by_key(|(_, counter)| counter.last);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.counters.remove(&key);
            }
        }
    }

    fn take_back(&mut self, key: &Key) {
        if let Some(counter) = self.counters.get_mut(key) {
            counter.tries = counter.tries.saturating_sub(1);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    tries: u32,
    last: Duration,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Tag([u8; 8]),
    Address(Ipv6Addr),
    Network(Ipv6Addr),
    User(Lane, String),
    Host(Lane),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Fresh,
    Worn,
}

/// How tries become delays.
struct Policy {
    /// Tries before the first delay.
    free: u32,
    longest: Duration,
    /// A counter that rests this long starts anew.
    forget: Duration,
}

impl Key {
    fn address(address: IpAddr) -> Self {
        Self::Address(prefix(address, 32, 64))
    }

    fn network(address: IpAddr) -> Self {
        Self::Network(prefix(address, 24, 48))
    }

    fn policy(&self) -> Policy {
        let policy = |free, minutes: u64, forget| Policy {
            free,
            longest: Duration::from_secs(minutes * 60),
            forget,
        };
        match self {
            Self::Tag(_) => policy(5, 5, HOUR),
            Self::Address(_) => policy(5, 15, HOUR),
            // Decides the lane, delays nobody by itself.
            Self::Network(_) => policy(u32::MAX, 0, DAY),
            Self::User(Lane::Fresh, _) | Self::Host(Lane::Fresh) => policy(3, 3, HOUR),
            Self::User(Lane::Worn, _) | Self::Host(Lane::Worn) => policy(3, 10, HOUR),
        }
    }
}

/// The first `v4` or `v6` bits of an address, the rest zero.
fn prefix(address: IpAddr, v4: u32, v6: u32) -> Ipv6Addr {
    let (bits, length) = match address.to_canonical() {
        IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 96 + v4),
        IpAddr::V6(address) => (address.to_bits(), v6),
    };
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or_default();
    Ipv6Addr::from_bits(bits & mask)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use protocol::text::Text;

    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    fn from(address: [u8; 4]) -> Attempt {
        Attempt {
            address: Ipv4Addr::from(address).into(),
            user: Text::default(),
            tag: None,
        }
    }

    fn tagged(tag: u8) -> Attempt {
        Attempt {
            tag: Some([tag; 8]),
            ..from([192, 0, 2, 1])
        }
    }

    /// The stranger that tries at this tick, on one of `networks` networks.
    fn stranger(tick: u32, networks: u32) -> Attempt {
        let [_, second, third, _] = ((tick % networks) << 8).to_be_bytes();
        from([11, second, third, 1])
    }

    /// A thousand tries a second for an hour: gives how many got through, and what `owner`
    /// met with, who tries every minute and knows the password.
    fn siege(networks: u32, owner: &Attempt) -> (u32, Vec<Result<(), Duration>>) {
        let mut lockout = Lockout::default();
        let (mut guesses, mut met) = (0, Vec::new());
        for tick in 0..3_600_000 {
            let now = TICK * tick;
            // A refused try changes nothing, so once refusals are long most can be left out.
            if tick < 60_000 || tick % 64 == 0 {
                let through = lockout.charge(&stranger(tick, networks), now).is_ok();
                guesses += u32::from(through);
            }
            if tick % 60_000 == 59_999 {
                let result = lockout.charge(owner, now);
                if result.is_ok() {
                    lockout.refund(owner);
                }
                met.push(result);
            }
        }
        (guesses, met)
    }

    #[test]
    fn a_thousand_tries_a_second_from_one_address_are_a_dozen_guesses_an_hour() {
        let owner = from([10, 0, 0, 1]);

        let (guesses, met) = siege(1, &owner);

        println!("{guesses} guesses");
        assert!((5..=20).contains(&guesses), "{guesses}");
        assert!(met.iter().all(Result::is_ok), "{met:?}");
    }

    #[test]
    fn a_thousand_tries_a_second_from_everywhere_are_a_few_dozen_guesses_an_hour() {
        let (guesses, met) = siege(10_000, &tagged(1));

        println!("{guesses} guesses");
        assert!((10..=60).contains(&guesses), "{guesses}");
        assert!(met.iter().all(Result::is_ok), "{met:?}");
    }

    #[test]
    fn an_owner_without_tag_gets_in_when_the_networks_of_the_strangers_are_worn() {
        const NETWORKS: u32 = 5;
        let mut lockout = Lockout::default();
        let owner = from([10, 0, 0, 1]);
        let mut now = Duration::ZERO;
        let bound = FRESH_TRIES * NETWORKS * Duration::from_secs(3 * 60);

        // At each moment all strangers are quicker than the owner.
        for tick in 1.. {
            now = TICK * 100 * tick;
            assert!(now < bound, "not in after {now:?}");
            for network in 0..NETWORKS {
                let _ = lockout.charge(&stranger(network, NETWORKS), now);
            }
            if lockout.charge(&owner, now).is_ok() {
                break;
            }
        }

        println!("in after {now:?}");
    }

    #[test]
    fn delays_double_to_the_longest_and_are_forgotten_after_rest() {
        let mut lockout = Lockout::default();
        let owner = tagged(1);
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();

        for _ in 0..18 {
            let wait = lockout.charge(&owner, now).err().unwrap_or_default();
            waits.push(wait.as_secs());
            if wait > Duration::ZERO {
                now += wait;
                lockout.charge(&owner, now).unwrap();
            }
        }

        let expected = [
            0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300,
        ];
        assert_eq!(waits, expected);
        assert_eq!(
            lockout.charge(&owner, now + TICK),
            Err(Duration::from_secs(300) - TICK)
        );
        assert_eq!(lockout.charge(&owner, now + HOUR), Ok(()));
        assert_eq!(lockout.charge(&owner, now + HOUR), Ok(()));
    }

    #[test]
    fn success_takes_the_charge_back() {
        let mut lockout = Lockout::default();
        for owner in [tagged(1), from([10, 0, 0, 1])] {
            for _ in 0..1_000 {
                lockout.charge(&owner, Duration::ZERO).unwrap();
                lockout.refund(&owner);
            }
        }
    }

    #[test]
    fn a_charge_is_not_a_refund_of_another_users_or_tags() {
        let mut lockout = Lockout::default();
        for _ in 0..5 {
            lockout.charge(&tagged(1), Duration::ZERO).unwrap();
        }

        lockout.refund(&tagged(2));

        assert!(lockout.charge(&tagged(1), Duration::ZERO).is_err());
        assert!(lockout.charge(&tagged(2), Duration::ZERO).is_ok());
    }

    #[test]
    fn many_users_from_many_networks_share_the_hosts_counter() {
        let mut lockout = Lockout::default();
        let mut through = 0;
        for tick in 0..10_000 {
            let mut attempt = stranger(tick, 10_000);
            attempt.user = Text::lossy(&tick.to_string());
            through += u32::from(lockout.charge(&attempt, Duration::ZERO).is_ok());
        }
        assert_eq!(through, 3);
    }

    #[test]
    fn prefixes_are_those_of_a_subscriber_and_of_a_network() {
        let v6 = |text: &str| IpAddr::V6(text.parse().unwrap());
        let same = |one: IpAddr, other: IpAddr| {
            (
                Key::address(one) == Key::address(other),
                Key::network(one) == Key::network(other),
            )
        };

        assert_eq!(
            same(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::")),
            (true, true)
        );
        assert_eq!(
            same(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1")),
            (false, true)
        );
        assert_eq!(
            same(v6("2001:db8:1:2::1"), v6("2001:db8:2:2::1")),
            (false, false)
        );
        let v4 = |last: u8, third: u8| IpAddr::from([198, 51, third, last]);
        assert_eq!(same(v4(1, 100), v4(2, 100)), (false, true));
        assert_eq!(same(v4(1, 100), v4(1, 101)), (false, false));
        assert_eq!(same(v4(1, 100), v6("::ffff:198.51.100.1")), (true, true));
    }

    #[test]
    fn counters_are_bounded_and_the_longest_unused_goes_first() {
        let mut lockout = Lockout::default();
        for number in 0..=u64::try_from(COUNTERS_MAX).unwrap() {
            let attempt = Attempt {
                tag: Some(number.to_be_bytes()),
                ..tagged(0)
            };
            lockout
                .charge(&attempt, Duration::from_millis(number))
                .unwrap();
        }

        assert_eq!(lockout.counters.len(), COUNTERS_MAX);
        assert!(!lockout.counters.contains_key(&Key::Tag([0; 8])));
    }
}
