//! Both sockets of a session, the worker's buffer and its pipes, and what happens around them.
//!
//! It does what `forward` does, with ranges for bytes, and checks each call of the core.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::flow::{Action, Stored};
use super::super::leg::{Both, Direction, Leg};
use super::super::reason::EndReason;
use super::super::session::Perform;
use super::socket::Socket;
use super::step::Change;
use crate::limits;
use crate::sys::{Fault, Outcome};

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) client: Socket,
    pub(super) host: Socket,
    stores: Both<Store>,
    /// What the last read left in the buffer that all sessions share.
    buffer: Option<(Direction, Range<u64>)>,
    /// Pipes that the pool would still give.
    pub(super) pool: usize,
    /// Largest number of bytes that one splice moves.
    pub(super) grain: u64,
    /// The next call ends so, whatever else there is.
    pub(super) upset: Option<Outcome>,
    /// What happens between one call and the next.
    pub(super) meanwhile: VecDeque<(Leg, Change)>,
    /// What the session was told first of all that ends it.
    pub(super) told: Option<EndReason>,
    /// Calls since a visit began.
    pub(super) calls: usize,
}

/// What one direction holds between its source and its sink.
#[derive(Debug, Default)]
struct Store {
    pipe: Option<Range<u64>>,
    parked: Option<Range<u64>>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            pool: 2,
            grain: u64::MAX,
            ..Self::default()
        }
    }

    pub(super) fn socket(&mut self, leg: Leg) -> &mut Socket {
        match leg {
            Leg::Client => &mut self.client,
            Leg::Host => &mut self.host,
        }
    }

    /// Whether a peer has sent an urgent byte that is not read yet.
    pub(super) fn has_urgent(&self) -> bool {
        self.client.has_urgent() || self.host.has_urgent()
    }

    /// Bytes that left the source of a direction and have not reached its sink.
    pub(super) fn stored(&self, direction: Direction) -> u64 {
        let store = self.stores.get(direction);
        let ranges = [&store.pipe, &store.parked];
        ranges.into_iter().flatten().map(length).sum()
    }

    /// Other sessions have had their turn: nothing of this one is left in the shared buffer, and
    /// its pipes hold something, or they would have gone back.
    pub(super) fn leave(&mut self) {
        self.buffer = None;
        for direction in [Direction::ToHost, Direction::ToClient] {
            if let Some(pipe) = &self.stores.get(direction).pipe {
                assert!(!pipe.is_empty(), "an empty pipe is kept from the others");
            }
        }
    }

    fn source(&mut self, direction: Direction) -> &mut Socket {
        self.socket(direction.source())
    }

    fn sink(&mut self, direction: Direction) -> &mut Socket {
        self.socket(direction.sink())
    }

    fn recv(&mut self, direction: Direction, bytes_max: usize) -> Outcome {
        assert_eq!(self.stored(direction), 0, "bytes overtake");
        match self.source(direction).recv(wide(bytes_max)) {
            Ok(bytes) => {
                let count = length(&bytes);
                self.buffer = Some((direction, bytes));
                progress(count)
            }
            Err(outcome) => outcome,
        }
    }

    fn splice_in(&mut self, direction: Direction) -> Outcome {
        assert_eq!(self.stored(direction), 0, "bytes overtake");
        if self.stores.get(direction).pipe.is_none() {
            let Some(left) = self.pool.checked_sub(1) else {
                return Outcome::Error(Fault::Resource);
            };
            self.pool = left;
            self.stores.get_mut(direction).pipe = Some(0..0);
        }
        let bytes_max = self.grain.min(wide(limits::PIPE_BYTES));
        match self.source(direction).splice(bytes_max) {
            Ok(bytes) => {
                let count = length(&bytes);
                self.stores.get_mut(direction).pipe = Some(bytes);
                progress(count)
            }
            Err(outcome) => outcome,
        }
    }

    fn send(&mut self, direction: Direction, bytes: usize) -> Outcome {
        let parked = self.stores.get(direction).parked.clone();
        let held = parked.unwrap_or_else(|| {
            let (owner, read) = self.buffer.clone().expect("something was read");
            assert_eq!(owner, direction, "bytes of the other direction");
            read
        });
        self.write(direction, held.end - wide(bytes)..held.end)
    }

    fn splice_out(&mut self, direction: Direction, bytes: usize) -> Outcome {
        let pipe = self.stores.get(direction).pipe.clone();
        let held = pipe.expect("a pipe to splice out of");
        assert_eq!(length(&held), wide(bytes), "the flow's count differs");
        let most = held.start + length(&held).min(self.grain);
        let outcome = self.write(direction, held.start..most);
        if let Outcome::Progress(bytes) = outcome {
            self.stores.get_mut(direction).pipe = Some(held.start + wide(bytes)..held.end);
        }
        outcome
    }

    fn write(&mut self, direction: Direction, bytes: Range<u64>) -> Outcome {
        let sink = self.sink(direction);
        assert_eq!(
            bytes.start, sink.written,
            "a byte lost, doubled or out of order"
        );
        sink.write(length(&bytes))
    }

    fn shut(&mut self, direction: Direction) -> Outcome {
        let source = self.source(direction);
        assert!(source.fin, "a FIN that no peer sent");
        let sent = source.sent();
        let sink = self.sink(direction);
        assert_eq!(sink.written, sent, "FIN before the last byte");
        sink.shut()
    }

    /// Takes note of what a call told the session about its end.
    fn note(&mut self, direction: Direction, action: Action, outcome: Outcome) {
        let Outcome::Error(fault) = outcome else {
            return;
        };
        let leg = match action {
            // Without a pipe, bytes go through the buffer.
            Action::SpliceIn if fault == Fault::Resource => return,
            Action::Recv(_) | Action::SpliceIn | Action::Peek => direction.source(),
            Action::Send(_) | Action::SpliceOut(_) | Action::ShutSink => direction.sink(),
        };
        self.told.get_or_insert(EndReason::of_fault(leg, fault));
    }
}

