//! A virtual TCP socket, as a data worker sees it.
//!
//! Bytes have no values but places: the n-th byte that a peer sends is the number n. What comes out
//! in order, once and complete can then be told by counting, and a session costs no memory.

use std::ops::Range;

use super::super::session::LegEvent;
use crate::sys::{Fault, Outcome};

/// The bit of urgent data in [`Socket::tell`].
pub(super) const URGENT: u8 = 8;

#[derive(Debug, Default)]
pub(super) struct Socket {
    /// What the peer has sent and the relay has not read.
    pub(super) arrived: Range<u64>,
    /// The place of a byte that was sent as urgent, until it is read.
    urgent: Option<u64>,
    pub(super) urgent_sent: bool,
    pub(super) fin: bool,
    /// What ended the connection, until a call or an event has told it.
    fault: Option<Fault>,
    pub(super) dead: bool,
    /// How many bytes may be written to the peer now.
    pub(super) room: u64,
    /// A write found no room: the kernel tells when there is some.
    wants_room: bool,
    /// What was written to the peer.
    pub(super) written: u64,
    pub(super) shut: bool,
    /// What the kernel has not told yet. Its fault is asked for when it does.
    pending: LegEvent,
}

impl Socket {
    /// What the peer has sent, read or not.
    pub(super) fn sent(&self) -> u64 {
        self.arrived.end
    }

    pub(super) fn peer_sends(&mut self, bytes: u64, urgent: bool) {
        if self.fin || self.dead {
            return;
        }
        self.arrived.end += bytes;
        self.pending.readable = true;
        if urgent {
            // A second one takes the place of the first.
            self.urgent = Some(self.arrived.end - 1);
            self.urgent_sent = true;
            self.pending.urgent = true;
        }
    }

    pub(super) fn peer_shuts(&mut self) {
        if !self.dead {
            self.fin = true;
            self.pending.readable = true;
            self.pending.hangup = true;
        }
    }

    pub(super) fn peer_reads(&mut self, bytes: u64) {
        self.room += bytes;
        if self.wants_room && bytes > 0 && !self.dead {
            self.wants_room = false;
            self.pending.writable = true;
        }
    }

    /// The connection breaks; what has arrived may be lost with it.
    pub(super) fn breaks(&mut self, fault: Fault, loses: bool) {
        if self.dead {
            return;
        }
        self.dead = true;
        self.fault = Some(fault);
        if loses {
            self.arrived.start = self.arrived.end;
            self.urgent = None;
        }
        self.pending.readable = true;
        self.pending.writable = true;
        self.pending.hangup = true;
    }

    pub(super) fn has_urgent(&self) -> bool {
        self.urgent.is_some()
    }

    pub(super) fn has_event(&self) -> bool {
        self.pending != LegEvent::default()
    }

    /// What the kernel tells, of all that it has to tell: those parts that `mask` has a bit for.
    pub(super) fn tell(&mut self, mask: u8) -> LegEvent {
        let take = |flag: &mut bool, bit: u8| mask & bit != 0 && std::mem::take(flag);
        LegEvent {
            readable: take(&mut self.pending.readable, 1),
            writable: take(&mut self.pending.writable, 2),
            hangup: take(&mut self.pending.hangup, 4),
            urgent: take(&mut self.pending.urgent, URGENT),
            fault: self.fault.take_if(|_| mask & 16 != 0),
        }
    }

    /// Takes bytes as `recv` does: all that fit, but not beyond an urgent one that comes later.
    pub(super) fn recv(&mut self, bytes_max: u64) -> Result<Range<u64>, Outcome> {
        self.readable()?;
        let mut end = self.arrived.end.min(self.arrived.start + bytes_max);
        match self.urgent {
            Some(place) if place == self.arrived.start => self.urgent = None,
            Some(place) => end = end.min(place),
            None => {}
        }
        Ok(self.take(end))
    }

    /// Takes bytes as `splice` does, which urgent data stops for ever.
    pub(super) fn splice(&mut self, bytes_max: u64) -> Result<Range<u64>, Outcome> {
        if self.urgent == Some(self.arrived.start) {
            return Err(match self.fault.take() {
                Some(fault) => Outcome::Error(fault),
                None if self.fin || self.dead => Outcome::Eof,
                None => Outcome::Blocked,
            });
        }
        self.readable()?;
        let mut end = self.arrived.end.min(self.arrived.start + bytes_max);
        if let Some(place) = self.urgent {
            end = end.min(place);
        }
        Ok(self.take(end))
    }

    pub(super) fn peek(&mut self) -> Outcome {
        self.readable().err().unwrap_or(Outcome::Progress(1))
    }

    pub(super) fn write(&mut self, bytes: u64) -> Outcome {
        assert!(!self.shut, "bytes behind the FIN");
        if self.dead {
            return Outcome::Error(self.fault.take().unwrap_or(Fault::Reset));
        }
        let bytes = bytes.min(self.room);
        if bytes == 0 {
            self.wants_room = true;
            return Outcome::Blocked;
        }
        self.room -= bytes;
        self.written += bytes;
        Outcome::Progress(usize::try_from(bytes).expect("fits"))
    }

    pub(super) fn shut(&mut self) -> Outcome {
        assert!(!self.shut, "two FINs");
        if self.dead {
            return Outcome::Error(Fault::Reset);
        }
        self.shut = true;
        Outcome::Progress(0)
    }

    /// Why there is nothing to read, if so. Bytes that have arrived outlive what came after them.
    fn readable(&mut self) -> Result<(), Outcome> {
        if !self.arrived.is_empty() {
            Ok(())
        } else if let Some(fault) = self.fault.take() {
            Err(Outcome::Error(fault))
        } else if self.fin || self.dead {
            Err(Outcome::Eof)
        } else {
            Err(Outcome::Blocked)
        }
    }

    fn take(&mut self, end: u64) -> Range<u64> {
        let taken = self.arrived.start..end;
        self.arrived.start = end;
        taken
    }
}
