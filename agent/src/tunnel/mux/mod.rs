//! Streams in one tunnel: takes frames, gives frames. No I/O, no clock, no waiting.
//!
//! Owns offsets, windows, acknowledgements, replay buffers and fairness between streams.
//! A stream ends when the `Fin` of each direction is acknowledged, or by a `Reset` that the
//! peer answers with a `Reset`; only then is its number free. A peer that breaks a rule is
//! told apart by [`Violation`]. Read next: `stream.rs`, `outbox.rs`, `inbox.rs`;
//! `../driver.rs` is the shell around this.

#[cfg(test)]
mod hostile;
mod inbox;
mod limits;
mod outbox;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod simulation;
mod stream;
mod violation;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::refusal::RefusalCode;
use protocol::tunnel::{
    Ack, Alive, Data, Fin, Frame, LeaveFullScreen, Open, Probe, Reset, STREAMS_MAX,
};

pub(super) use self::limits::SLOTS;
use self::limits::{ABANDONED, FIRST_WINDOW, POOL, RESERVE, RESETTING_MAX, ROOM_MIN};
use self::stream::StreamState;
pub(super) use self::violation::Violation;
use super::StreamError;

/// Which end of the tunnel this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Host,
}

/// A stream's place here; valid until released.
pub(super) type Slot = usize;

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived<'a> {
    Bytes(&'a [u8]),
    Nothing,
    End,
}

/// Who may have something to do after a frame came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Has something for its reader.
    pub(super) stream: Option<Slot>,
    /// There may be room for those who wait for it.
    pub(super) room: bool,
    /// A stream waits to be accepted, or the wish to leave full screen to be heard.
    pub(super) news: bool,
}

/// All streams of one end of a tunnel.
#[derive(Debug)]
pub(super) struct Mux {
    role: Role,
    slots: [Option<StreamState>; SLOTS],
    /// Opened by the client, not yet accepted.
    opened: VecDeque<Slot>,
    /// The client's next stream number.
    next_number: u8,
    /// The slot whose turn it is to send.
    turn: Slot,
    /// Resets to be sent, by stream number.
    resets: BTreeMap<u8, RefusalCode>,
    /// Numbers that we have reset; frames for them mean nothing until the peer's `Reset`.
    resetting: BTreeSet<u8>,
    /// The newest probe of the peer's, to be answered.
    answer: Option<u32>,
    probe: Option<u32>,
    /// The wish to leave full screen: at the host to be sent, at the client to be heard. However
    /// often it comes meanwhile, it is one.
    leave_full_screen: bool,
    dead: bool,
}

