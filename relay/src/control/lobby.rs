//! Connections that wait for a place.
//!
//! A crowd that comes all at once, as after a restart, is served one after the other instead of
//! being sent away. Addresses take turns, and whoever has most here is sent away first: a flood
//! from some addresses holds up nobody else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::admission::Group;
use super::counters::TurnedAway;
use super::shared::{Entry, Shared, Unproven};
use crate::limits;

/// A connection that nobody serves yet.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    since: Instant,
}

impl Arrival {
    pub(super) fn new(socket: TcpStream, peer: SocketAddr) -> Self {
        // A dual-stack listener shows IPv4 peers as mapped addresses.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let since = Instant::now();
        Self {
            socket,
            peer,
            since,
        }
    }
}

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    waiting: Queue<Arrival>,
}

impl Lobby {
    pub(super) fn len(&self) -> usize {
        self.waiting.entries.len()
    }

    /// Lets a new connection in, keeps it waiting or sends it away. Nobody overtakes those who
    /// wait already: else a flood would take every place in the moment that it is free.
    pub(super) fn receive(
        &mut self,
        arrival: Arrival,
        shared: &Arc<Shared>,
    ) -> Option<(Arrival, Unproven)> {
        let from = arrival.peer.ip();
        if !shared.may_enter(from, chance()) {
            return None;
        }
        if self.len() == 0
            && let Entry::Enter(unproven) = shared.enter(from)
        {
            return Some((arrival, unproven));
        }
        let [_, group] = Group::of(from);
        if self.waiting.push(group, arrival, limits::LOBBY_MAX) {
            shared.counters.count_turned_away(TurnedAway::Crowd);
        }
        None
    }

    /// Lets in for whom there is a place by now, and sends away who has waited long enough.
    pub(super) fn try_again(&mut self, shared: &Arc<Shared>) -> Vec<(Arrival, Unproven)> {
        let mut let_in = Vec::new();
        for (group, arrival) in self.waiting.take_in_turns() {
            if arrival.since.elapsed() >= limits::LOBBY_DEADLINE {
                shared.counters.count_turned_away(TurnedAway::NoPlace);
                continue;
            }
            match shared.enter(arrival.peer.ip()) {
                Entry::Enter(unproven) => let_in.push((arrival, unproven)),
                Entry::Wait => {
                    self.waiting.push(group, arrival, limits::LOBBY_MAX);
                }
            }
        }
        let_in
    }
}

/// In the order of their coming.
#[derive(Debug)]
struct Queue<T> {
    entries: Vec<(Group, T)>,
    /// How many of each group there are.
    counts: BTreeMap<Group, usize>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            counts: BTreeMap::new(),
        }
    }
}

impl<T> Queue<T> {
    /// Adds one. In a full queue whoever came last of the largest group goes, which may be the
    /// new one itself. Returns whether somebody had to go.
    fn push(&mut self, group: Group, value: T, max: usize) -> bool {
        self.entries.push((group, value));
        *self.counts.entry(group).or_default() += 1;
        if self.entries.len() <= max {
            return false;
        }
        let most = self.counts.iter().max_by_key(|(_, count)| **count);
        if let Some((most, _)) = most
            && let Some(at) = self.entries.iter().rposition(|(group, _)| group == most)
        {
            let (group, _) = self.entries.remove(at);
            if let Some(count) = self.counts.get_mut(&group) {
                *count -= 1;
            }
        }
        true
    }

    /// Takes all: the first of each group, then the second of each, and so on.
    fn take_in_turns(&mut self) -> Vec<(Group, T)> {
        let mut turns: BTreeMap<Group, usize> = BTreeMap::new();
        self.counts.clear();
        let mut entries: Vec<(usize, Group, T)> = std::mem::take(&mut self.entries)
            .into_iter()
            .map(|(group, value)| {
                let turn = turns.entry(group).or_default();
                *turn += 1;
                (*turn, group, value)
            })
            .collect();
        // Stable: within a turn, who came first is first.
        entries.sort_by_key(|(turn, ..)| *turn);
        entries
            .into_iter()
            .map(|(_, group, value)| (group, value))
            .collect()
    }
}

fn chance() -> u16 {
    let mut bytes = [0; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u16::from_be_bytes(bytes),
        // Without chance nobody is turned away by it.
        Err(_) => u16::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(last: u8) -> Group {
        let [_, group] = Group::of([192, 0, 2, last].into());
        group
    }

    #[test]
    fn addresses_take_turns() {
        let mut queue = Queue::default();
        for (from, value) in [(1, "a"), (1, "b"), (1, "c"), (2, "d"), (3, "e"), (2, "f")] {
            assert!(!queue.push(group(from), value, 6));
        }

        let order: Vec<_> = queue.take_in_turns().into_iter().map(|it| it.1).collect();

        assert_eq!(order, ["a", "d", "e", "b", "f", "c"]);
    }

    #[test]
    fn a_full_queue_sends_the_last_of_the_largest_group_away() {
        let mut queue = Queue::default();
        for value in 0..3 {
            assert!(!queue.push(group(1), value, 4));
        }
        assert!(!queue.push(group(2), 3, 4));

        assert!(queue.push(group(3), 4, 4), "one of the flood goes");
        assert!(queue.push(group(1), 5, 4), "the flood's own newcomer goes");

        let left: Vec<_> = queue.entries.iter().map(|it| it.1).collect();
        assert_eq!(left, [0, 1, 3, 4]);
    }
}
