//! A session between virtual sockets, driven by a seeded stream of choices.
//!
//! Proptest shrinks and prints the choices of a failing run; everything follows from them.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// Twice the size that begins a splice, so that every way through a flow is walked.
const COPY_MAX: usize = 32 * 1024;

/// One virtual socket as the relay sees it.
#[derive(Default)]
struct Wire {
    /// Sent by the peer, not read by the relay.
    queue: VecDeque<u8>,
    fin: bool,
    reset: bool,
    /// Room in the relay's send queue towards this peer.
    room: usize,
    /// What the peer received.
    received: Vec<u8>,
    fin_received: bool,
}

/// Both sockets, both stores, and the bounds that the choices set.
struct World {
    client: Wire,
    host: Wire,
    pipes: Both<VecDeque<u8>>,
    buffers: Both<VecDeque<u8>>,
    /// Largest number of bytes that the next call moves.
    grain: usize,
    pipes_left: bool,
}

impl World {
    fn new() -> Self {
        Self {
            client: Wire::default(),
            host: Wire::default(),
            pipes: Both::default(),
            buffers: Both::default(),
            grain: usize::MAX,
            pipes_left: true,
        }
    }

    fn wire(&mut self, leg: Leg) -> &mut Wire {
        match leg {
            Leg::Client => &mut self.client,
            Leg::Host => &mut self.host,
        }
    }

    fn take(&mut self, leg: Leg, bytes_max: usize) -> Result<VecDeque<u8>, Outcome> {
        let bytes_max = bytes_max.min(self.grain);
        let wire = self.wire(leg);
        if wire.queue.is_empty() {
            return Err(match (wire.reset, wire.fin) {
                (true, _) => Outcome::Error(Fault::Reset),
                (false, true) => Outcome::Eof,
                (false, false) => Outcome::Blocked,
            });
        }
        let bytes = wire.queue.len().min(bytes_max);
        Ok(wire.queue.drain(..bytes).collect())
    }

    fn put(&mut self, direction: Direction, piped: bool, bytes_max: usize) -> Outcome {
        let grain = self.grain;
        let store = if piped {
            &mut self.pipes
        } else {
            &mut self.buffers
        };
        let mut store = std::mem::take(store.get_mut(direction));
        let wire = self.wire(direction.sink());
        assert_eq!(
            store.len(),
            bytes_max,
            "the flow's count differs from what is stored"
        );
        assert!(!wire.fin_received, "bytes behind the FIN");

        let bytes = if wire.reset {
            0
        } else {
            bytes_max.min(wire.room).min(grain)
        };
        wire.room -= bytes;
        wire.received.extend(store.drain(..bytes));
        let outcome = match (wire.reset, bytes) {
            (true, _) => Outcome::Error(Fault::Reset),
            (false, 0) => Outcome::Blocked,
            (false, bytes) => Outcome::Progress(bytes),
        };
        let home = if piped {
            &mut self.pipes
        } else {
            &mut self.buffers
        };
        *home.get_mut(direction) = store;
        outcome
    }
}

impl Perform for World {
    fn perform(&mut self, direction: Direction, action: Action) -> Outcome {
        let source = direction.source();
        match action {
            Action::Recv(bytes_max) => match self.take(source, bytes_max) {
                Ok(bytes) => {
                    assert!(self.buffers.get(direction).is_empty(), "bytes overtake");
                    assert!(self.pipes.get(direction).is_empty(), "bytes overtake");
                    let progress = Outcome::Progress(bytes.len());
                    *self.buffers.get_mut(direction) = bytes;
                    progress
                }
                Err(outcome) => outcome,
            },
            Action::SpliceIn if !self.pipes_left => Outcome::Error(Fault::Resource),
            Action::SpliceIn => match self.take(source, usize::MAX) {
                Ok(bytes) => {
                    assert!(self.buffers.get(direction).is_empty(), "bytes overtake");
                    assert!(self.pipes.get(direction).is_empty(), "bytes overtake");
                    let progress = Outcome::Progress(bytes.len());
                    *self.pipes.get_mut(direction) = bytes;
                    progress
                }
                Err(outcome) => outcome,
            },
            Action::Peek => match self.wire(source) {
                wire if !wire.queue.is_empty() => Outcome::Progress(1),
                wire if wire.reset => Outcome::Error(Fault::Reset),
                wire if wire.fin => Outcome::Eof,
                _ => Outcome::Blocked,
            },
            Action::Send(bytes) => self.put(direction, false, bytes),
            Action::SpliceOut(bytes) => self.put(direction, true, bytes),
            Action::ShutSink => {
                assert!(
                    self.buffers.get(direction).is_empty(),
                    "FIN before the last byte"
                );
                assert!(
                    self.pipes.get(direction).is_empty(),
                    "FIN before the last byte"
                );
                let wire = self.wire(direction.sink());
                assert!(!wire.fin_received, "two FINs");
                wire.fin_received = true;
                Outcome::Progress(0)
            }
        }
    }

