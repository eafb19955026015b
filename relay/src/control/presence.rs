//! Which hosts are linked to this board now.
//!
//! One entry for each host key, found by computer ID as well; locked for moments only and never
//! across an await. Decides who stays when two links show the same key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::id::{ComputerId, HostKey};
use protocol::outer::Invite;
use protocol::refusal::RefusalCode;
use protocol::secret::Secret;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::limits;

/// The hosts that are linked.
#[derive(Debug)]
pub(super) struct Presence {
    hosts: Mutex<Hosts>,
    links_max: AtomicUsize,
}

/// What a link is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    Invite(Box<Invite>),
    /// Ask your host whether it lives, and answer if it does.
    Probe(oneshot::Sender<()>),
}

/// A host that wants to be present.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) host_key: HostKey,
    pub(super) id: ComputerId,
    /// Made once by each process of a host.
    pub(super) nonce: [u8; 16],
    /// Rises with each link of a process.
    pub(super) epoch: u64,
    pub(super) slot_key: Secret<32>,
}

/// Both ends of what a link hears from the rest of the board.
#[derive(Debug)]
pub(super) struct Orders {
    /// Names this link among all that its host ever had here.
    pub(super) number: u64,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Says why the link must end.
    pub(super) ended: oneshot::Receiver<RefusalCode>,
}

/// Why a newcomer is not present.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A newer link of the same process is here already.
    Stale,
    /// Another process with the same key is here: probe it through this link.
    Occupied {
        number: u64,
        orders: mpsc::Sender<Order>,
    },
    Full,
}

/// A host as callers see it.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) host_key: HostKey,
    pub(super) slot_key: Secret<32>,
    orders: mpsc::Sender<Order>,
}

#[derive(Debug, Default)]
struct Hosts {
    by_key: HashMap<HostKey, Host>,
    by_id: HashMap<ComputerId, HostKey>,
    next_number: u64,
}

#[derive(Debug)]
struct Host {
    newcomer: Box<Newcomer>,
    number: u64,
    orders: mpsc::Sender<Order>,
    end: oneshot::Sender<RefusalCode>,
}

impl Presence {
    pub(super) fn new(links_max: usize) -> Self {
        Self {
            hosts: Mutex::default(),
            links_max: AtomicUsize::new(links_max),
        }
    }

    /// Changes how many hosts may be linked from now on; those that are stay.
    pub(super) fn bound(&self, links_max: usize) {
        self.links_max.store(links_max, Ordering::Relaxed);
    }

    /// Hosts that are linked now.
    pub(super) fn len(&self) -> usize {
        self.hosts().by_key.len()
    }

    /// Lets a host in, if nobody else stands in its place. `silent` is the number of a link that
    /// did not answer a probe, and so counts no more.
    pub(super) fn enter(
        &self,
        newcomer: Box<Newcomer>,
        silent: Option<u64>,
    ) -> Result<Orders, (Obstacle, Box<Newcomer>)> {
        let mut hosts = self.hosts();
        match hosts.by_key.get(&newcomer.host_key) {
            Some(host) if host.is_newer_than(&newcomer) => {
                return Err((Obstacle::Stale, newcomer));
            }
            Some(host) if host.newcomer.nonce == newcomer.nonce => {}
            Some(host) if silent != Some(host.number) => {
                let obstacle = Obstacle::Occupied {
                    number: host.number,
                    orders: host.orders.clone(),
                };
                return Err((obstacle, newcomer));
            }
            Some(_) => {}
            None if hosts.by_key.len() >= self.links_max.load(Ordering::Relaxed) => {
                return Err((Obstacle::Full, newcomer));
            }
            None => {}
        }
        hosts.remove(&newcomer.host_key, RefusalCode::LinkReplaced);
        Ok(hosts.insert(newcomer))
    }

    /// The link with this number is over. A newer one of the same host stays.
    pub(super) fn leave(&self, host_key: &HostKey, number: u64) {
        let mut hosts = self.hosts();
        if hosts
            .by_key
            .get(host_key)
            .is_some_and(|host| host.number == number)
        {
            hosts.remove(host_key, RefusalCode::LinkReplaced);
        }
    }

