//! Who may take up the relay's time before having proven anything.
//!
//! Pure: time and chance come in as arguments, every table has a fixed size.
//! Nobody is ever banned: an address that strangers share with honest people must keep working
//! for them. So the unproven connection that has waited longest makes room for a new one (an
//! honest handshake is quick, a slow one is not), failures cost only those who fail, and proven
//! hosts leave the count.
//! Read next: [`source`] for the memory of failures.

mod source;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits;
use source::Sources;
pub(super) use source::{Attempt, Group, Rates};

/// The bounds, so that tests can turn them.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) unproven_max: usize,
    pub(super) unproven_per_address: usize,
    pub(super) grace: Duration,
    pub(super) rates: Rates,
}

/// Unproven connections and recent failures. `H` is what ends a connection.
#[derive(Debug)]
pub(super) struct Admission<H> {
    bounds: Bounds,
    /// By number, so the oldest comes first.
    unproven: BTreeMap<u64, Unproven<H>>,
    counts: HashMap<Group, usize>,
    next_number: u64,
    failures: Sources,
}

/// What to do with a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<H> {
    /// Let it in under this number; if there is somebody to evict, end that one.
    Enter { number: u64, evict: Option<H> },
    /// Keep it waiting: all who are there from there have only just come.
    Wait,
}

/// Who has to give up a place.
enum Crowd {
    Of(Group),
    /// The board is full.
    All,
}

#[derive(Debug)]
struct Unproven<H> {
    groups: [Group; 2],
    since: Instant,
    handle: Option<H>,
}

impl<H> Admission<H> {
    pub(super) fn new(bounds: Bounds, now: Instant) -> Self {
        let failures = Sources::new(limits::SOURCE_SETS, bounds.rates, now);
        Self {
            bounds,
            unproven: BTreeMap::new(),
            counts: HashMap::new(),
            next_number: 0,
            failures,
        }
    }

    /// Changes how many of them one address may have from now on.
    pub(super) fn bound_per_address(&mut self, unproven: usize) {
        self.bounds.unproven_per_address = unproven;
    }

    /// Connections that have proven nothing yet.
    pub(super) fn unproven(&self) -> usize {
        self.unproven.len()
    }

    /// Whether a new connection is to be closed unheard, because so many from there failed;
    /// `chance` is random.
    pub(super) fn turns_away(&self, from: IpAddr, chance: u16, now: Instant) -> bool {
        self.failures.turns_away(from, chance, now)
    }

    /// Decides about a new connection.
    pub(super) fn enter(&mut self, from: IpAddr, now: Instant) -> Verdict<H> {
        let groups = Group::of(from);
        let evict = match self.crowded(groups) {
            None => None,
            Some(crowd) => match self.evict_from(crowd, now) {
                Some(evicted) => evicted.handle,
                None => return Verdict::Wait,
            },
        };
        for group in groups {
            *self.counts.entry(group).or_default() += 1;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.unproven.insert(
            number,
            Unproven {
                groups,
                since: now,
                handle: None,
            },
        );
        Verdict::Enter { number, evict }
    }

    /// Says how to end a connection that was let in, unless it has left already.
    pub(super) fn attach(&mut self, number: u64, handle: H) {
        if let Some(entry) = self.unproven.get_mut(&number) {
            entry.handle = Some(handle);
        }
    }

    /// The connection has proven itself or is gone. No eviction can reach it any more; `false` says
    /// that one has before.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        let entry = self.unproven.remove(&number);
        if let Some(entry) = &entry {
            self.uncount(entry.groups);
        }
        entry.is_some()
    }

    /// Notes a failure. Returns `false` when there were so many from there that the peer should
    /// not even be told why it failed.
    pub(super) fn failed(&mut self, from: IpAddr, attempt: Attempt, now: Instant) -> bool {
        self.failures.charge(from, attempt, now)
    }

    /// The crowd that has to give up a place before a connection of these groups can have one.
    fn crowded(&self, groups: [Group; 2]) -> Option<Crowd> {
        let per_address = self.bounds.unproven_per_address;
        groups
            .into_iter()
            .find(|group| self.count(*group) >= group.share(per_address))
            .map(Crowd::Of)
            .or_else(|| (self.unproven.len() >= self.bounds.unproven_max).then_some(Crowd::All))
    }

    /// Takes the place of one that has had its time: of the whole board, one of those who are most,
    /// so a flood from one place costs nobody else; and among equals the one that came first.
    fn evict_from(&mut self, crowd: Crowd, now: Instant) -> Option<Unproven<H>> {
        // Entries are in the order of their coming, so nobody behind a young one is older.
        let mut old = self
            .unproven
            .iter()
            .take_while(|(_, entry)| self.is_evictable(entry, now));
        let number = match crowd {
            Crowd::Of(group) => old.find(|(_, entry)| entry.groups.contains(&group)),
            Crowd::All => old.min_by_key(|(_, entry)| Reverse(self.count(entry.groups[1]))),
        };
        let number = *number?.0;
        let evicted = self.unproven.remove(&number)?;
        self.uncount(evicted.groups);
        Some(evicted)
    }

    fn count(&self, group: Group) -> usize {
        self.counts.get(&group).copied().unwrap_or(0)
    }

    fn is_evictable(&self, entry: &Unproven<H>, now: Instant) -> bool {
        now.saturating_duration_since(entry.since) >= self.bounds.grace
    }

    fn uncount(&mut self, groups: [Group; 2]) {
        for group in groups {
            if let Some(count) = self.counts.get_mut(&group) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&group);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
