//! One load thread: sends every message at its time, reads and verifies what arrives.
//!
//! Messages have their times before anything is measured (open loop): when the relay holds one up,
//! those behind it are late as well, and count as late.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use tokio::sync::mpsc;

use super::plan::{Ending, Plan};
use super::session::{After, Direction, End, Session};
use super::setup::{Arrival, Order};
use super::shared::{Shared, count};
use super::tally::Tally;
use crate::scenario::Scenario;
use crate::sys::{self, Timer};

const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// Largest single read and write.
const BUFFER: usize = 64 * 1024;

/// How late a thread may notice that a phase of the run has changed.
const LOOK: Duration = Duration::from_millis(50);

/// How long a session may take from the moment when it is told to end.
const END_PATIENCE: u64 = 60_000_000_000;

const EVENTS: usize = 1_024;

/// What happens to a session at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Send(Direction),
    Stall,
    GoOn,
    End,
    /// The host's direction of a half-closed session.
    EndDown,
    /// It should be over.
    Overdue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Appointment {
    at: u64,
    key: usize,
    /// Tells a session from a later one at the same place.
    serial: u64,
    what: What,
}

/// What an engine needs from the outside.
pub(super) struct Wiring {
    pub(super) scenario: Arc<Scenario>,
    pub(super) shared: Arc<Shared>,
    pub(super) arrivals: Receiver<Arrival>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) poll: Poll,
}

pub(super) struct Engine {
    wiring: Wiring,
    timer: Timer,
    sessions: Slab<(u64, Session)>,
    serial: u64,
    appointments: BinaryHeap<Reverse<Appointment>>,
    /// Sessions that have something to do.
    ready: VecDeque<usize>,
    buffer: Box<[u8]>,
    tally: Tally,
    closing: bool,
    /// CPU time of this thread, and the time, when the measured time began.
    began: Option<(Duration, u64)>,
    measured: bool,
}

/// Makes the poll of an engine, and the waker that tells it of arrivals.
///
/// # Errors
/// No descriptor is left.
pub(super) fn poll() -> io::Result<(Poll, Arc<Waker>)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    Ok((poll, Arc::new(waker)))
}

impl Engine {
    pub(super) fn new(wiring: Wiring) -> io::Result<Self> {
        let timer = Timer::new()?;
        let registry = wiring.poll.registry();
        registry.register(&mut SourceFd(&timer.raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self {
            wiring,
            timer,
            sessions: Slab::new(),
            serial: 0,
            appointments: BinaryHeap::new(),
            ready: VecDeque::new(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            tally: Tally::default(),
            closing: false,
            began: None,
            measured: false,
        })
    }

    /// Carries the load until it is told to close, and every session has ended.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(EVENTS);
        let mut alarm = u64::MAX;
        while !(self.closing && self.sessions.is_empty()) {
            let pause = if self.ready.is_empty() {
                LOOK
            } else {
                Duration::ZERO
            };
            if let Err(error) = self.wiring.poll.poll(&mut events, Some(pause))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                self.handle_event(event);
            }
            self.take_arrivals()?;
            self.keep_appointments();
            self.visit_ready();
            self.follow_phases();
            let next = self.appointments.peek().map_or(u64::MAX, |next| next.0.at);
            if next != alarm && next != u64::MAX {
                let after = next.saturating_sub(self.wiring.shared.now());
                self.timer.set(Duration::from_nanos(after))?;
            }
            alarm = next;
        }
        Ok(self.tally)
    }

    fn handle_event(&mut self, event: &mio::event::Event) {
        let token = event.token();
        if token == WAKER || token == TIMER {
            return;
        }
        let key = token.0 / 2;
        // An event of a session that has just ended is nobody's.
        if let Some((_, session)) = self.sessions.get_mut(key) {
            if token.0.is_multiple_of(2) {
                if let Some(client) = &mut session.client {
                    client.handle_event(event);
                }
            } else {
                session.host.handle_event(event);
            }
            self.ready.push_back(key);
        }
    }

    fn take_arrivals(&mut self) -> io::Result<()> {
        while let Ok(Arrival {
            order,
            client,
            host,
        }) = self.wiring.arrivals.try_recv()
        {
            if self.closing {
                continue;
            }
            let (client, host) = (
                mio::net::TcpStream::from_std(client),
                mio::net::TcpStream::from_std(host),
            );
            let seed = self.wiring.scenario.seed;
            let session = Session::new(seed, (order.number, order.life), client, host);
            self.begin(session)?;
        }
        Ok(())
    }

    fn begin(&mut self, mut session: Session) -> io::Result<()> {
        let entry = self.sessions.vacant_entry();
        let key = entry.key();
        let registry = self.wiring.poll.registry();
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Some(End { socket, .. }) = &mut session.client {
            registry.register(socket, Token(2 * key), both)?;
        }
        registry.register(&mut session.host.socket, Token(2 * key + 1), both)?;
        self.serial += 1;
        let (now, serial) = (self.wiring.shared.now(), self.serial);
        self.tally.begun += u64::from(self.wiring.shared.counts(now));
        let scenario = Arc::clone(&self.wiring.scenario);
        let plan = Plan::new(&scenario);
        let mut meet = |after: Option<u64>, what| {
            if let Some(after) = after {
                let at = now + after;
                self.appointments.push(Reverse(Appointment {
                    at,
                    key,
                    serial,
                    what,
                }));
            }
        };
        for (direction, traffic) in [
            (Direction::Up, &scenario.up),
            (Direction::Down, &scenario.down),
        ] {
            meet(
                Plan::gap(traffic, &mut session.random),
                What::Send(direction),
            );
        }
        session.bulk = scenario.bulk.then(|| scenario.down.bytes.most());
        if let Some((after, ending)) = plan.ending(&mut session.random) {
            session.ending = Some(ending);
            meet(Some(after), What::End);
        }
        if plan.stalls(&mut session.random) {
            meet(plan.stall_gap(&mut session.random), What::Stall);
        }
        entry.insert((serial, session));
        self.ready.push_back(key);
        count(&self.wiring.shared.live, 1);
        Ok(())
    }

