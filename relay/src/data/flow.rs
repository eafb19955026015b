//! One direction of a session, from its source leg to its sink leg.
//!
//! Pure: no I/O, no clock, no allocation. It takes readiness and outcomes, and says what to do next.
//! It never looks at the other direction. A shell carries out its actions; read `session` next.
//!
//! ```text
//!          EOF confirmed            nothing stored
//!   Open ────────────────► Draining ───────────────► Shut
//!          by a read or peek          FIN sent
//! ```

use crate::limits;
use crate::sys::{Fault, Outcome};

/// How a session's bytes may travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataPath {
    /// Bulk is spliced, small bursts are copied.
    #[default]
    Auto,
    /// Everything is spliced, as long as there are pipes.
    Splice,
    /// Everything is copied.
    Copy,
}

/// One direction of a session.
#[derive(Clone, Debug)]
pub struct Flow {
    state: State,
    source: Source,
    sink_ready: bool,
    /// INVARIANT: a source is read only while this is `Nothing`, so bytes never overtake.
    stored: Stored,
    path: DataPath,
    mode: Mode,
    /// Splices in a row that were not worth their two calls.
    small_splices: u8,
    bytes: u64,
}

/// The next thing to do for a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read from the source into the shared buffer, at most this many bytes.
    Recv(usize),
    /// Write the last so many bytes of the buffer to the sink.
    Send(usize),
    /// Splice from the source into an empty pipe.
    SpliceIn,
    /// Look at the next byte of the source without taking it.
    Peek,
    /// Splice so many bytes out of the pipe into the sink.
    SpliceOut(usize),
    /// Send the FIN.
    ShutSink,
}

/// Bytes that left the source and have not reached the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Nothing,
    Buffered(usize),
    Piped(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Draining,
    Shut,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ready: bool,
    /// Nothing was read since the kernel last said "readable".
    fresh: bool,
    /// The kernel announced a FIN or a hang-up: a short read no longer means "drained".
    hangup: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Copy,
    Splice,
    /// A splice found nothing although the kernel had said "readable": a peek decides.
    ConfirmBlocked,
    /// A splice said EOF: a peek decides.
    ConfirmEof,
    /// A peek found what the splice before it did not: new bytes, or urgent data in the way.
    Suspect,
}

/// What ends the whole session, seen from one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Source(Fault),
    Sink(Fault),
    UrgentData,
}

impl Flow {
    /// A flow whose two legs were joined just now: bytes may lie there already, so both ends count
    /// as ready until a call says otherwise.
    pub fn new(path: DataPath) -> Self {
        Self {
            state: State::Open,
            source: Source {
                ready: true,
                fresh: true,
                hangup: false,
            },
            sink_ready: true,
            stored: Stored::Nothing,
            path,
            mode: if path == DataPath::Splice {
                Mode::Splice
            } else {
                Mode::Copy
            },
            small_splices: 0,
            bytes: 0,
        }
    }

    /// Takes note that the source may have bytes; `hangup` if the kernel announced its end too.
    pub fn handle_readable(&mut self, hangup: bool) {
        self.source.ready = true;
        self.source.fresh = true;
        self.source.hangup |= hangup;
    }

    /// Takes note that the sink may have room.
    pub fn handle_writable(&mut self) {
        self.sink_ready = true;
    }

    /// Says what to do now, or `None` if the flow waits or is over.
    ///
    /// `copy_max` bounds one plain read, and with it what a stalled sink can leave in user memory.
    #[inline(always)]
    pub fn next(&self, copy_max: usize) -> Option<Action> {
        match self.stored {
            Stored::Buffered(bytes) => self.sink_ready.then_some(Action::Send(bytes)),
            Stored::Piped(bytes) => self.sink_ready.then_some(Action::SpliceOut(bytes)),
            Stored::Nothing => match self.state {
                // A full sink is backpressure: the source is not read, and the kernel shuts its
                // window.
                State::Open => (self.source.ready && self.sink_ready).then(|| self.read(copy_max)),
                State::Draining => Some(Action::ShutSink),
                State::Shut => None,
            },
        }
    }

    /// Takes the outcome of the action that [`Flow::next`] asked for.
    ///
    /// # Errors
    /// The session cannot go on.
    #[inline(always)]
    pub fn handle(&mut self, action: Action, outcome: Outcome) -> Result<(), Broken> {
        match action {
            Action::Recv(asked) => self.handle_recv(asked, outcome),
            Action::SpliceIn => self.handle_splice_in(outcome),
            Action::Peek => self.handle_peek(outcome),
            Action::Send(_) | Action::SpliceOut(_) => self.handle_written(outcome),
            Action::ShutSink => self.handle_shut(outcome),
        }
    }

    /// Takes note that what was in the pipe is in user memory now.
    pub fn handle_pipe_emptied(&mut self) {
        if let Stored::Piped(bytes) = self.stored {
            self.stored = Stored::Buffered(bytes);
        }
    }

    pub fn stored(&self) -> Stored {
        self.stored
    }

    pub fn is_shut(&self) -> bool {
        self.state == State::Shut
    }

