//! THE LOOP of a data worker: poll, visit the sessions that have events, take commands, visit those
//! with work left, keep time.
//!
//! One thread, shared nothing. Must never wait for control, take a lock, or allocate or log per
//! event. Edge-triggered: a socket is registered once, only a would-block clears readiness, and
//! what a visit leaves undone goes on the ready list.
//! Read next: `session` for what a visit decides, `forward` for how it is carried out.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll};

use super::SessionEnd;
use super::batching::Batching;
use super::budget::{Budget, Caps, Tier};
use super::flow::DataPath;
use super::forward::{Forwarder, Sockets, Store, Tools};
use super::leg::{Both, Leg};
use super::mailbox::{Command, Inbox, NewSession};
use super::reason::EndReason;
use super::seats::Seats;
use super::session::{LegEvent, Session, Visit};
use super::sweep::Sweep;
use super::table::{Key, Table, WAKER};
use crate::limits;
use crate::sys::{Fault, socket};

/// One data worker; [`Worker::run`] is its thread.
pub(super) struct Worker<F> {
    poll: Poll,
    inbox: Inbox,
    /// The mailbox may hold something.
    has_mail: bool,
    /// An order to end all sessions that waits for the mailbox to be empty.
    end_all: Option<EndReason>,
    table: Table<Joined>,
    places: HashMap<u64, Key>,
    /// Sessions with work left; each at most once, as its `queued` says.
    ready: VecDeque<Key>,
    tools: Tools,
    path: DataPath,
    batching: Option<Batching>,
    budget: Budget,
    tier: Tier,
    caps: Caps,
    sweep: Sweep,
    /// When sessions must have come down to their share.
    reckoning: Option<Instant>,
    seats: Arc<Seats>,
    ended: F,
}

/// A table entry: one session with its sockets.
struct Joined {
    id: u64,
    session: Session,
    sockets: Sockets,
    stores: Both<Store>,
    /// The tier that the socket buffers are capped for.
    tier: Tier,
    queued: bool,
}

/// What a worker is made of, apart from its poll and inbox.
pub(super) struct Share {
    pub(super) data_path: DataPath,
    pub(super) batching: bool,
    pub(super) budget: Budget,
    pub(super) pipes_max: usize,
    pub(super) seats: Arc<Seats>,
}

impl<F: Fn(SessionEnd)> Worker<F> {
    pub(super) fn new(poll: Poll, inbox: Inbox, share: Share, ended: F) -> Self {
        let tier = share.budget.first_tier();
        let now = Instant::now();
        Self {
            poll,
            tools: Tools::new(share.pipes_max, Arc::clone(&inbox.desk)),
            inbox,
            has_mail: false,
            end_all: None,
            table: Table::new(),
            places: HashMap::new(),
            ready: VecDeque::new(),
            path: share.data_path,
            batching: share.batching.then(|| Batching::new(now)),
            budget: share.budget,
            tier,
            caps: share.budget.caps(tier),
            sweep: Sweep::new(now),
            reckoning: None,
            seats: share.seats,
            ended,
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(limits::EVENTS_PER_TURN);
        loop {
            if let Err(error) = self.poll.poll(&mut events, Some(self.timeout()))
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Beats stop, and the watchdog restarts the relay.
                tracing::error!(%error, "Data worker cannot poll and gives up");
                break;
            }
            self.inbox.desk.beat();
            let mut noted = 0;
            for event in &events {
                noted += self.handle_event(event);
            }
            // A waker that failed is made up for when nothing else happens.
            self.has_mail |= noted == 0;
            if self.has_mail {
                self.take_commands();
            }
            self.visit_ready();
            let now = Instant::now();
            self.keep_time(now);
            self.tools.counters().set_pipes(&self.tools.pool);
            if self.inbox.desk.is_stopped() {
                break;
            }
            self.rest(now, noted);
        }
        self.finish();
    }

    fn timeout(&self) -> Duration {
        if self.has_work() {
            Duration::ZERO
        } else {
            self.sweep.timeout()
        }
    }

    fn has_work(&self) -> bool {
        self.has_mail || !self.ready.is_empty()
    }