    fn keep_appointments(&mut self) {
        let mut now = self.wiring.shared.now();
        while let Some(Reverse(next)) = self.appointments.peek().copied() {
            if next.at > now {
                now = self.wiring.shared.now();
                if next.at > now {
                    return;
                }
            }
            self.appointments.pop();
            self.keep(next);
        }
    }

    fn keep(&mut self, appointment: Appointment) {
        let Appointment {
            at,
            key,
            serial,
            what,
        } = appointment;
        let scenario = Arc::clone(&self.wiring.scenario);
        let plan = Plan::new(&scenario);
        let Some((_, session)) = self.sessions.get_mut(key).filter(|(its, _)| *its == serial)
        else {
            return;
        };
        let mut next = None;
        match what {
            What::Send(direction) => {
                let traffic = match direction {
                    Direction::Up => &scenario.up,
                    Direction::Down => &scenario.down,
                };
                let bytes = traffic.bytes.draw(&mut session.random);
                // After its end nothing follows.
                if session.flow(direction).is_closing() || session.client.is_none() {
                    return;
                }
                session.flow(direction).offer(bytes, at);
                self.tally
                    .left(at, self.wiring.shared.now(), &self.wiring.shared);
                // From when this one was due, not from now: what is late stays late.
                next = Plan::gap(traffic, &mut session.random).map(|gap| (at + gap, what));
            }
            What::Stall => {
                if !self.closing && !session.down.is_closing() {
                    session.stall(true);
                    self.tally.ends.stalls += 1;
                    let pause = plan.stall_pause(&mut session.random);
                    next = pause.map(|pause| (at + pause, What::GoOn));
                }
            }
            What::GoOn => {
                session.stall(false);
                let gap = plan.stall_gap(&mut session.random);
                next = gap.map(|gap| (at + gap, What::Stall));
            }
            What::End => next = end(session, at, &mut self.tally),
            What::EndDown => {
                session.close();
                next = Some((at + END_PATIENCE, What::Overdue));
            }
            What::Overdue => {
                session.count_overdue(&mut self.tally, &self.wiring.shared);
                self.remove(key);
                return;
            }
        }
        if let Some((at, what)) = next {
            self.appointments.push(Reverse(Appointment {
                at,
                key,
                serial,
                what,
            }));
        }
        self.visit(key);
    }

    fn visit_ready(&mut self) {
        // Those that are not done come again after the next look at the kernel.
        for _ in 0..self.ready.len() {
            if let Some(key) = self.ready.pop_front() {
                self.visit(key);
            }
        }
    }

    fn visit(&mut self, key: usize) {
        let Some((_, session)) = self.sessions.get_mut(key) else {
            return;
        };
        match session.visit(&mut self.buffer, &mut self.tally, &self.wiring.shared) {
            After::Wait => {}
            After::Again => self.ready.push_back(key),
            After::Over => self.remove(key),
        }
    }

    /// Ends a session, and asks for the next one of the same host.
    fn remove(&mut self, key: usize) {
        // Closing the sockets takes them out of the poll.
        let (_, session) = self.sessions.remove(key);
        self.wiring
            .shared
            .live
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if self.closing {
            return;
        }
        let order = Order {
            number: session.number,
            life: session.life + 1,
        };
        // There is room for one order of each host; after the end nobody wants any.
        let _ = self.wiring.orders.try_send(order);
    }

    /// Follows those who watch: the measured time begins and ends, the load closes.
    fn follow_phases(&mut self) {
        let shared = Arc::clone(&self.wiring.shared);
        if shared.has_begun() && self.began.is_none() {
            self.began = Some((sys::thread_cpu(), shared.now()));
        }
        if shared.has_ended() && !self.measured {
            self.measured = true;
            if let Some((cpu, at)) = self.began {
                let wall = Duration::from_nanos(shared.now().saturating_sub(at));
                let ran = sys::thread_cpu().saturating_sub(cpu);
                self.tally.busy = ran.as_secs_f64() / wall.as_secs_f64().max(1e-9);
            }
        }
        if shared.is_closing() && !self.closing {
            self.closing = true;
            let overdue = shared.now() + END_PATIENCE;
            let keys: Vec<usize> = self.sessions.iter().map(|(key, _)| key).collect();
            for key in keys {
                let (serial, session) = &mut self.sessions[key];
                session.close();
                self.appointments.push(Reverse(Appointment {
                    at: overdue,
                    key,
                    serial: *serial,
                    what: What::Overdue,
                }));
                self.ready.push_back(key);
            }
        }
    }
}

/// The time of a session has come.
fn end(session: &mut Session, at: u64, tally: &mut Tally) -> Option<(u64, What)> {
    match session.ending {
        Some(Ending::HalfClose { linger }) => {
            session.up.close();
            return Some((at + linger, What::EndDown));
        }
        Some(Ending::Abort) => {
            if let Err(error) = session.abort() {
                tally
                    .faults
                    .tell(format!("a client could not reset: {error}"));
            }
        }
        Some(Ending::Close) | None => session.close(),
    }
    Some((at + END_PATIENCE, What::Overdue))
}