impl Mux {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            slots: Default::default(),
            opened: VecDeque::new(),
            next_number: 0,
            turn: 0,
            resets: BTreeMap::new(),
            resetting: BTreeSet::new(),
            answer: None,
            probe: None,
            leave_full_screen: false,
            dead: false,
        }
    }

    /// Takes in a frame from the peer.
    pub(super) fn handle(&mut self, frame: &Frame<'_>) -> Result<Touched, Violation> {
        match frame {
            Frame::Data(data) => self.handle_data(data),
            Frame::Ack(Ack { stream, progress }) => {
                let Some(slot) = self.expect(*stream)? else {
                    return Ok(Touched::default());
                };
                self.state(slot).outbox.acknowledge(*progress)?;
                self.sweep(slot);
                Ok(Touched {
                    room: true,
                    ..Touched::default()
                })
            }
            Frame::Open(open) => self.handle_open(*open),
            Frame::Fin(Fin { stream, offset }) => {
                let Some(slot) = self.expect(*stream)? else {
                    return Ok(Touched::default());
                };
                self.state(slot).inbox.arrive_fin(*offset)?;
                Ok(Touched::reader(slot))
            }
            Frame::Reset(reset) => Ok(self.handle_reset(*reset)),
            Frame::Probe(Probe { number }) => {
                self.answer = Some(*number);
                Ok(Touched::default())
            }
            Frame::Alive(Alive { .. }) => Ok(Touched::default()),
            Frame::LeaveFullScreen(LeaveFullScreen) => self.handle_leave_full_screen(),
            Frame::Hello(_)
            | Frame::Challenge(_)
            | Frame::Proof(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Resume(_)
            | Frame::Resumed(_) => Err(Violation::Frame(frame.name())),
        }
    }

    /// Writes the next frame to be sent into `buffer` (of `FRAME_MAX` bytes), returns its length.
    pub(super) fn next_frame(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let mut encode = |frame: Frame<'_>| {
            frame
                .encode(buffer)
                .expect("frames made here fit the largest frame")
        };
        if let Some((stream, code)) = self.resets.pop_first() {
            return Some(encode(Reset { stream, code }.into()));
        }
        if let Some(number) = self.answer.take() {
            return Some(encode(Alive { number }.into()));
        }
        if let Some(number) = self.probe.take() {
            return Some(encode(Probe { number }.into()));
        }
        if self.role == Role::Host && std::mem::take(&mut self.leave_full_screen) {
            return Some(encode(LeaveFullScreen.into()));
        }
        for _ in 0..SLOTS {
            let slot = self.turn;
            self.turn = (self.turn + 1) % SLOTS;
            let sent = self.slots[slot]
                .as_mut()
                .and_then(|stream| stream.next_frame(&mut encode));
            if sent.is_some() {
                self.sweep(slot);
                return sent;
            }
        }
        None
    }

    /// Opens a stream.
    pub(super) fn open(&mut self) -> Result<Slot, StreamError> {
        if self.dead {
            return Err(StreamError::PathDied);
        }
        let full = self.open_streams() >= STREAMS_MAX || self.resetting.len() >= RESETTING_MAX;
        let slot = self.free_slot().filter(|_| !full);
        let slot = slot.ok_or(StreamError::TooManyStreams)?;
        while self.find(self.next_number).is_some() || self.resetting.contains(&self.next_number) {
            self.next_number = self.next_number.wrapping_add(1);
        }
        self.slots[slot] = Some(StreamState::ours(self.next_number, FIRST_WINDOW));
        self.next_number = self.next_number.wrapping_add(1);
        Ok(slot)
    }

    /// Takes the next stream that the client has opened.
    pub(super) fn accept(&mut self) -> Option<Slot> {
        self.opened.pop_front()
    }

    /// Takes as much of `bytes` as there is room for; 0: none now.
    pub(super) fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<usize, StreamError> {
        let (room, dead) = (self.room(slot), self.dead);
        let stream = self.state(slot);
        if let Some(code) = stream.reset {
            return Err(StreamError::Reset(code));
        }
        if dead {
            return Err(StreamError::PathDied);
        }
        if stream.outbox.is_shut() {
            return Err(StreamError::Shut);
        }
        if room < bytes.len().min(ROOM_MIN) {
            return Ok(0);
        }
        let count = bytes.len().min(room);
        stream.outbox.write(&bytes[..count]);
        Ok(count)
    }

    /// Ends our direction of the stream behind what was written.
    pub(super) fn shut(&mut self, slot: Slot) -> Result<(), StreamError> {
        let dead = self.dead;
        let stream = self.state(slot);
        if stream.reset.is_none() && dead && !stream.outbox.is_finished() {
            return Err(StreamError::PathDied);
        }
        stream.outbox.shut();
        Ok(())
    }

    /// What the reader of the stream finds next. An end that is found counts as passed on.
    pub(super) fn read(&mut self, slot: Slot) -> Result<Arrived<'_>, StreamError> {
        let dead = self.dead;
        let stream = self.state(slot);
        if let Some(code) = stream.reset {
            return Err(StreamError::Reset(code));
        }
        if stream.inbox.pass_fin() {
            return Ok(Arrived::End);
        }
        match stream.inbox.chunk() {
            [] if dead => Err(StreamError::PathDied),
            [] => Ok(Arrived::Nothing),
            bytes => Ok(Arrived::Bytes(bytes)),
        }
    }

    /// Says that the reader has taken `count` bytes of what [`Self::read`] showed.
    pub(super) fn pass(&mut self, slot: Slot, count: usize) {
        self.state(slot).inbox.pass(count);
    }

    /// Ends the stream in both directions and tells the peer why.
    pub(super) fn reset(&mut self, slot: Slot, code: RefusalCode) {
        let stream = self.state(slot);
        if stream.reset.is_some() || stream.is_finished() {
            return;
        }
        stream.reset = Some(code);
        let (number, unopened) = (stream.number, stream.is_unopened());
        stream.clear();
        // What the peer has not heard of needs no end.
        if !unopened {
            self.resets.insert(number, code);
            self.resetting.insert(number);
        }
    }

    /// The holder lets go. Ended directions are brought to their end, others are reset.
    pub(super) fn release(&mut self, slot: Slot) {
        let stream = self.state(slot);
        stream.held = false;
        let ended = stream.outbox.is_shut() && stream.inbox.pass_fin();
        if !ended {
            self.reset(slot, ABANDONED);
        }
        self.sweep(slot);
    }

    /// Makes every acknowledgement due that still waits for data to ride on.
    pub(super) fn hurry(&mut self) {
        for stream in self.slots.iter_mut().flatten() {
            stream.inbox.hurry();
        }
    }

    /// Asks the peer for a sign of life.
    pub(super) fn probe(&mut self, number: u32) {
        self.probe = Some(number);
    }

    /// Wants the client to leave full screen. Host only.
    pub(super) fn leave_full_screen(&mut self) {
        self.leave_full_screen = true;
    }

    /// Whether the host has wanted that since the last call. Client only.
    pub(super) fn shall_leave_full_screen(&mut self) -> bool {
        std::mem::take(&mut self.leave_full_screen)
    }

    /// The path died: streams give what has arrived, then the error.
    pub(super) fn fail(&mut self) {
        self.dead = true;
        for slot in 0..SLOTS {
            self.sweep(slot);
        }
    }

    /// Whether acknowledgements wait for data to ride on.
    pub(super) fn is_unannounced(&self) -> bool {
        let waits = |stream: &StreamState| stream.inbox.unannounced() > 0 && !stream.inbox.is_due();
        self.slots.iter().flatten().any(waits)
    }

    /// Whether [`Self::next_frame`] has something.
    pub(super) fn has_frame(&self) -> bool {
        let wanted = self.role == Role::Host && self.leave_full_screen;
        let asked = self.answer.is_some() || self.probe.is_some();
        let waiting = !self.resets.is_empty() || asked || wanted;
        waiting || self.slots.iter().flatten().any(StreamState::has_frame)
    }

    /// Whether somebody holds a stream.
    pub(super) fn is_held(&self) -> bool {
        self.slots.iter().flatten().any(|stream| stream.held)
    }

    /// Streams that have not ended.
    pub(super) fn open_streams(&self) -> usize {
        let streams = self.slots.iter().flatten();
        streams.filter(|stream| !stream.is_finished()).count()
    }

    /// Bytes kept for replay, all streams together.
    pub(super) fn kept(&self) -> usize {
        let streams = self.slots.iter().flatten();
        streams.map(|stream| stream.outbox.kept()).sum()
    }

    fn handle_data(&mut self, data: &Data<'_>) -> Result<Touched, Violation> {
        let Some(slot) = self.expect(data.stream)? else {
            return Ok(Touched::default());
        };
        let stream = self.state(slot);
        stream.inbox.arrive(data.offset, data.bytes)?;
        stream.outbox.acknowledge(data.progress)?;
        Ok(Touched {
            room: true,
            ..Touched::reader(slot)
        })
    }

    fn handle_open(&mut self, open: Open) -> Result<Touched, Violation> {
        if self.role == Role::Client {
            return Err(Violation::OpenedByHost);
        }
        if self.find(open.stream).is_some() {
            return Err(Violation::OpenedTwice(open.stream));
        }
        if self.resetting.contains(&open.stream) {
            // Crossed with our reset of the number's last stream, which will end this one too.
            return Ok(Touched::default());
        }
        let room = self
            .free_slot()
            .filter(|_| self.open_streams() < STREAMS_MAX);
        let Some(slot) = room else {
            self.resetting.insert(open.stream);
            self.resets
                .insert(open.stream, RefusalCode::TooManySessions);
            return Ok(Touched::default());
        };
        self.slots[slot] = Some(StreamState::theirs(open, FIRST_WINDOW));
        self.opened.push_back(slot);
        Ok(Touched {
            news: true,
            ..Touched::default()
        })
    }

    fn handle_leave_full_screen(&mut self) -> Result<Touched, Violation> {
        if self.role == Role::Host {
            return Err(Violation::AskedByClient);
        }
        // Who has not heard the one before has been woken for it already.
        let news = !std::mem::replace(&mut self.leave_full_screen, true);
        Ok(Touched {
            news,
            ..Touched::default()
        })
    }

    fn handle_reset(&mut self, Reset { stream, code }: Reset) -> Touched {
        if self.resetting.remove(&stream) {
            return Touched::default();
        }
        // Also when the stream has ended here: the peer waits for the answer before it
        // gives the number a new meaning.
        self.resets.insert(stream, code);
        let Some(slot) = self.find(stream) else {
            return Touched::default();
        };
        let state = self.state(slot);
        state.clear();
        state.reset = Some(code);
        if let Some(place) = self.opened.iter().position(|opened| *opened == slot) {
            self.opened.remove(place);
            self.slots[slot] = None;
        }
        self.sweep(slot);
        Touched {
            room: true,
            ..Touched::reader(slot)
        }
    }

    /// The open stream with this number; none while frames for it mean nothing.
    fn expect(&self, number: u8) -> Result<Option<Slot>, Violation> {
        if self.resetting.contains(&number) {
            return Ok(None);
        }
        self.find(number)
            .map(Some)
            .ok_or(Violation::NotOpen(number))
    }

    fn find(&self, number: u8) -> Option<Slot> {
        self.slots.iter().position(|slot| {
            slot.as_ref()
                .is_some_and(|stream| stream.number == number && !stream.is_finished())
        })
    }

    fn free_slot(&self) -> Option<Slot> {
        self.slots.iter().position(Option::is_none)
    }

    /// Forgets a stream that nobody holds and nobody waits for.
    fn sweep(&mut self, slot: Slot) {
        let dead = self.dead;
        let over = |stream: &mut StreamState| !stream.held && (dead || stream.is_finished());
        drop(self.slots[slot].take_if(over));
    }

    /// How much the stream may still keep: its reserve, and beyond it twice as much as it
    /// leaves of the pool, so that no stream can take all of it.
    fn room(&self, slot: Slot) -> usize {
        let excess = |stream: &StreamState| stream.outbox.kept().saturating_sub(RESERVE);
        let used: usize = self.slots.iter().flatten().map(excess).sum();
        let Some(stream) = &self.slots[slot] else {
            return 0;
        };
        let own = (2 * POOL.saturating_sub(used)).saturating_sub(excess(stream)) / 3;
        RESERVE.saturating_sub(stream.outbox.kept()) + own
    }

    fn state(&mut self, slot: Slot) -> &mut StreamState {
        self.slots[slot]
            .as_mut()
            .expect("a slot is filled until its holder releases it")
    }
}

impl Touched {
    fn reader(slot: Slot) -> Self {
        Self {
            stream: Some(slot),
            ..Self::default()
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("a count of bytes in memory has at most 64 bits")
}

fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
