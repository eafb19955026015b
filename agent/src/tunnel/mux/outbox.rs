//! The sending direction of one stream: bytes wait here to be sent, then to be acknowledged.
//!
//! Owns the replay buffer. Knows neither frames nor the other direction. Read next: `inbox.rs`.

use std::collections::VecDeque;

use protocol::tunnel::Progress;

use super::violation::Violation;
use super::{narrow, wide};

#[derive(Debug)]
pub(super) struct Outbox {
    /// Written and not acknowledged, sent or not.
    kept: VecDeque<u8>,
    /// Place of the first kept byte.
    acknowledged: u64,
    /// Place of the first byte not yet sent.
    // INVARIANT: acknowledged <= sent <= end().
    sent: u64,
    /// The peer has room below this place.
    limit: u64,
    fin: Fin,
}

/// How far the end of the direction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fin {
    Open,
    Wanted,
    Sent,
    Acknowledged,
}

impl Outbox {
    pub(super) fn new(window: u32) -> Self {
        Self {
            kept: VecDeque::new(),
            acknowledged: 0,
            sent: 0,
            limit: u64::from(window),
            fin: Fin::Open,
        }
    }

    /// Takes all of `bytes`; the caller has measured them.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
    }

    /// Ends the direction behind what has been written.
    pub(super) fn shut(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Wanted;
        }
    }

    /// Marks `count` bytes of what [`Self::unsent`] gave as sent.
    pub(super) fn mark_sent(&mut self, count: usize) {
        self.sent += wide(count);
        debug_assert!(self.sent <= self.end().min(self.limit));
    }

    /// Takes the place of the `Fin`, when its turn has come.
    pub(super) fn take_fin(&mut self) -> Option<u64> {
        self.has_fin_to_send().then(|| {
            self.fin = Fin::Sent;
            self.sent
        })
    }

    /// Forgets what the peer has passed on, and learns how much room it has.
    pub(super) fn acknowledge(&mut self, progress: Progress) -> Result<(), Violation> {
        let most = self.sent + u64::from(matches!(self.fin, Fin::Sent | Fin::Acknowledged));
        let least = self.acknowledged + u64::from(self.fin == Fin::Acknowledged);
        if progress.received > most {
            return Err(Violation::AcknowledgedUnsent);
        }
        if progress.received < least {
            return Err(Violation::AcknowledgedLess);
        }
        if progress.received > self.sent {
            self.fin = Fin::Acknowledged;
        }
        let acknowledged = progress.received.min(self.sent);
        self.kept.drain(..narrow(acknowledged - self.acknowledged));
        self.acknowledged = acknowledged;
        let limit = progress.received.saturating_add(progress.window.into());
        self.limit = self.limit.max(limit);
        Ok(())
    }

    /// Drops everything: the stream was reset.
    pub(super) fn clear(&mut self) {
        *self = Self {
            fin: Fin::Acknowledged,
            ..Self::new(0)
        };
    }

    /// The place and the bytes that may be sent next, as far as they lie together in memory.
    pub(super) fn unsent(&self, most: usize) -> Option<(u64, &[u8])> {
        let start = narrow(self.sent - self.acknowledged);
        let (head, tail) = self.kept.as_slices();
        let bytes = match head.get(start..) {
            Some(bytes) if !bytes.is_empty() => bytes,
            _ => tail.get(start - head.len()..).unwrap_or_default(),
        };
        let room = narrow(self.limit.saturating_sub(self.sent));
        let bytes = &bytes[..bytes.len().min(most).min(room)];
        (!bytes.is_empty()).then_some((self.sent, bytes))
    }

    pub(super) fn has_fin_to_send(&self) -> bool {
        self.fin == Fin::Wanted && self.sent == self.end()
    }

    pub(super) fn is_shut(&self) -> bool {
        self.fin != Fin::Open
    }

    pub(super) fn is_finished(&self) -> bool {
        self.fin == Fin::Acknowledged
    }

    /// Bytes held for sending and for replay.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    fn end(&self) -> u64 {
        self.acknowledged + wide(self.kept.len())
    }
}
