//! Carries out a session's actions on real sockets: copies through the worker's buffer, splices
//! through the worker's pipes, and keeps what a stalled sink did not take.
//!
//! Must never decide what to do next: that is `session`'s and `flow`'s part.

use std::sync::Arc;

use mio::net::TcpStream;

use super::budget;
use super::flow::{Action, Stored};
use super::leg::{Both, Direction, Leg};
use super::mailbox::Desk;
use super::pipe::PipePool;
use super::session::Perform;
use super::stats::Counters;
use crate::limits;
use crate::sys::pipe::Pipe;
use crate::sys::{Fault, Outcome, socket};

/// The two sockets of a session.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) client: TcpStream,
    pub(super) host: TcpStream,
}

/// What one direction holds between its source and its sink.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// There only while bytes are in flight.
    pipe: Option<Pipe>,
    /// A read that the sink did not take whole; its last bytes are the ones still to be sent.
    parked: Option<Box<[u8]>>,
    /// Bytes written since a write was the last of its segment.
    run: usize,
}

/// What all sessions of a worker share.
#[derive(Debug)]
pub(super) struct Tools {
    buffer: Box<[u8]>,
    /// Bytes of the buffer that the last read filled.
    filled: usize,
    pub(super) pool: PipePool,
    desk: Arc<Desk>,
}

/// One session's sockets and stores with the tools of its worker.
pub(super) struct Forwarder<'a> {
    pub(super) sockets: &'a Sockets,
    pub(super) stores: &'a mut Both<Store>,
    pub(super) tools: &'a mut Tools,
    /// Longest single read.
    pub(super) read_max: usize,
}

impl Sockets {
    pub(super) fn get(&self, leg: Leg) -> &TcpStream {
        match leg {
            Leg::Client => &self.client,
            Leg::Host => &self.host,
        }
    }
}

impl Tools {
    pub(super) fn new(pipes_max: usize, desk: Arc<Desk>) -> Self {
        Self {
            buffer: vec![0; limits::COPY_BUFFER].into_boxed_slice(),
            filled: 0,
            pool: PipePool::new(pipes_max),
            desk,
        }
    }

    /// Frees what a reaped session left. Its pipes may hold bytes, so they are not used again.
    pub(super) fn discard(&mut self, stores: Both<Store>) {
        for pipe in [stores.to_host.pipe, stores.to_client.pipe]
            .into_iter()
            .flatten()
        {
            self.pool.destroy(pipe);
        }
    }

    /// Moves the bytes of a stalled sink from its pipe into user memory, so that others can use
    /// the pipe. Says whether that was possible.
    pub(super) fn empty_pipe(&mut self, store: &mut Store, bytes: usize) -> bool {
        let Some(parked) = store.pipe.as_ref().and_then(|pipe| pipe.read_out(bytes)) else {
            debug_assert!(false, "the flow's count differs from what is in the pipe");
            return false;
        };
        store.parked = Some(parked);
        if let Some(pipe) = store.pipe.take() {
            self.pool.give(pipe);
        }
        true
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.desk.counters
    }
}

impl Perform for Forwarder<'_> {
    #[inline(always)]
    fn perform(&mut self, direction: Direction, action: Action) -> Outcome {
        match action {
            Action::Recv(bytes_max) => self.recv(direction, bytes_max),
            Action::Send(bytes) => self.send(direction, bytes),
            Action::SpliceIn => self.splice_in(direction),
            Action::Peek => socket::peek(self.sockets.get(direction.source())),
            Action::SpliceOut(bytes) => self.splice_out(direction, bytes),
            Action::ShutSink => socket::shut_write(self.sockets.get(direction.sink())),
        }
    }

    #[inline(always)]
    fn settle(&mut self, direction: Direction, stored: Stored) {
        let store = self.stores.get_mut(direction);
        match stored {
            Stored::Nothing => {
                store.parked = None;
                if let Some(pipe) = store.pipe.take() {
                    self.tools.pool.give(pipe);
                }
            }
            // The next session needs the buffer.
            Stored::Buffered(bytes) if store.parked.is_none() => {
                store.parked = self.tools.unsent(bytes).map(Box::from);
            }
            Stored::Buffered(_) | Stored::Piped(_) => {}
        }
    }
}

impl Forwarder<'_> {
    #[inline(always)]
    fn recv(&mut self, direction: Direction, bytes_max: usize) -> Outcome {
        let tools = &mut *self.tools;
        let bytes_max = bytes_max.min(tools.buffer.len());
        let source = self.sockets.get(direction.source());
        let outcome = socket::recv(source, &mut tools.buffer[..bytes_max]);
        tools.counters().copy_calls.add(1);
        if let Outcome::Progress(bytes) = outcome {
            tools.filled = bytes;
        }
        outcome
    }

    #[inline(always)]
    fn send(&mut self, direction: Direction, bytes: usize) -> Outcome {
        let unsent = match &self.stores.get(direction).parked {
            Some(parked) => parked
                .len()
                .checked_sub(bytes)
                .and_then(|sent| parked.get(sent..)),
            None => self.tools.unsent(bytes),
        };
        let Some(unsent) = unsent else {
            debug_assert!(false, "the flow's count differs from what is stored");
            return Outcome::Error(Fault::Io);
        };
        // Small writes share a segment while it is short, so that a narrow path carries full packets.
        let run = self.stores.get(direction).run;
        let last = budget::ends_run(run + unsent.len(), self.read_max);
        let outcome = socket::send(self.sockets.get(direction.sink()), unsent, last);
        let whole = outcome == Outcome::Progress(unsent.len());
        let counters = self.tools.counters();
        counters.copy_calls.add(1);
        if let Outcome::Progress(bytes) = outcome {
            counters.add_copied(direction, bytes);
            self.stores.get_mut(direction).run = if last && whole { 0 } else { run + bytes };
        }
        outcome
    }

    fn splice_in(&mut self, direction: Direction) -> Outcome {
        let store = self.stores.get_mut(direction);
        if store.pipe.is_none() {
            store.pipe = self.tools.pool.take();
        }
        let Some(pipe) = &store.pipe else {
            self.tools.counters().pipe_shortages.add(1);
            return Outcome::Error(Fault::Resource);
        };
        self.tools.counters().splice_calls.add(1);
        pipe.fill_from(self.sockets.get(direction.source()), self.read_max)
    }

    fn splice_out(&mut self, direction: Direction, bytes: usize) -> Outcome {
        let Some(pipe) = &self.stores.get(direction).pipe else {
            debug_assert!(false, "bytes are said to be in a pipe that is not there");
            return Outcome::Error(Fault::Io);
        };
        let outcome = pipe.drain_to(self.sockets.get(direction.sink()), bytes);
        let counters = self.tools.counters();
        counters.splice_calls.add(1);
        if let Outcome::Progress(bytes) = outcome {
            counters.add_spliced(direction, bytes);
        }
        outcome
    }
}

impl Tools {
    /// The last so many bytes of what was read into the buffer.
    fn unsent(&self, bytes: usize) -> Option<&[u8]> {
        self.buffer
            .get(self.filled.checked_sub(bytes)?..self.filled)
    }
}
