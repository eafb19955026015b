//! Two legs joined: two independent flows that end for one reason.
//!
//! Pure: no I/O, no clock, no allocation. [`Session::visit`] is the one loop that drives a session;
//! the reactor gives it real sockets, `simulation` gives it virtual ones. All that a message meets
//! is inlined there by order: the compiler alone leaves a quarter more instructions (callgrind).
//! Read `flow` first; the words of the protocol between the two are in `docs/SESSION.md`.

use super::flow::{Action, Broken, DataPath, Flow, Stored};
use super::leg::{Both, Direction, Leg};
use super::reason::EndReason;
use crate::limits;
use crate::sys::{Fault, Outcome};

/// The state of one session.
#[derive(Clone, Debug)]
pub struct Session {
    flows: Both<Flow>,
    /// INVARIANT: set at most once; the first reason stays.
    ended: Option<EndReason>,
}

/// What the kernel said about one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegEvent {
    pub readable: bool,
    pub writable: bool,
    /// The peer sent its FIN, or the connection is over.
    pub hangup: bool,
    /// Urgent data arrived.
    pub urgent: bool,
    /// The error that the kernel holds for the socket.
    pub fault: Option<Fault>,
}

/// What a visit left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Nothing to do until the next event.
    Idle,
    /// The budget is used up, the work is not.
    More,
    /// The session is over.
    Ended(EndReason),
}

/// Carries out actions on behalf of a session.
pub trait Perform {
    fn perform(&mut self, direction: Direction, action: Action) -> Outcome;

    /// A round of this direction is over: keep what is stored, free what is not needed.
    fn settle(&mut self, direction: Direction, stored: Stored);
}

impl Session {
    pub fn new(path: DataPath) -> Self {
        Self {
            flows: Both {
                to_host: Flow::new(path),
                to_client: Flow::new(path),
            },
            ended: None,
        }
    }

    /// Takes what the kernel said about one leg.
    pub fn handle_event(&mut self, leg: Leg, event: LegEvent) {
        if let Some(fault) = event.fault {
            self.end(EndReason::of_fault(leg, fault));
        }
        if event.urgent {
            self.end(EndReason::UrgentData);
        }
        if event.readable || event.hangup {
            self.flows
                .get_mut(leg.outgoing())
                .handle_readable(event.hangup);
        }
        if event.writable {
            self.flows.get_mut(leg.incoming()).handle_writable();
        }
    }

    /// Ends the session, unless it already has a reason.
    pub fn end(&mut self, reason: EndReason) {
        self.ended.get_or_insert(reason);
    }

    /// Works until nothing is left to do or each direction has had
    /// [`limits::ROUNDS_PER_VISIT`] rounds.
    ///
    /// The directions take turns, round by round. `copy_max` bounds one plain read.
    #[inline]
    pub fn visit(&mut self, copy_max: usize, io: &mut impl Perform) -> Visit {
        for _ in 0..limits::ROUNDS_PER_VISIT {
            // By name, so that the compiler makes each direction a code of its own.
            let has_more = self.round(Direction::ToClient, copy_max, io)
                | self.round(Direction::ToHost, copy_max, io);
            if let Some(reason) = self.ended {
                return Visit::Ended(reason);
            }
            if !has_more {
                return Visit::Idle;
            }
        }
        Visit::More
    }

    /// Offers every stalled flow's pipe for other use: `empty` moves so many bytes into user memory,
    /// and says whether it could.
    pub fn give_up_pipes(&mut self, mut empty: impl FnMut(Direction, usize) -> bool) {
        for direction in [Direction::ToHost, Direction::ToClient] {
            let flow = self.flows.get_mut(direction);
            if let Stored::Piped(bytes) = flow.stored()
                && empty(direction, bytes)
            {
                flow.handle_pipe_emptied();
            }
        }
    }

    /// Bytes handed to the sinks so far.
    pub fn bytes(&self) -> Both<u64> {
        Both {
            to_host: self.flows.to_host.bytes(),
            to_client: self.flows.to_client.bytes(),
        }
    }

    /// One read at most, and the writes that empty it again. Says whether more can be done.
    #[inline(always)]
    fn round(&mut self, direction: Direction, copy_max: usize, io: &mut impl Perform) -> bool {
        let flow = self.flows.get_mut(direction);
        let mut next = flow.next(copy_max).filter(|_| self.ended.is_none());
        if next.is_none() {
            return false;
        }
        for _ in 0..limits::STEPS_PER_ROUND {
            let Some(action) = next else { break };
            if let Err(broken) = flow.handle(action, io.perform(direction, action)) {
                self.ended.get_or_insert(end_reason(direction, broken));
                break;
            }
            next = flow.next(copy_max);
            if flow.stored() == Stored::Nothing {
                break;
            }
        }
        io.settle(direction, flow.stored());
        if self.flows.to_host.is_shut() && self.flows.to_client.is_shut() {
            self.ended.get_or_insert(EndReason::Finished);
        }
        next.is_some()
    }
}

fn end_reason(direction: Direction, broken: Broken) -> EndReason {
    match broken {
        Broken::Source(fault) => EndReason::of_fault(direction.source(), fault),
        Broken::Sink(fault) => EndReason::of_fault(direction.sink(), fault),
        Broken::UrgentData => EndReason::UrgentData,
    }
}
