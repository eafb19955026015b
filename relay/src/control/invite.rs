//! Tickets, and the clients' legs that wait for the host that got one.
//!
//! Pure: time and random bytes come in as arguments. `A` is what the waiting leg is told.
//! A ticket is looked for among all of them in constant time each, so that time tells nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use protocol::id::HostKey;
use protocol::refusal::RefusalCode;
use protocol::secret::Ticket;
use tokio::time::Instant;

use super::admission::Group;
use crate::limits;

/// Every leg that waits, and the tickets that were given out lately.
#[derive(Debug)]
pub(super) struct Invites<A> {
    parked_max: usize,
    waiting: Vec<Caller<A>>,
    /// INVARIANT: at most [`limits::TICKETS_REMEMBERED`]; the oldest is forgotten first.
    remembered: VecDeque<(Ticket, Fate)>,
}

/// A client that wants to wait.
#[derive(Debug)]
pub(super) struct Caller<A> {
    pub(super) ticket: Ticket,
    pub(super) host_key: HostKey,
    /// The return tag's name, if the host's slot key has confirmed the tag.
    pub(super) tag: Option<[u8; 8]>,
    /// Where it comes from.
    pub(super) from: Group,
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    pub(super) answer: A,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Used,
    Late,
}

impl<A> Invites<A> {
    pub(super) fn new(parked_max: usize) -> Self {
        Self {
            parked_max,
            waiting: Vec::new(),
            remembered: VecDeque::new(),
        }
    }

    /// Changes how many may wait from now on; whoever waits already stays.
    pub(super) fn bound(&mut self, parked_max: usize) {
        self.parked_max = parked_max;
    }