impl Perform for World {
    fn perform(&mut self, direction: Direction, action: Action) -> Outcome {
        assert_eq!(self.told, None, "the session goes on although it has ended");
        if let Some((leg, change)) = self.meanwhile.pop_front() {
            change.apply(self.socket(leg));
        }
        self.calls += 1;
        // Shutting a socket does not wait, so no signal comes in between.
        let calm = action == Action::ShutSink && self.upset == Some(Outcome::Progress(0));
        let upset = self.upset.take_if(|_| !calm);
        let outcome = match (upset, action) {
            (Some(outcome), _) => outcome,
            (None, Action::Recv(bytes_max)) => self.recv(direction, bytes_max),
            (None, Action::Send(bytes)) => self.send(direction, bytes),
            (None, Action::SpliceIn) => self.splice_in(direction),
            (None, Action::Peek) => self.source(direction).peek(),
            (None, Action::SpliceOut(bytes)) => self.splice_out(direction, bytes),
            (None, Action::ShutSink) => self.shut(direction),
        };
        self.note(direction, action, outcome);
        outcome
    }

    fn settle(&mut self, direction: Direction, stored: Stored) {
        let store = self.stores.get_mut(direction);
        match stored {
            Stored::Nothing => {
                store.parked = None;
                if let Some(pipe) = store.pipe.take() {
                    assert!(pipe.is_empty(), "a pipe goes back with bytes in it");
                    self.pool += 1;
                }
            }
            Stored::Buffered(bytes) => {
                let held = store.parked.clone().or_else(|| {
                    let (owner, read) = self.buffer.clone()?;
                    (owner == direction).then_some(read)
                });
                let held = held.expect("something was read");
                store.parked = Some(held.end - wide(bytes)..held.end);
            }
            Stored::Piped(bytes) => {
                let held = store.pipe.as_ref().map_or(0, length);
                assert_eq!(
                    held,
                    wide(bytes),
                    "the flow's count differs from what is stored"
                );
            }
        }
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("fits")
}

fn progress(bytes: u64) -> Outcome {
    Outcome::Progress(usize::try_from(bytes).expect("fits"))
}