    fn settle(&mut self, direction: Direction, stored: Stored) {
        let in_buffer = self.buffers.get(direction).len();
        let in_pipe = self.pipes.get(direction).len();
        let expected = match stored {
            Stored::Nothing => (0, 0),
            Stored::Buffered(bytes) => (bytes, 0),
            Stored::Piped(bytes) => (0, bytes),
        };
        assert_eq!((in_buffer, in_pipe), expected);
    }
}

/// One thing that happens to the session from outside.
#[derive(Clone, Debug)]
enum Step {
    PeerSends {
        leg: Leg,
        bytes: usize,
    },
    PeerShuts {
        leg: Leg,
    },
    PeerReads {
        leg: Leg,
        bytes: usize,
    },
    Grain(usize),
    PipesLeft(bool),
    /// An event about nothing, as edge-triggered polling gives them.
    Spurious {
        leg: Leg,
    },
}

/// A whole session: what the peers send, as seen at the end, must be what the others received.
struct Play {
    world: World,
    session: Session,
    sent: Both<Vec<u8>>,
    next_byte: u8,
}

impl Play {
    fn new(path: DataPath) -> Self {
        Self {
            world: World::new(),
            session: Session::new(path),
            sent: Both::default(),
            next_byte: 0,
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::PeerSends { leg, bytes } => {
                if self.world.wire(leg).fin {
                    return;
                }
                for _ in 0..bytes {
                    self.next_byte = self.next_byte.wrapping_mul(5).wrapping_add(113);
                    self.world.wire(leg).queue.push_back(self.next_byte);
                    self.sent.get_mut(leg.outgoing()).push(self.next_byte);
                }
                self.tell(
                    leg,
                    LegEvent {
                        readable: true,
                        ..LegEvent::default()
                    },
                );
            }
            Step::PeerShuts { leg } => {
                self.world.wire(leg).fin = true;
                let event = LegEvent {
                    readable: true,
                    hangup: true,
                    ..LegEvent::default()
                };
                self.tell(leg, event);
            }
            Step::PeerReads { leg, bytes } => {
                self.world.wire(leg).room += bytes;
                self.tell(
                    leg,
                    LegEvent {
                        writable: true,
                        ..LegEvent::default()
                    },
                );
            }
            Step::Grain(grain) => self.world.grain = grain,
            Step::PipesLeft(left) => self.world.pipes_left = left,
            Step::Spurious { leg } => {
                let event = LegEvent {
                    readable: true,
                    writable: true,
                    ..LegEvent::default()
                };
                self.tell(leg, event);
            }
        }
    }

    fn tell(&mut self, leg: Leg, event: LegEvent) {
        self.session.handle_event(leg, event);
    }

    /// Visits until the session has nothing more to do; it may not need for ever.
    fn run(&mut self) -> Visit {
        let pending = self.sent.to_host.len() + self.sent.to_client.len();
        for _ in 0..pending + 64 {
            let visit = self.session.visit(COPY_MAX, &mut self.world);
            if visit != Visit::More {
                return visit;
            }
        }
        panic!("the session works without end");
    }

    fn assert_prefix(&self) {
        assert!(self.sent.to_host.starts_with(&self.world.host.received));
        assert!(self.sent.to_client.starts_with(&self.world.client.received));
    }
}

fn any_leg() -> impl Strategy<Value = Leg> {
    prop_oneof![Just(Leg::Client), Just(Leg::Host)]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any_leg(), prop_oneof![1_usize..200, 3_000_usize..60_000])
            .prop_map(|(leg, bytes)| Step::PeerSends { leg, bytes }),
        6 => (any_leg(), prop_oneof![1_usize..200, 3_000_usize..60_000])
            .prop_map(|(leg, bytes)| Step::PeerReads { leg, bytes }),
        1 => any_leg().prop_map(|leg| Step::PeerShuts { leg }),
        2 => prop_oneof![1_usize..10, 500_usize..70_000].prop_map(Step::Grain),
        1 => any::<bool>().prop_map(Step::PipesLeft),
        2 => any_leg().prop_map(|leg| Step::Spurious { leg }),
    ]
}