    /// Clients that wait now.
    pub(super) fn parked(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a client wait. Gives whoever had to make room for it.
    ///
    /// # Errors
    /// The board or the host has enough callers.
    pub(super) fn park(&mut self, caller: Caller<A>) -> Result<Option<A>, RefusalCode> {
        let tagged = caller.tag.is_some();
        let kept_back = self.parked_max / limits::PARKED_FOR_TAGGED;
        let room = if tagged {
            self.parked_max
        } else {
            self.parked_max - kept_back
        };
        let of_host = self
            .waiting
            .iter()
            .filter(|other| other.host_key == caller.host_key);
        let (mut same_kind, mut same_tag) = (0, false);
        for other in of_host {
            same_kind += usize::from(other.tag.is_some() == tagged);
            same_tag |= tagged && other.tag == caller.tag;
        }
        let slots = if tagged {
            limits::INVITES_TAGGED
        } else {
            limits::INVITES_UNTAGGED
        };
        if same_tag || same_kind >= slots {
            return Err(RefusalCode::HostBusy);
        }
        let mut evicted = None;
        if self.waiting.len() >= room {
            let index = self.makes_room_for(&caller).ok_or(RefusalCode::BoardFull)?;
            let former = self.waiting.swap_remove(index);
            self.remember(former.ticket, Fate::Late);
            evicted = Some(former.answer);
        }
        self.waiting.push(caller);
        Ok(evicted)
    }

    /// Who gives its place up on a full board: one that had time enough for its host to come, of
    /// the address that has most callers here, if that has more than the newcomer's. Whoever owns
    /// both ends could else fill all places with callers whose hosts never come.
    fn makes_room_for(&self, caller: &Caller<A>) -> Option<usize> {
        let mut counts: BTreeMap<Group, usize> = BTreeMap::new();
        for other in &self.waiting {
            *counts.entry(other.from).or_default() += 1;
        }
        let count = |group: Group| counts.get(&group).copied().unwrap_or(0);
        let own = count(caller.from);
        let old = |other: &Caller<A>| caller.since >= other.since + limits::PARKED_GRACE;
        self.waiting
            .iter()
            .enumerate()
            .filter(|(_, other)| old(other) && count(other.from) > own)
            .min_by_key(|(_, other)| (Reverse(count(other.from)), other.since))
            .map(|(index, _)| index)
    }

    /// Takes the leg that a host has come for.
    ///
    /// # Errors
    /// The ticket is not for this host, or not for anybody any more.
    pub(super) fn redeem(
        &mut self,
        ticket: &Ticket,
        host_key: &HostKey,
        now: Instant,
    ) -> Result<A, RefusalCode> {
        let Some(index) = self.find(ticket) else {
            return Err(match self.recall(ticket) {
                Some(Fate::Used) => RefusalCode::TicketUsed,
                Some(Fate::Late) => RefusalCode::TicketLate,
                None => RefusalCode::TicketUnknown,
            });
        };
        let caller = &self.waiting[index];
        if caller.host_key != *host_key {
            return Err(RefusalCode::TicketForeign);
        }
        let late = caller.deadline <= now;
        let caller = self.waiting.swap_remove(index);
        self.remember(caller.ticket, if late { Fate::Late } else { Fate::Used });
        if late {
            Err(RefusalCode::TicketLate)
        } else {
            Ok(caller.answer)
        }
    }

    /// Takes the leg that a host declines.
    pub(super) fn decline(&mut self, ticket: &Ticket, host_key: &HostKey) -> Option<A> {
        let index = self.find(ticket)?;
        if self.waiting[index].host_key != *host_key {
            return None;
        }
        let caller = self.waiting.swap_remove(index);
        self.remember(caller.ticket, Fate::Used);
        Some(caller.answer)
    }

    /// The client waits no more; its ticket is late from now on, unless it was redeemed.
    pub(super) fn give_up(&mut self, ticket: &Ticket) {
        if let Some(index) = self.find(ticket) {
            let caller = self.waiting.swap_remove(index);
            self.remember(caller.ticket, Fate::Late);
        }
    }

    /// Whether the client that got this ticket still waits.
    pub(super) fn is_waiting(&self, ticket: &Ticket) -> bool {
        self.find(ticket).is_some()
    }

    /// Looks at every ticket, whether or not it has been found already.
    fn find(&self, ticket: &Ticket) -> Option<usize> {
        let mut found = None;
        for (index, waiting) in self.waiting.iter().enumerate() {
            if waiting.ticket == *ticket {
                found = Some(index);
            }
        }
        found
    }

    fn recall(&self, ticket: &Ticket) -> Option<Fate> {
        let mut found = None;
        for (remembered, fate) in &self.remembered {
            if remembered == ticket {
                found = Some(*fate);
            }
        }
        found
    }

    fn remember(&mut self, ticket: Ticket, fate: Fate) {
        if self.remembered.len() >= limits::TICKETS_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back((ticket, fate));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::id::PublicKey;

    use super::*;

    const HOST: HostKey = PublicKey([1; 32]);
    const OTHER_HOST: HostKey = PublicKey([2; 32]);

    fn ticket(number: u16) -> Ticket {
        let [high, low] = number.to_be_bytes();
        Ticket::new([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn caller(number: u16, host_key: HostKey, tag: Option<u8>, now: Instant) -> Caller<u16> {
        let deadline = now + Duration::from_secs(10);
        let tag = tag.map(|tag| [tag; 8]);
        Caller {
            ticket: ticket(number),
            host_key,
            tag,
            from: from(1),
            since: now,
            deadline,
            answer: number,
        }
    }

    fn from(last: u8) -> Group {
        let [_, group] = Group::of([192, 0, 2, last].into());
        group
    }

    #[test]
    fn on_a_full_board_the_address_with_most_callers_gives_its_oldest_up() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        // Six places for strangers.
        let mut invites = Invites::new(8);
        for number in 0..6 {
            let host = PublicKey([u8::try_from(number).unwrap(); 32]);
            let mut stranger = caller(number, host, None, at(u64::from(number)));
            stranger.from = from(if number == 0 { 2 } else { 1 });
            assert_eq!(invites.park(stranger), Ok(None));
        }
        let ready = 1 + u64::try_from(limits::PARKED_GRACE.as_millis()).unwrap();

        let mut honest = caller(10, OTHER_HOST, None, at(ready - 2));
        honest.from = from(3);
        assert_eq!(
            invites.park(honest),
            Err(RefusalCode::BoardFull),
            "in its grace"
        );
        let more = caller(11, OTHER_HOST, None, at(ready));
        assert_eq!(
            invites.park(more),
            Err(RefusalCode::BoardFull),
            "the same address"
        );
        let mut honest = caller(12, OTHER_HOST, None, at(ready));
        honest.from = from(3);
        assert_eq!(invites.park(honest), Ok(Some(1)));

        assert_eq!(invites.parked(), 6);
        let late = invites.redeem(&ticket(1), &PublicKey([1; 32]), at(ready));
        assert_eq!(late, Err(RefusalCode::TicketLate));
    }

    #[test]
    fn a_ticket_brings_its_leg_once() {
        let now = Instant::now();
        let mut invites = Invites::new(8);
        invites.park(caller(7, HOST, None, now)).unwrap();

        assert_eq!(invites.redeem(&ticket(7), &HOST, now), Ok(7));
        assert_eq!(
            invites.redeem(&ticket(7), &HOST, now),
            Err(RefusalCode::TicketUsed)
        );
        assert_eq!(invites.parked(), 0);
    }

    #[test]
    fn another_host_cannot_use_or_spoil_a_ticket() {
        let now = Instant::now();
        let mut invites = Invites::new(8);
        invites.park(caller(7, HOST, None, now)).unwrap();

        let foreign = invites.redeem(&ticket(7), &OTHER_HOST, now);
        assert_eq!(foreign, Err(RefusalCode::TicketForeign));
        assert_eq!(invites.decline(&ticket(7), &OTHER_HOST), None);

        assert_eq!(invites.redeem(&ticket(7), &HOST, now), Ok(7));
    }

    #[test]
    fn a_ticket_is_late_at_its_deadline_and_after_the_client_has_left() {
        let now = Instant::now();
        let mut invites = Invites::new(8);
        for number in [1, 2, 3] {
            invites.park(caller(number, HOST, None, now)).unwrap();
        }
        let deadline = now + Duration::from_secs(10);
        let just_before = deadline - Duration::from_millis(1);

        assert_eq!(invites.redeem(&ticket(1), &HOST, just_before), Ok(1));
        assert_eq!(
            invites.redeem(&ticket(2), &HOST, deadline),
            Err(RefusalCode::TicketLate)
        );
        assert!(invites.is_waiting(&ticket(3)));
        invites.give_up(&ticket(3));
        assert!(!invites.is_waiting(&ticket(3)));
        assert_eq!(
            invites.redeem(&ticket(3), &HOST, now),
            Err(RefusalCode::TicketLate)
        );
    }

    #[test]
    fn a_guessed_ticket_is_unknown() {
        let mut invites = Invites::<u16>::new(8);

        let guessed = invites.redeem(&ticket(9), &HOST, Instant::now());

        assert_eq!(guessed, Err(RefusalCode::TicketUnknown));
    }

    #[test]
    fn a_declined_ticket_is_used_up() {
        let now = Instant::now();
        let mut invites = Invites::new(8);
        invites.park(caller(7, HOST, None, now)).unwrap();

        assert_eq!(invites.decline(&ticket(7), &HOST), Some(7));
        assert_eq!(
            invites.redeem(&ticket(7), &HOST, now),
            Err(RefusalCode::TicketUsed)
        );
    }

    #[test]
    fn strangers_fill_their_own_slots_of_a_host_and_no_others() {
        let now = Instant::now();
        let mut invites = Invites::new(400);
        let mut numbers = 0..;
        let mut park = |host, tag| invites.park(caller(numbers.next().unwrap(), host, tag, now));

        for _ in 0..limits::INVITES_UNTAGGED {
            assert_eq!(park(HOST, None), Ok(None));
        }
        assert_eq!(park(HOST, None), Err(RefusalCode::HostBusy));

        assert_eq!(park(OTHER_HOST, None), Ok(None));
        for tag in 1..=u8::try_from(limits::INVITES_TAGGED).unwrap() {
            assert_eq!(park(HOST, Some(tag)), Ok(None));
            assert_eq!(
                park(HOST, Some(tag)),
                Err(RefusalCode::HostBusy),
                "one call for each tag"
            );
        }
        assert_eq!(park(HOST, Some(200)), Err(RefusalCode::HostBusy));
    }

    #[test]
    fn the_last_quarter_of_the_board_is_for_tagged_callers() {
        let now = Instant::now();
        let mut invites = Invites::new(8);
        let host = |number: u8| PublicKey([number; 32]);
        let mut park =
            |number, tag| invites.park(caller(u16::from(number), host(number), tag, now));

        for number in 0..6 {
            assert_eq!(park(number, None), Ok(None));
        }
        assert_eq!(park(6, None), Err(RefusalCode::BoardFull));
        assert_eq!(park(7, Some(1)), Ok(None));
        assert_eq!(park(8, Some(1)), Ok(None));
        assert_eq!(park(9, Some(1)), Err(RefusalCode::BoardFull));
    }

    #[test]
    fn old_tickets_are_forgotten_in_their_order() {
        let now = Instant::now();
        let mut invites = Invites::new(8);
        let count = u16::try_from(limits::TICKETS_REMEMBERED).unwrap();
        for number in 0..=count {
            invites.park(caller(number, HOST, None, now)).unwrap();
            invites.redeem(&ticket(number), &HOST, now).unwrap();
        }

        assert_eq!(invites.remembered.len(), limits::TICKETS_REMEMBERED);
        let oldest = invites.redeem(&ticket(0), &HOST, now);
        assert_eq!(oldest, Err(RefusalCode::TicketUnknown));
        assert_eq!(
            invites.redeem(&ticket(1), &HOST, now),
            Err(RefusalCode::TicketUsed)
        );
    }
}