    /// Lets small messages gather for the next turn, when they come thick.
    fn rest(&mut self, now: Instant, events: u32) {
        if self.has_work() {
            return;
        }
        let batching = self.batching.as_mut();
        if let Some(rest) = batching.and_then(|batching| batching.rest(now, events)) {
            thread::sleep(rest);
        }
    }

    /// Hands an event to its session and visits it, unless a visit is due anyway. Returns the number
    /// of events that sessions got.
    fn handle_event(&mut self, event: &Event) -> u32 {
        if event.token() == WAKER {
            self.has_mail = true;
            return 0;
        }
        let (key, leg) = Key::of(event.token());
        let Some(joined) = self.table.get_mut(key) else {
            self.tools.counters().stale_events.add(1);
            return 0;
        };
        let fault = event
            .is_error()
            .then(|| socket::pending_fault(joined.sockets.get(leg)));
        joined.session.handle_event(
            leg,
            LegEvent {
                readable: event.is_readable(),
                writable: event.is_writable() || event.is_write_closed(),
                hangup: event.is_read_closed(),
                urgent: event.is_priority(),
                fault: fault.flatten(),
            },
        );
        if !joined.queued {
            self.visit(key);
        }
        1
    }

    /// Takes commands within the budget of a turn; orders follow when the mailbox is empty.
    fn take_commands(&mut self) {
        // Looked at before the queue: whatever was handed over before the order is taken first.
        self.end_all = self.inbox.desk.take_end_all().or(self.end_all);
        for _ in 0..limits::COMMANDS_PER_TURN {
            match self.inbox.next() {
                Some(Command::Join(session)) => self.join(session),
                Some(Command::End(id, reason)) => self.end(id, reason),
                None => {
                    self.has_mail = false;
                    if let Some(reason) = self.end_all.take() {
                        self.end_every(reason);
                    }
                    return;
                }
            }
        }
    }

    fn join(&mut self, new: NewSession) {
        self.tools.counters().joined.add(1);
        self.retier();
        let NewSession { id, client, host } = new;
        match self.admit(id, client, host) {
            Ok(key) => {
                self.places.insert(id, key);
                self.ready.push_back(key);
            }
            Err(reason) => self.report(id, reason, Both::default()),
        }
    }

    /// Prepares and registers both sockets and makes the table entry.
    fn admit(&mut self, id: u64, client: OwnedFd, host: OwnedFd) -> Result<Key, EndReason> {
        let (caps, tier, path) = (self.caps, self.tier, self.path);
        let registry = self.poll.registry();
        self.table.try_insert(|key| {
            let enter = |leg: Leg, fd: OwnedFd| {
                let mut stream = socket::prepare_leg(fd)?;
                socket::cap_buffers(&stream, caps.receive_buffer, caps.send_buffer)?;
                let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
                registry.register(&mut stream, key.token(leg), interest)?;
                Ok(stream)
            };
            let failed =
                |leg: Leg| move |error: io::Error| EndReason::of_fault(leg, Fault::of(&error));
            Ok(Joined {
                id,
                session: Session::new(path),
                sockets: Sockets {
                    client: enter(Leg::Client, client).map_err(failed(Leg::Client))?,
                    host: enter(Leg::Host, host).map_err(failed(Leg::Host))?,
                },
                stores: Both::default(),
                tier,
                queued: true,
            })
        })
    }

    fn end(&mut self, id: u64, reason: EndReason) {
        // An unknown session is another worker's, or over already.
        let Some(key) = self.places.get(&id).copied() else {
            return;
        };
        if let Some(joined) = self.table.get_mut(key) {
            joined.session.end(reason);
            enqueue(&mut self.ready, joined, key);
        }
    }

