//! One stream: its two directions, and the next frame that it wants to send.

use protocol::refusal::RefusalCode;
use protocol::tunnel::{Ack, DATA_MAX, Data, Fin, Frame, Open};

use super::inbox::Inbox;
use super::limits::WINDOW;
use super::outbox::Outbox;

#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) number: u8,
    pub(super) outbox: Outbox,
    pub(super) inbox: Inbox,
    /// The peer ended both directions; the holder has yet to notice.
    pub(super) reset: Option<RefusalCode>,
    /// Somebody holds the stream, or will when accepting it.
    pub(super) held: bool,
    /// The client has yet to announce it.
    unopened: bool,
}

impl StreamState {
    /// A stream of our own making, to be announced to the host.
    pub(super) fn ours(number: u8, window: u32) -> Self {
        Self {
            number,
            outbox: Outbox::new(window),
            inbox: Inbox::new(WINDOW),
            reset: None,
            held: true,
            unopened: true,
        }
    }

    /// A stream that the client opened; it may send `promised` bytes before it hears of us.
    pub(super) fn theirs(open: Open, promised: u32) -> Self {
        Self {
            number: open.stream,
            outbox: Outbox::new(open.window),
            inbox: Inbox::new(promised),
            reset: None,
            held: true,
            unopened: false,
        }
    }

    /// Lets `encode` write the next frame of this stream, if there is one.
    pub(super) fn next_frame(&mut self, encode: impl FnOnce(Frame<'_>) -> usize) -> Option<usize> {
        let stream = self.number;
        if self.unopened {
            self.unopened = false;
            let window = WINDOW;
            return Some(encode(Open { stream, window }.into()));
        }
        if let Some((offset, bytes)) = self.outbox.unsent(DATA_MAX) {
            let count = bytes.len();
            let progress = self.inbox.announce();
            let length = encode(Frame::Data(Data {
                stream,
                offset,
                progress,
                bytes,
            }));
            self.outbox.mark_sent(count);
            return Some(length);
        }
        if self.inbox.is_due() {
            let progress = self.inbox.announce();
            return Some(encode(Ack { stream, progress }.into()));
        }
        let offset = self.outbox.take_fin()?;
        Some(encode(Fin { stream, offset }.into()))
    }

    /// Ends both directions for good.
    pub(super) fn clear(&mut self) {
        self.unopened = false;
        self.outbox.clear();
        self.inbox.clear();
    }

    pub(super) fn has_frame(&self) -> bool {
        self.unopened
            || self.inbox.is_due()
            || self.outbox.has_fin_to_send()
            || self.outbox.unsent(1).is_some()
    }

    /// Whether both ends know that both directions have ended: the number is free again.
    pub(super) fn is_finished(&self) -> bool {
        self.outbox.is_finished() && self.inbox.is_finished()
    }

    /// Whether the client has yet to hear of the stream's existence at the host.
    pub(super) fn is_unopened(&self) -> bool {
        self.unopened
    }
}