fn any_path() -> impl Strategy<Value = DataPath> {
    prop_oneof![
        Just(DataPath::Auto),
        Just(DataPath::Splice),
        Just(DataPath::Copy)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_once_in_order_and_the_session_finishes(
        path in any_path(),
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        let mut play = Play::new(path);
        for step in &steps {
            play.apply(step);
            let visit = play.run();
            play.assert_prefix();
            let both_shut = play.world.client.fin_received && play.world.host.fin_received;
            prop_assert_eq!(visit == Visit::Ended(EndReason::Finished), both_shut);
        }

        // The peers read everything and close: nothing may be left behind or sent twice.
        play.world.grain = usize::MAX;
        for leg in [Leg::Client, Leg::Host] {
            play.apply(&Step::PeerShuts { leg });
            play.apply(&Step::PeerReads { leg, bytes: 1 << 30 });
        }
        prop_assert_eq!(play.run(), Visit::Ended(EndReason::Finished));
        prop_assert_eq!(&play.world.host.received, &play.sent.to_host);
        prop_assert_eq!(&play.world.client.received, &play.sent.to_client);
        prop_assert_eq!(play.session.bytes().to_host, u64::try_from(play.sent.to_host.len())?);
        prop_assert_eq!(play.session.bytes().to_client, u64::try_from(play.sent.to_client.len())?);
    }

    #[test]
    fn a_half_close_keeps_the_other_direction(
        path in any_path(),
        closing in any_leg(),
        sizes in proptest::collection::vec(1_usize..20_000, 1..20),
    ) {
        let mut play = Play::new(path);
        play.world.client.room = 1 << 30;
        play.world.host.room = 1 << 30;
        play.apply(&Step::PeerShuts { leg: closing });
        prop_assert_eq!(play.run(), Visit::Idle);
        prop_assert!(play.world.wire(closing.outgoing().sink()).fin_received);

        let open = closing.outgoing().sink();
        for bytes in sizes {
            play.apply(&Step::PeerSends { leg: open, bytes });
            prop_assert_eq!(play.run(), Visit::Idle);
        }

        let sent = play.sent.get(open.outgoing()).clone();
        prop_assert_eq!(&play.world.wire(closing).received, &sent);
        play.apply(&Step::PeerShuts { leg: open });
        prop_assert_eq!(play.run(), Visit::Ended(EndReason::Finished));
    }

    #[test]
    fn a_reset_ends_both_directions_for_the_leg_that_was_reset(
        path in any_path(),
        leg in any_leg(),
        steps in proptest::collection::vec(any_step(), 0..20),
        announced in any::<bool>(),
    ) {
        let mut play = Play::new(path);
        for step in steps.iter().filter(|step| !matches!(step, Step::PeerShuts { .. })) {
            play.apply(step);
            play.run();
        }

        let wire = play.world.wire(leg);
        wire.reset = true;
        wire.queue.clear();
        // The kernel tells by an error event; without it, the next call would.
        let fault = announced.then_some(Fault::Reset);
        let event = LegEvent { readable: true, writable: true, hangup: true, fault, urgent: false };
        play.tell(leg, event);
        play.world.wire(leg.outgoing().sink()).room = 1 << 30;
        play.tell(leg.outgoing().sink(), LegEvent { writable: true, ..LegEvent::default() });

        let expected = EndReason::of_fault(leg, Fault::Reset);
        prop_assert_eq!(play.run(), Visit::Ended(expected));
        play.session.end(EndReason::Operator);
        prop_assert_eq!(play.run(), Visit::Ended(expected), "the first reason stays");
        play.assert_prefix();
    }
}

#[test]
fn a_stalled_sink_leaves_the_other_direction_running() {
    let mut play = Play::new(DataPath::Auto);
    play.world.host.room = 1 << 30;
    play.apply(&Step::PeerSends {
        leg: Leg::Host,
        bytes: 100_000,
    });
    assert_eq!(play.run(), Visit::Idle);

    play.apply(&Step::PeerSends {
        leg: Leg::Client,
        bytes: 100_000,
    });
    assert_eq!(play.run(), Visit::Idle);

    assert_eq!(play.world.host.received, play.sent.to_host);
    assert!(play.world.client.received.is_empty());
    assert_eq!(
        play.world.buffers.to_client.len(),
        COPY_MAX,
        "one read, then backpressure"
    );
}

#[test]
fn a_visit_stops_at_its_budget() {
    let mut play = Play::new(DataPath::Copy);
    play.world.host.room = 1 << 30;
    let budget = COPY_MAX * limits::ROUNDS_PER_VISIT;

    play.apply(&Step::PeerSends {
        leg: Leg::Client,
        bytes: budget + 1,
    });
    // The first round goes to the silent direction and finds nothing.
    assert_eq!(play.session.visit(COPY_MAX, &mut play.world), Visit::More);
    assert_eq!(play.world.host.received.len(), budget - COPY_MAX);

    assert_eq!(play.run(), Visit::Idle);
    assert_eq!(play.world.host.received.len(), budget + 1);
}

#[test]
fn urgent_data_ends_a_session() {
    let mut play = Play::new(DataPath::Auto);
    play.tell(
        Leg::Client,
        LegEvent {
            readable: true,
            urgent: true,
            ..LegEvent::default()
        },
    );
    assert_eq!(play.run(), Visit::Ended(EndReason::UrgentData));
}
