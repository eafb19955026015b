//! How often whom failed lately: a bounded table of leaky buckets.
//!
//! An IPv4 address counts alone; an IPv6 address counts with its /64, and once more, more loosely,
//! with its /48, because that is what a stranger can get for nothing.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits;

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::control) enum Attempt {
    Handshake,
    Lookup,
    Ticket,
}

/// How many a second, and how many at once, for each kind of attempt.
#[derive(Debug, Clone, Copy)]
pub(in crate::control) struct Rates {
    pub(in crate::control) handshakes: (u32, u32),
    pub(in crate::control) lookups: (u32, u32),
    pub(in crate::control) tickets: (u32, u32),
}

/// Addresses that count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::control) enum Group {
    /// One IPv4 address, or one /64.
    Narrow(u128),
    /// One IPv4 address again, or one /48.
    Wide(u128),
}

impl Group {
    /// The groups of an address, the narrow one first.
    pub(in crate::control) fn of(address: IpAddr) -> [Self; 2] {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_ipv6_mapped().to_bits();
                [Self::Narrow(bits), Self::Wide(bits)]
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                [Self::Narrow(bits >> 64 << 64), Self::Wide(bits >> 80 << 80)]
            }
        }
    }

    /// What this group may have where one address may have `per_address`.
    pub(super) fn share(self, per_address: usize) -> usize {
        match self {
            Self::Narrow(_) => per_address,
            Self::Wide(_) => per_address.saturating_add(per_address / 2),
        }
    }

    fn factor(self) -> u32 {
        match self {
            Self::Narrow(_) => 1,
            Self::Wide(_) => limits::WIDE_FACTOR,
        }
    }
}

/// Failures of the groups that failed most lately.
///
/// INVARIANT: never more entries than at the start. Where a set is full, the least guilty entry
/// is forgotten; which set a group falls into is secret, so nobody can aim at somebody's entry.
#[derive(Debug)]
pub(super) struct Sources {
    sets: Vec<[Option<Source>; limits::SOURCES_PER_SET]>,
    hasher: RandomState,
    rates: Rates,
    start: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    group: Group,
    /// Since the start.
    at: Duration,
    /// Thousandths of an attempt, by kind.
    owed: [u64; 3],
}

impl Rates {
    fn of(self, attempt: Attempt) -> (u32, u32) {
        match attempt {
            Attempt::Handshake => self.handshakes,
            Attempt::Lookup => self.lookups,
            Attempt::Ticket => self.tickets,
        }
    }
}

impl Attempt {
    const ALL: [Self; 3] = [Self::Handshake, Self::Lookup, Self::Ticket];

    fn index(self) -> usize {
        match self {
            Self::Handshake => 0,
            Self::Lookup => 1,
            Self::Ticket => 2,
        }
    }
}

impl Sources {
    pub(super) fn new(sets: usize, rates: Rates, now: Instant) -> Self {
        Self {
            sets: vec![[None; 4]; sets.max(1)],
            hasher: RandomState::new(),
            rates,
            start: now,
        }
    }

    /// Notes a failure; whether it was within the rate for all groups of the address.
    pub(super) fn charge(&mut self, from: IpAddr, attempt: Attempt, now: Instant) -> bool {
        let groups = Group::of(from);
        // Not a short-circuit: every group is charged.
        let within = groups.map(|group| self.charge_group(group, attempt, now));
        within.into_iter().all(|within| within)
    }

    /// Whether a connection from there is to be closed unheard: never while failed handshakes are
    /// within the rate, then ever more often, up to three times of four.
    pub(super) fn turns_away(&self, from: IpAddr, chance: u16, now: Instant) -> bool {
        Group::of(from).into_iter().any(|group| {
            let (_, burst) = self.rates.of(Attempt::Handshake);
            let burst = thousandths(burst * group.factor());
            let owed = self.owed(group, Attempt::Handshake, now);
            let over = owed.saturating_sub(burst);
            u64::from(chance) * burst < over.min(burst) * u64::from(u16::MAX) / 4 * 3
        })
    }

    fn charge_group(&mut self, group: Group, attempt: Attempt, now: Instant) -> bool {
        let (_, burst) = self.rates.of(attempt);
        let burst = thousandths(burst * group.factor());
        let (at, rates, place) = (self.since_start(now), self.rates, self.place(group));
        let Some(set) = self.sets.get_mut(place) else {
            return true;
        };
        for entry in set.iter_mut().flatten() {
            entry.forgive(rates, at);
        }
        let known = set
            .iter()
            .position(|entry| entry.is_some_and(|entry| entry.group == group));
        let guilt = |entry: &Option<Source>| entry.map_or(0, |entry| entry.guilt() + 1);
        let index = known.unwrap_or_else(|| {
            (0..set.len())
                .min_by_key(|index| guilt(&set[*index]))
                .unwrap_or(0)
        });
        let fresh = Source {
            group,
            at,
            owed: [0; 3],
        };
        let mut entry = set[index]
            .filter(|entry| entry.group == group)
            .unwrap_or(fresh);
        let owed = &mut entry.owed[attempt.index()];
        // Twice the burst at most, so that whoever stops is soon forgiven.
        *owed = (*owed + thousandths(1)).min(burst * 2);
        let within = *owed <= burst;
        set[index] = Some(entry);
        within
    }

    fn owed(&self, group: Group, attempt: Attempt, now: Instant) -> u64 {
        let at = self.since_start(now);
        let entries = self
            .sets
            .get(self.place(group))
            .into_iter()
            .flatten()
            .flatten();
        let mut found = entries.copied().filter(|entry| entry.group == group);
        found.next().map_or(0, |mut entry| {
            entry.forgive(self.rates, at);
            entry.owed[attempt.index()]
        })
    }

    fn place(&self, group: Group) -> usize {
        let sets = u64::try_from(self.sets.len()).unwrap_or(u64::MAX);
        usize::try_from(self.hasher.hash_one(group) % sets).unwrap_or(0)
    }

    fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }
}

impl Source {
    /// Takes off what the time since the last look forgives.
    fn forgive(&mut self, rates: Rates, at: Duration) {
        let past = at.saturating_sub(self.at);
        let past_ms = u64::try_from(past.as_millis()).unwrap_or(u64::MAX);
        for attempt in Attempt::ALL {
            let (per_second, _) = rates.of(attempt);
            let forgiven = past_ms.saturating_mul(u64::from(per_second * self.group.factor()));
            let owed = &mut self.owed[attempt.index()];
            *owed = owed.saturating_sub(forgiven);
        }
        // The rest of a millisecond is kept for the next look.
        self.at += Duration::from_millis(past_ms.min(u64::from(u32::MAX)));
    }

    fn guilt(&self) -> u64 {
        self.owed.iter().sum()
    }
}

fn thousandths(attempts: u32) -> u64 {
    u64::from(attempts) * 1_000
}