    fn end_every(&mut self, reason: EndReason) {
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            if let Some(joined) = self.table.get_mut(key) {
                joined.session.end(reason);
                enqueue(&mut self.ready, joined, key);
            }
        }
    }

    /// Visits every session that was on the ready list when the turn began, once.
    fn visit_ready(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else {
                return;
            };
            self.visit(key);
        }
    }

    /// Visits a session; what is left then goes on the ready list.
    fn visit(&mut self, key: Key) {
        let Some(joined) = self.table.get_mut(key) else {
            return;
        };
        joined.queued = false;
        let mut forwarder = Forwarder {
            sockets: &joined.sockets,
            stores: &mut joined.stores,
            tools: &mut self.tools,
            read_max: self.caps.read_max,
        };
        match joined.session.visit(self.caps.read_max, &mut forwarder) {
            Visit::Idle => {}
            Visit::More => enqueue(&mut self.ready, joined, key),
            Visit::Ended(reason) => self.reap(key, reason),
        }
    }

    /// Frees an ended session and tells control.
    fn reap(&mut self, key: Key, reason: EndReason) {
        let Some(mut joined) = self.table.remove(key) else {
            return;
        };
        self.places.remove(&joined.id);
        for stream in [&mut joined.sockets.client, &mut joined.sockets.host] {
            if let Err(error) = self.poll.registry().deregister(stream) {
                // The close that follows does the same, unless somebody kept a duplicate.
                tracing::debug!(%error, "Could not deregister a leg");
            }
            if !reason.is_orderly() {
                socket::reset_on_close(stream);
            }
        }
        self.tools.discard(joined.stores);
        drop(joined.sockets);
        self.report(joined.id, reason, joined.session.bytes());
    }

    fn report(&mut self, id: u64, reason: EndReason, bytes: Both<u64>) {
        let counters = self.tools.counters();
        counters.add_ended(reason);
        counters.set_pipes(&self.tools.pool);
        self.inbox.desk.drop_one();
        self.seats.release();
        (self.ended)(SessionEnd { id, reason, bytes });
    }

    fn keep_time(&mut self, now: Instant) {
        let Some(places) = self.sweep.poll(now, self.table.places()) else {
            return;
        };
        if self.tools.pool.beat() {
            self.reclaim_pipes();
        }
        self.retier();
        if self.reckoning.is_some_and(|due| due <= now) {
            self.reckoning = None;
            self.end_greedy();
        }
        for place in places {
            let Some(joined) = self.table.at_mut(place) else {
                continue;
            };
            if joined.tier != self.tier {
                joined.tier = self.tier;
                for stream in [&joined.sockets.client, &joined.sockets.host] {
                    // A dead socket tells by its own event.
                    let _ = socket::cap_buffers(
                        stream,
                        self.caps.receive_buffer,
                        self.caps.send_buffer,
                    );
                }
            }
        }
    }

    /// Ends the sessions that still pin more than their share.
    fn end_greedy(&mut self) {
        let share = self.caps.worst_case();
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            let Some(joined) = self.table.get_mut(key) else {
                continue;
            };
            let Sockets { client, host } = &joined.sockets;
            if socket::pinned(client) + socket::pinned(host) > share {
                joined.session.end(EndReason::Resource);
                enqueue(&mut self.ready, joined, key);
            }
        }
    }

    /// Takes the pipes of stalled sinks back when others had to go without. What is in flight is
    /// copied once more for that, so it is done for flows that wait only.
    fn reclaim_pipes(&mut self) {
        for place in 0..self.table.places() {
            let Some(joined) = self.table.at_mut(place) else {
                continue;
            };
            let (stores, tools) = (&mut joined.stores, &mut self.tools);
            joined.session.give_up_pipes(|direction, bytes| {
                tools.empty_pipe(stores.get_mut(direction), bytes)
            });
        }
    }

    /// Follows the number of sessions; those that are here already get their new caps by and by.
    fn retier(&mut self) {
        let tier = self.budget.next_tier(self.tier, self.seats.taken());
        if tier != self.tier {
            // A smaller share cannot be asked back from the kernel, only waited for.
            self.reckoning = (tier > self.tier).then(|| Instant::now() + limits::SHARE_GRACE);
            self.tier = tier;
            self.caps = self.budget.caps(tier);
            self.sweep.start();
        }
    }

    /// Ends what is left, what waits in the mailbox included.
    fn finish(mut self) {
        while let Some(command) = self.inbox.next() {
            match command {
                Command::Join(session) => self.join(session),
                Command::End(id, reason) => self.end(id, reason),
            }
        }
        self.end_every(EndReason::Shutdown);
        self.visit_ready();
    }
}

fn enqueue(ready: &mut VecDeque<Key>, joined: &mut Joined, key: Key) {
    if !joined.queued {
        joined.queued = true;
        ready.push_back(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        let bytes = size_of::<Joined>();
        assert!(bytes <= 320, "a table entry takes {bytes} bytes");
    }
}
