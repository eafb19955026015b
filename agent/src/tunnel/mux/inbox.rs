//! The receiving direction of one stream: bytes wait here for the reader.
//!
//! Decides when the peer must hear of progress. Knows neither frames nor the other direction.

use std::collections::VecDeque;

use protocol::tunnel::Progress;

use super::limits::{ACK_BYTES, WINDOW};
use super::violation::Violation;
use super::wide;

#[derive(Debug)]
pub(super) struct Inbox {
    arrived: VecDeque<u8>,
    /// Place of the first byte in `arrived`: all before were passed on.
    passed: u64,
    fin: Fin,
    /// What the peer was last told to be received.
    announced: u64,
    /// The peer was told that there is room below this place.
    // INVARIANT: never falls; arrived bytes lie below it.
    promised: u64,
    /// The peer shall hear of progress without waiting for data to ride on.
    due: bool,
}

/// How far the end of the direction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fin {
    Open,
    Arrived,
    Passed,
}

impl Inbox {
    /// A direction whose sender was promised room for `window` bytes.
    pub(super) fn new(window: u32) -> Self {
        Self {
            arrived: VecDeque::new(),
            passed: 0,
            fin: Fin::Open,
            announced: 0,
            promised: window.into(),
            // Less than the full window was promised: say so at once.
            due: window < WINDOW,
        }
    }

    /// Takes in bytes from the peer.
    pub(super) fn arrive(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Violation> {
        self.check_place(offset)?;
        if offset.saturating_add(wide(bytes.len())) > self.promised {
            return Err(Violation::BeyondWindow);
        }
        self.arrived.extend(bytes);
        Ok(())
    }

    /// Takes in the peer's end.
    pub(super) fn arrive_fin(&mut self, offset: u64) -> Result<(), Violation> {
        self.check_place(offset)?;
        self.fin = Fin::Arrived;
        Ok(())
    }

    /// Passes `count` bytes of [`Self::chunk`] on.
    pub(super) fn pass(&mut self, count: usize) {
        self.arrived.drain(..count);
        self.passed += wide(count);
        if self.unannounced() >= ACK_BYTES {
            self.due = true;
        }
    }

    /// Passes the end on, if it is next.
    pub(super) fn pass_fin(&mut self) -> bool {
        if self.fin == Fin::Arrived && self.arrived.is_empty() {
            self.fin = Fin::Passed;
            self.due = true;
        }
        self.fin == Fin::Passed
    }

    /// Makes whatever the peer has not heard of due.
    pub(super) fn hurry(&mut self) {
        self.due |= self.unannounced() > 0;
    }

    /// The progress to tell the peer, which thereby knows.
    pub(super) fn announce(&mut self) -> Progress {
        let progress = Progress {
            received: self.received(),
            window: WINDOW,
        };
        self.announced = progress.received;
        self.promised = self
            .promised
            .max(progress.received.saturating_add(WINDOW.into()));
        self.due = false;
        progress
    }

    /// Drops everything: the stream was reset.
    pub(super) fn clear(&mut self) {
        *self = Self {
            fin: Fin::Passed,
            announced: 1,
            ..Self::new(WINDOW)
        };
    }

    /// The next bytes for the reader, as far as they lie together in memory.
    pub(super) fn chunk(&self) -> &[u8] {
        self.arrived.as_slices().0
    }

    pub(super) fn is_due(&self) -> bool {
        self.due
    }

    /// Bytes (and end) passed on that the peer has not heard of.
    pub(super) fn unannounced(&self) -> u64 {
        self.received() - self.announced
    }

    pub(super) fn is_finished(&self) -> bool {
        self.fin == Fin::Passed && self.unannounced() == 0
    }

    fn received(&self) -> u64 {
        self.passed + u64::from(self.fin == Fin::Passed)
    }

    fn check_place(&self, found: u64) -> Result<(), Violation> {
        if self.fin != Fin::Open {
            return Err(Violation::AfterFin);
        }
        let expected = self.passed + wide(self.arrived.len());
        if found == expected {
            Ok(())
        } else {
            Err(Violation::Gap { expected, found })
        }
    }
}
