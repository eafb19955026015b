//! One direction of a session, from what is meant to be sent to what has arrived; pure.
//!
//! Both ends are in this process, so a message is known by where it ends in the stream, and the
//! bytes themselves carry nothing but their place. Times are nanoseconds since the load began.

use std::collections::VecDeque;

use super::stream::{Mismatch, Stream};

/// A message on its way.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// Where it ends in the stream.
    end: u64,
    bytes: u32,
    /// When it was meant to be sent.
    at: u64,
}

/// A message that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) bytes: u32,
    /// When it was meant to be sent.
    pub(crate) at: u64,
    /// Its delay is the reader's.
    pub(crate) excused: bool,
}

/// One direction of a session.
#[derive(Debug)]
pub(crate) struct Flow {
    stream: Stream,
    /// Bytes that were meant to be sent until now.
    offered: u64,
    /// Bytes that the kernel has taken.
    sent: u64,
    received: u64,
    due: VecDeque<Due>,
    /// No message will follow.
    closing: bool,
    /// The sender has shut its direction.
    shut: bool,
    /// The receiver has read to its end.
    ended: bool,
    /// The reader stands still, or has to catch up: delays are its own.
    excused: bool,
}

/// What the sending end has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Nothing, until more is offered.
    Idle,
    /// Write from here; so many bytes wait.
    Write(u64),
    /// Shut this direction.
    Shut,
}

/// A stream ended where it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) received: u64,
    pub(crate) offered: u64,
}

impl Flow {
    pub(crate) fn new(key: u64) -> Self {
        Self {
            stream: Stream::new(key),
            offered: 0,
            sent: 0,
            received: 0,
            due: VecDeque::new(),
            closing: false,
            shut: false,
            ended: false,
            excused: false,
        }
    }

    /// A message that is meant to be sent at `at`.
    pub(crate) fn offer(&mut self, bytes: u32, at: u64) {
        self.offered += u64::from(bytes);
        let end = self.offered;
        self.due.push_back(Due { end, bytes, at });
    }

    /// No message follows.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn sending(&self) -> Sending {
        match self.offered - self.sent {
            0 if self.closing && !self.shut => Sending::Shut,
            0 => Sending::Idle,
            waiting => Sending::Write(waiting),
        }
    }

    /// Makes the bytes that are to be written next.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.stream.fill(self.sent, bytes);
    }

    /// The kernel has taken so many bytes.
    pub(crate) fn handle_sent(&mut self, bytes: usize) {
        self.sent += u64::try_from(bytes).unwrap_or_default();
    }

    pub(crate) fn handle_shut(&mut self) {
        self.shut = true;
    }

    /// Bytes have arrived. Tells of each message that is complete with them.
    pub(crate) fn handle_received(
        &mut self,
        bytes: &[u8],
        mut tell: impl FnMut(Arrived),
    ) -> Result<(), Mismatch> {
        self.stream.check(self.received, bytes, self.sent)?;
        self.received += u64::try_from(bytes.len()).unwrap_or_default();
        while let Some(due) = self.due.front() {
            if due.end > self.received {
                return Ok(());
            }
            tell(Arrived {
                bytes: due.bytes,
                at: due.at,
                excused: self.excused,
            });
            self.due.pop_front();
        }
        Ok(())
    }

    /// The reader stands still from now on; whatever waits, waits for it.
    pub(crate) fn excuse(&mut self) {
        self.excused = true;
    }

    /// The reader reads again. Delays are the relay's once all that waited has come.
    pub(crate) fn catch_up(&mut self) {
        if self.due.is_empty() {
            self.excused = false;
        }
    }

    /// The receiver has read to the end.
    pub(crate) fn handle_end(&mut self) -> Result<(), Cut> {
        self.ended = true;
        if self.shut && self.received == self.offered {
            return Ok(());
        }
        Err(Cut {
            received: self.received,
            offered: self.offered,
        })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// How far it is, for a person.
    pub(crate) fn standing(&self) -> String {
        let (received, sent, offered) = (self.received, self.sent, self.offered);
        let end = if self.ended { ", ended" } else { "" };
        format!("{received} bytes received of {sent} sent of {offered}{end}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves what waits through a network that takes `most` bytes at a time.
    fn carry(flow: &mut Flow, most: u64) -> Vec<u8> {
        let Sending::Write(waiting) = flow.sending() else {
            return Vec::new();
        };
        let mut bytes = vec![0; usize::try_from(waiting.min(most)).unwrap()];
        flow.fill(&mut bytes);
        flow.handle_sent(bytes.len());
        bytes
    }

    fn receive(flow: &mut Flow, bytes: &[u8]) -> Vec<(u64, bool)> {
        let mut seen = Vec::new();
        flow.handle_received(bytes, |it| seen.push((it.at, it.excused)))
            .unwrap();
        seen
    }

    #[test]
    fn a_message_has_arrived_with_its_last_byte() {
        let mut flow = Flow::new(9);
        flow.offer(100, 1_000);
        flow.offer(50, 2_000);
        let first = carry(&mut flow, 99);
        assert!(receive(&mut flow, &first).is_empty());

        let rest = carry(&mut flow, 51);
        assert_eq!(receive(&mut flow, &rest[..1]), [(1_000, false)]);
        assert_eq!(receive(&mut flow, &rest[1..]), [(2_000, false)]);
        assert_eq!(flow.sending(), Sending::Idle);
    }

    #[test]
    fn an_end_is_good_behind_the_last_byte_only() {
        let mut flow = Flow::new(9);
        flow.offer(10, 0);
        flow.close();
        let bytes = carry(&mut flow, 10);
        assert_eq!(flow.sending(), Sending::Shut);
        flow.handle_shut();
        receive(&mut flow, &bytes[..9]);
        let cut = Cut {
            received: 9,
            offered: 10,
        };
        assert_eq!(flow.handle_end(), Err(cut));

        receive(&mut flow, &bytes[9..]);
        assert_eq!(flow.handle_end(), Ok(()));
        assert!(flow.has_ended());
    }

    #[test]
    fn an_end_that_nobody_meant_is_a_cut() {
        let mut flow = Flow::new(9);

        assert!(flow.handle_end().is_err());
    }

    #[test]
    fn a_stalled_reader_is_excused_until_it_has_caught_up() {
        let mut flow = Flow::new(9);
        flow.offer(10, 1);
        flow.excuse();
        flow.offer(10, 2);
        let bytes = carry(&mut flow, 20);
        flow.catch_up();
        assert_eq!(receive(&mut flow, &bytes), [(1, true), (2, true)]);
        flow.catch_up();

        flow.offer(10, 3);
        let bytes = carry(&mut flow, 10);
        assert_eq!(receive(&mut flow, &bytes), [(3, false)]);
    }
}
