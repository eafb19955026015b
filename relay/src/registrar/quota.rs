//! How many new computer IDs a range of addresses may take in a day. Pure.
//!
//! Kept in memory only: a restart forgets it, and nobody outside can cause one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits;

const DAY_S: u64 = 24 * 3_600;

/// New IDs by range, today.
#[derive(Debug)]
pub(super) struct Quota {
    per_range: u32,
    /// Days since 1970.
    day: u64,
    /// INVARIANT: at most [`limits::CLAIM_RANGES_MAX`].
    taken: BTreeMap<IpAddr, u32>,
}

impl Quota {
    pub(super) fn new(per_range: u32) -> Self {
        Self {
            per_range,
            day: 0,
            taken: BTreeMap::new(),
        }
    }

    /// Changes the share of each range; what was taken today counts on.
    pub(super) fn set_per_range(&mut self, per_range: u32) {
        self.per_range = per_range;
    }

    /// Whether `from` may take one more.
    pub(super) fn has_room(&mut self, from: IpAddr, now: u64) -> bool {
        self.turn_to(now / DAY_S);
        match self.taken.get(&range(from)) {
            Some(taken) => *taken < self.per_range,
            None => self.per_range > 0 && self.taken.len() < limits::CLAIM_RANGES_MAX,
        }
    }

    /// Counts one for `from`, after [`Self::has_room`] has said yes.
    pub(super) fn charge(&mut self, from: IpAddr, now: u64) {
        self.turn_to(now / DAY_S);
        *self.taken.entry(range(from)).or_default() += 1;
    }

    fn turn_to(&mut self, day: u64) {
        if self.day != day {
            self.day = day;
            self.taken.clear();
        }
    }
}

/// The first address of the /24 or /56 around an address: about what one household or office has.
fn range(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - 56);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_range_gets_its_share_each_day_and_no_more() {
        let mut quota = Quota::new(2);
        for last in [1, 200] {
            let from = IpAddr::from([192, 0, 2, last]);
            assert!(quota.has_room(from, 0));
            quota.charge(from, 0);
        }

        assert!(!quota.has_room(address("192.0.2.77"), DAY_S - 1));
        assert!(
            !quota.has_room(address("::ffff:192.0.2.77"), 0),
            "the same address in IPv6 clothes"
        );
        assert!(quota.has_room(address("192.0.3.77"), 0));
        assert!(quota.has_room(address("192.0.2.77"), DAY_S));
    }

    #[test]
    fn ipv6_counts_by_56_bits() {
        let mut quota = Quota::new(1);
        quota.charge(address("2001:db8:0:1200::1"), 0);

        assert!(!quota.has_room(address("2001:db8:0:12ff::1"), 0));
        assert!(quota.has_room(address("2001:db8:0:1300::1"), 0));
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let mut quota = Quota::new(2);
        let address = |index: usize| {
            IpAddr::from(Ipv4Addr::from_bits(
                u32::try_from(index << 8).expect("small"),
            ))
        };
        for index in 0..limits::CLAIM_RANGES_MAX {
            assert!(quota.has_room(address(index), 0));
            quota.charge(address(index), 0);
        }

        assert!(!quota.has_room(address(limits::CLAIM_RANGES_MAX), 0));
        assert!(quota.has_room(address(0), 0), "known ranges go on");
    }
}