    /// Bytes handed to the sink so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How to read next.
    #[inline]
    fn read(&self, copy_max: usize) -> Action {
        match self.mode {
            Mode::Copy => Action::Recv(copy_max),
            // Caps have sunk: splices this short are not worth it, and leave segments in the sink
            // that nobody bounds.
            Mode::Splice if self.path == DataPath::Auto && copy_max < limits::SPLICE_ENTER => {
                Action::Recv(copy_max)
            }
            Mode::Splice | Mode::Suspect => Action::SpliceIn,
            Mode::ConfirmBlocked | Mode::ConfirmEof => Action::Peek,
        }
    }

    #[inline(always)]
    fn handle_recv(&mut self, asked: usize, outcome: Outcome) -> Result<(), Broken> {
        match outcome {
            Outcome::Progress(0) => {}
            Outcome::Progress(bytes) => {
                self.stored = Stored::Buffered(bytes);
                self.source.fresh = false;
                if bytes < asked && !self.source.hangup {
                    self.source.ready = false;
                }
                self.mode = match self.path {
                    DataPath::Splice => Mode::Splice,
                    DataPath::Auto if bytes >= limits::SPLICE_ENTER => Mode::Splice,
                    DataPath::Auto | DataPath::Copy => Mode::Copy,
                };
                self.small_splices = 0;
            }
            Outcome::Blocked => {
                self.source.ready = false;
                if self.path == DataPath::Splice {
                    self.mode = Mode::Splice;
                }
            }
            Outcome::Eof => self.state = State::Draining,
            Outcome::Error(fault) => return Err(Broken::Source(fault)),
        }
        Ok(())
    }

    fn handle_splice_in(&mut self, outcome: Outcome) -> Result<(), Broken> {
        match outcome {
            Outcome::Progress(0) => {}
            Outcome::Progress(bytes) => {
                self.stored = Stored::Piped(bytes);
                self.source.fresh = false;
                self.mode = Mode::Splice;
                self.judge_splice(bytes);
            }
            Outcome::Blocked if self.mode == Mode::Suspect => return Err(Broken::UrgentData),
            Outcome::Blocked if self.source.fresh => self.mode = Mode::ConfirmBlocked,
            Outcome::Blocked => self.source.ready = false,
            Outcome::Eof => self.mode = Mode::ConfirmEof,
            // No pipe to be had: this read goes through the buffer, a later one asks again.
            Outcome::Error(Fault::Resource) => self.mode = Mode::Copy,
            Outcome::Error(fault) => return Err(Broken::Source(fault)),
        }
        Ok(())
    }

    /// A peek takes nothing, so what made the splice stop is still there to be proved.
    fn handle_peek(&mut self, outcome: Outcome) -> Result<(), Broken> {
        match outcome {
            Outcome::Progress(0) => {}
            Outcome::Progress(_) if self.mode == Mode::ConfirmEof => {
                return Err(Broken::UrgentData);
            }
            Outcome::Progress(_) => self.mode = Mode::Suspect,
            Outcome::Blocked => {
                self.source.ready = false;
                self.mode = Mode::Splice;
            }
            Outcome::Eof => self.state = State::Draining,
            Outcome::Error(fault) => return Err(Broken::Source(fault)),
        }
        Ok(())
    }

    fn judge_splice(&mut self, bytes: usize) {
        if bytes >= limits::SPLICE_WORTH || self.path == DataPath::Splice {
            self.small_splices = 0;
            return;
        }
        self.small_splices += 1;
        if self.small_splices >= limits::SPLICE_LEAVE_AFTER {
            self.mode = Mode::Copy;
            self.small_splices = 0;
        }
    }

    #[inline(always)]
    fn handle_written(&mut self, outcome: Outcome) -> Result<(), Broken> {
        match outcome {
            Outcome::Progress(bytes) => {
                self.stored = self.stored.less(bytes);
                self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
            }
            Outcome::Blocked => self.sink_ready = false,
            Outcome::Eof => return Err(Broken::Sink(Fault::Io)),
            Outcome::Error(fault) => return Err(Broken::Sink(fault)),
        }
        Ok(())
    }

    fn handle_shut(&mut self, outcome: Outcome) -> Result<(), Broken> {
        match outcome {
            Outcome::Progress(_) => self.state = State::Shut,
            Outcome::Blocked | Outcome::Eof => return Err(Broken::Sink(Fault::Io)),
            Outcome::Error(fault) => return Err(Broken::Sink(fault)),
        }
        Ok(())
    }
}

impl Stored {
    fn less(self, bytes: usize) -> Self {
        let rest = |stored: usize| {
            debug_assert!(bytes <= stored, "more written than was stored");
            stored.saturating_sub(bytes)
        };
        match self {
            Self::Nothing => Self::Nothing,
            Self::Buffered(stored) if rest(stored) > 0 => Self::Buffered(rest(stored)),
            Self::Piped(stored) if rest(stored) > 0 => Self::Piped(rest(stored)),
            Self::Buffered(_) | Self::Piped(_) => Self::Nothing,
        }
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
