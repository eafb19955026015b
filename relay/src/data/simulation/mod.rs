//! A session between virtual sockets, driven by a tape of steps.
//!
//! The tape comes from a seed, from a fuzzer (`relay/fuzz`) or from its corpus. After each step the
//! bytes that went out are those that came in, in order and once; nothing is left undone that
//! could be done; a pipe is held only for bytes; and there is one reason for the end.

mod socket;
mod step;
mod world;

use super::flow::DataPath;
use super::leg::{Direction, Leg};
use super::reason::EndReason;
use super::session::{LegEvent, Session, Visit};
use crate::limits;
use socket::URGENT;
use step::{Change, STEP, Step};
use world::World;

/// Longest tape that is played; a fuzzer gains nothing by longer ones.
const STEPS_MAX: usize = 1_024;

const DIRECTIONS: [Direction; 2] = [Direction::ToHost, Direction::ToClient];

/// Plays a tape: its first byte chooses the data path, and each four that follow are a step.
/// Says how the session ended.
///
/// # Panics
/// The session did what it must not do.
pub(crate) fn play(tape: &[u8]) -> EndReason {
    let (path, rest) = tape.split_first().unwrap_or((&0, &[]));
    let mut play = Play::new(path_of(*path));
    let (steps, _) = rest.as_chunks::<STEP>();
    for step in steps.iter().take(STEPS_MAX) {
        play.step(Step::of(*step));
    }
    play.finish()
}

fn path_of(byte: u8) -> DataPath {
    [DataPath::Auto, DataPath::Splice, DataPath::Copy][usize::from(byte % 3)]
}

struct Play {
    world: World,
    session: Session,
    ended: Option<EndReason>,
}

impl Play {
    fn new(path: DataPath) -> Self {
        Self {
            world: World::new(),
            session: Session::new(path),
            ended: None,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Peer {
                leg,
                change,
                meanwhile: true,
            } => self.world.meanwhile.push_back((leg, change)),
            Step::Peer { leg, change, .. } => change.apply(self.world.socket(leg)),
            Step::Tell { leg, mask } => self.tell(leg, mask),
            Step::Spurious {
                leg,
                readable,
                writable,
            } => {
                let event = LegEvent {
                    readable,
                    writable,
                    ..LegEvent::default()
                };
                self.session.handle_event(leg, event);
            }
            Step::Visit { copy_max } => {
                self.visit(copy_max);
            }
            Step::Settle { copy_max } => self.settle(copy_max),
            // A pipe that this session holds is not in the pool.
            Step::Pool(pipes) => self.world.pool = pipes,
            Step::Grain(bytes) => self.world.grain = bytes,
            Step::Upset(outcome) => self.world.upset = Some(outcome),
            Step::End(reason) => {
                self.world.told.get_or_insert(reason);
                self.session.end(reason);
            }
        }
        self.check();
    }

    fn tell(&mut self, leg: Leg, mask: u8) {
        let event = self.world.socket(leg).tell(mask);
        if let Some(fault) = event.fault {
            self.world
                .told
                .get_or_insert(EndReason::of_fault(leg, fault));
        }
        if event.urgent {
            self.world.told.get_or_insert(EndReason::UrgentData);
        }
        self.session.handle_event(leg, event);
    }

    fn visit(&mut self, copy_max: usize) -> Visit {
        self.world.calls = 0;
        let visit = self.session.visit(copy_max, &mut self.world);
        self.world.leave();

        let most = 2 * limits::ROUNDS_PER_VISIT * limits::STEPS_PER_ROUND;
        assert!(
            self.world.calls <= most,
            "a visit takes more than its share"
        );
        match (self.ended, visit) {
            (None, Visit::Ended(reason)) => self.end(reason),
            (None, Visit::More) => assert!(self.world.calls > 0, "more work, and none was done"),
            (None, Visit::Idle) => {}
            (Some(reason), _) => {
                assert_eq!(visit, Visit::Ended(reason), "one end, one reason");
                assert_eq!(self.world.calls, 0, "work behind the end");
            }
        }
        visit
    }

    /// Whatever could be done is done after this.
    fn settle(&mut self, copy_max: usize) {
        loop {
            if let Some((leg, change)) = self.world.meanwhile.pop_front() {
                change.apply(self.world.socket(leg));
            }
            let calm = self.world.meanwhile.is_empty();
            self.tell(Leg::Client, !URGENT);
            self.tell(Leg::Host, !URGENT);
            self.work(copy_max);
            if calm && !self.world.has_urgent() {
                self.check_nothing_stuck();
            }
            // Urgent data last: the core has to find out from what a splice says about it, as soon
            // as there is a reason to read again.
            let again = LegEvent {
                readable: true,
                ..LegEvent::default()
            };
            self.session.handle_event(Leg::Client, again);
            self.session.handle_event(Leg::Host, again);
            self.work(copy_max);
            if calm {
                self.check_nothing_stuck();
            }
            self.tell(Leg::Client, URGENT);
            self.tell(Leg::Host, URGENT);
            self.work(copy_max);
            if !self.is_restless() {
                break;
            }
        }
        self.check_nothing_stuck();
    }

    fn work(&mut self, copy_max: usize) {
        let mut visits = 0;
        while self.visit(copy_max) == Visit::More {
            visits += 1;
            assert!(visits < 1 << 16, "the session works without end");
        }
    }

    fn check_nothing_stuck(&mut self) {
        if self.ended.is_some() {
            return;
        }
        for direction in DIRECTIONS {
            let stored = self.world.stored(direction);
            let source = self.world.socket(direction.source());
            let waiting = !source.arrived.is_empty() || source.fin || source.dead;
            let sink = self.world.socket(direction.sink());
            let stuck = !sink.shut && sink.room > 0 && (stored > 0 || waiting);
            assert!(!stuck, "{direction:?} is stuck");
        }
    }

    fn is_restless(&self) -> bool {
        let World { client, host, .. } = &self.world;
        !self.world.meanwhile.is_empty() || client.has_event() || host.has_event()
    }

    /// The peers take everything and hang up.
    fn finish(mut self) -> EndReason {
        self.world.upset = None;
        self.settle(limits::COPY_BUFFER);
        for leg in [Leg::Client, Leg::Host] {
            for change in [Change::Reads { bytes: 1 << 40 }, Change::Shuts] {
                change.apply(self.world.socket(leg));
            }
        }
        self.settle(limits::COPY_BUFFER);
        self.check();
        self.ended
            .expect("a session ends when its peers have hung up")
    }

    fn end(&mut self, reason: EndReason) {
        let World { client, host, .. } = &self.world;
        match (self.world.told, reason) {
            (Some(told), _) => assert_eq!(reason, told, "not what it was told first"),
            (None, EndReason::UrgentData) => assert!(client.urgent_sent || host.urgent_sent),
            (None, _) => {
                assert_eq!(reason, EndReason::Finished);
                assert!(client.shut && host.shut, "a FIN for each");
                assert_eq!((client.written, host.written), (host.sent(), client.sent()));
            }
        }
        self.ended = Some(reason);
    }

    fn check(&mut self) {
        let bytes = self.session.bytes();
        for direction in DIRECTIONS {
            let sent = self.world.socket(direction.source()).sent();
            let written = self.world.socket(direction.sink()).written;
            assert!(written <= sent, "bytes out of nowhere");
            assert_eq!(*bytes.get(direction), written, "miscounted");
        }
    }
}

#[cfg(test)]
mod tests;