    /// Ends the link of a host, if it has one.
    pub(super) fn end(&self, host_key: &HostKey, reason: RefusalCode) {
        self.hosts().remove(host_key, reason);
    }

    /// The host with this ID, if it is linked.
    pub(super) fn find(&self, id: &ComputerId) -> Option<Present> {
        let hosts = self.hosts();
        let host_key = *hosts.by_id.get(id)?;
        let host = hosts.by_key.get(&host_key)?;
        let slot_key = host.newcomer.slot_key.clone();
        Some(Present {
            host_key,
            slot_key,
            orders: host.orders.clone(),
        })
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    /// Has the host's link invite it. `tagged` says that its slot key has confirmed the caller's
    /// return tag.
    ///
    /// # Errors
    /// The link is over, or has not yet written what came before.
    pub(super) fn invite(&self, invite: Box<Invite>, tagged: bool) -> Result<(), RefusalCode> {
        let kept_back = if tagged {
            0
        } else {
            limits::LINK_QUEUE_FOR_TAGGED
        };
        // Strangers who pass here at the same moment may take a place or two too many.
        if !self.orders.is_closed() && self.orders.capacity() <= kept_back {
            return Err(RefusalCode::HostBusy);
        }
        let sent = self.orders.try_send(Order::Invite(invite));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => RefusalCode::HostBusy,
            TrySendError::Closed(_) => RefusalCode::Offline,
        })
    }
}

impl Hosts {
    fn insert(&mut self, newcomer: Box<Newcomer>) -> Orders {
        // The registrar gives an ID to one key only; if two show it, the later decision counts.
        if let Some(former) = self.by_id.get(&newcomer.id).copied() {
            self.remove(&former, RefusalCode::ClaimSuperseded);
        }
        let number = self.next_number;
        self.next_number += 1;
        let (orders, orders_out) = mpsc::channel(limits::LINK_QUEUE_LEN);
        let (end, ended) = oneshot::channel();
        self.by_id.insert(newcomer.id.clone(), newcomer.host_key);
        self.by_key.insert(
            newcomer.host_key,
            Host {
                newcomer,
                number,
                orders,
                end,
            },
        );
        Orders {
            number,
            orders: orders_out,
            ended,
        }
    }

    fn remove(&mut self, host_key: &HostKey, reason: RefusalCode) {
        if let Some(host) = self.by_key.remove(host_key) {
            self.by_id.remove(&host.newcomer.id);
            // A link that is over already no longer listens.
            let _ = host.end.send(reason);
        }
    }
}

impl Host {
    /// Whether this is a later link of the newcomer's own process.
    fn is_newer_than(&self, newcomer: &Newcomer) -> bool {
        self.newcomer.nonce == newcomer.nonce && self.newcomer.epoch >= newcomer.epoch
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::PublicKey;
    use protocol::secret::Ticket;

    use super::*;

    fn newcomer(key: u8, id: &str, nonce: u8, epoch: u64) -> Box<Newcomer> {
        Box::new(Newcomer {
            host_key: PublicKey([key; 32]),
            id: id.parse().unwrap(),
            nonce: [nonce; 16],
            epoch,
            slot_key: Secret::new([0; 32]),
        })
    }

    fn enter(presence: &Presence, newcomer: Box<Newcomer>) -> Result<Orders, Obstacle> {
        presence
            .enter(newcomer, None)
            .map_err(|(obstacle, _)| obstacle)
    }

    #[test]
    fn a_newer_link_of_the_same_process_replaces_the_older() {
        let presence = Presence::new(10);
        let mut old = enter(&presence, newcomer(1, "pc-1", 7, 1)).unwrap();

        let new = enter(&presence, newcomer(1, "pc-1", 7, 2)).unwrap();

        assert_eq!(old.ended.try_recv(), Ok(RefusalCode::LinkReplaced));
        assert_eq!(presence.len(), 1);
        presence.leave(&PublicKey([1; 32]), old.number);
        assert!(
            presence.find(&"pc-1".parse().unwrap()).is_some(),
            "the old link left, not the new"
        );
        presence.leave(&PublicKey([1; 32]), new.number);
        assert!(presence.find(&"pc-1".parse().unwrap()).is_none());
    }

    #[test]
    fn an_older_link_of_the_same_process_comes_too_late() {
        let presence = Presence::new(10);
        let _link = enter(&presence, newcomer(1, "pc-1", 7, 2)).unwrap();

        for epoch in [1, 2] {
            let obstacle = enter(&presence, newcomer(1, "pc-1", 7, epoch)).unwrap_err();
            assert!(matches!(obstacle, Obstacle::Stale));
        }
    }

    #[test]
    fn another_process_with_the_same_key_enters_only_past_a_silent_link() {
        let presence = Presence::new(10);
        let mut incumbent = enter(&presence, newcomer(1, "pc-1", 7, 5)).unwrap();

        let obstacle = enter(&presence, newcomer(1, "pc-1", 8, 1)).unwrap_err();
        let Obstacle::Occupied { number, .. } = obstacle else {
            panic!("expected to be told whom to probe, got {obstacle:?}");
        };
        let wrong = presence.enter(newcomer(1, "pc-1", 8, 1), Some(number + 1));
        assert!(wrong.is_err());
        presence
            .enter(newcomer(1, "pc-1", 8, 1), Some(number))
            .unwrap();

        assert_eq!(incumbent.ended.try_recv(), Ok(RefusalCode::LinkReplaced));
    }

    #[test]
    fn a_renamed_host_is_found_under_its_new_name_only() {
        let presence = Presence::new(10);
        let _old = enter(&presence, newcomer(1, "old", 7, 1)).unwrap();

        let _new = enter(&presence, newcomer(1, "new", 7, 2)).unwrap();

        assert!(presence.find(&"old".parse().unwrap()).is_none());
        assert!(presence.find(&"new".parse().unwrap()).is_some());
    }

    #[test]
    fn an_id_that_went_to_another_key_ends_the_former_link() {
        let presence = Presence::new(10);
        let mut former = enter(&presence, newcomer(1, "pc-1", 7, 1)).unwrap();

        let _holder = enter(&presence, newcomer(2, "pc-1", 8, 1)).unwrap();

        assert_eq!(former.ended.try_recv(), Ok(RefusalCode::ClaimSuperseded));
        let present = presence.find(&"pc-1".parse().unwrap()).unwrap();
        assert_eq!(present.host_key, PublicKey([2; 32]));
    }

    #[test]
    fn the_last_link_fits_and_one_more_does_not_but_a_replacement_does() {
        let presence = Presence::new(2);
        let _one = enter(&presence, newcomer(1, "pc-1", 7, 1)).unwrap();
        let _two = enter(&presence, newcomer(2, "pc-2", 7, 1)).unwrap();

        let third = enter(&presence, newcomer(3, "pc-3", 7, 1)).unwrap_err();
        assert!(matches!(third, Obstacle::Full));
        assert!(enter(&presence, newcomer(1, "pc-1", 7, 2)).is_ok());
    }

    #[test]
    fn strangers_leave_places_of_a_links_queue_to_tagged_callers() {
        let presence = Presence::new(1);
        let link = enter(&presence, newcomer(1, "pc-1", 7, 1)).unwrap();
        let present = presence.find(&"pc-1".parse().unwrap()).unwrap();
        let invite = |tagged| {
            let invite = Invite {
                ticket: Ticket::new([0; 16]),
                client: ([192, 0, 2, 1], 1).into(),
                tag: None,
            };
            present.invite(Box::new(invite), tagged)
        };

        let strangers = (0..100).take_while(|_| invite(false).is_ok()).count();
        assert!(strangers >= limits::INVITES_UNTAGGED, "{strangers}");
        for _ in 0..limits::INVITES_TAGGED {
            assert_eq!(invite(true), Ok(()));
        }
        assert_eq!(invite(true), Err(RefusalCode::HostBusy));

        drop(link);
        assert_eq!(invite(false), Err(RefusalCode::Offline));
        assert_eq!(invite(true), Err(RefusalCode::Offline));
    }
}
