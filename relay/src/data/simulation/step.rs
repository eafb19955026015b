//! What may happen to a session, four bytes a step: from a seed, from a fuzzer or from a file.

use super::super::leg::Leg;
use super::super::reason::EndReason;
use super::socket::Socket;
use crate::limits;
use crate::sys::{Fault, Outcome};

/// Bytes of a tape that make one step.
pub(super) const STEP: usize = 4;

/// Steps whose first byte is at least this one may end a session.
#[cfg(test)]
pub(super) const FIRST_THAT_ENDS: u8 = 244;

const FAULTS: [Fault; 4] = [Fault::Reset, Fault::Timeout, Fault::Io, Fault::Resource];

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Something happens at a peer: now, or between the next calls of the session.
    Peer {
        leg: Leg,
        change: Change,
        meanwhile: bool,
    },
    /// The kernel tells what it has to tell, or a part of it.
    Tell { leg: Leg, mask: u8 },
    /// An event about nothing, as edge-triggered polling gives them.
    Spurious {
        leg: Leg,
        readable: bool,
        writable: bool,
    },
    /// The session has its turn; `copy_max` bounds one plain read.
    Visit { copy_max: usize },
    /// The kernel tells everything, and the session has turns until it has nothing to do.
    Settle { copy_max: usize },
    /// Other sessions took or returned pipes.
    Pool(usize),
    /// Splices move no more than this at a time.
    Grain(u64),
    /// The next call ends so.
    Upset(Outcome),
    /// Somebody ends the session.
    End(EndReason),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Sends { bytes: u64, urgent: bool },
    Shuts,
    Reads { bytes: u64 },
    Breaks { fault: Fault, loses: bool },
}

impl Step {
    pub(super) fn of([kind, who, low, high]: [u8; STEP]) -> Self {
        let leg = if who & 1 == 0 { Leg::Client } else { Leg::Host };
        let peer = |change| Self::Peer {
            leg,
            change,
            meanwhile: who & 2 != 0,
        };
        let bytes = size(low, high);
        let copy_max = usize::try_from(bytes).map_or(usize::MAX, |bytes| bytes.max(64));
        let fault = FAULTS[usize::from(low % 4)];
        // A connection does not break for want of memory; only calls fail by that.
        let broken = FAULTS[usize::from(low % 3)];
        match kind {
            0..=59 => peer(Change::Sends {
                bytes,
                urgent: false,
            }),
            60..=119 => peer(Change::Reads { bytes }),
            120..=167 => Self::Visit { copy_max },
            168..=199 => Self::Tell { leg, mask: low },
            200..=211 => Self::Settle { copy_max },
            212..=219 => Self::Grain(bytes),
            220..=227 => Self::Pool(usize::from(low % 3)),
            228..=233 => Self::Spurious {
                leg,
                readable: low & 1 != 0,
                writable: low & 2 != 0,
            },
            234..=237 => Self::Upset(Outcome::Progress(0)),
            238..=243 => peer(Change::Shuts),
            244..=249 => peer(Change::Sends {
                bytes,
                urgent: true,
            }),
            250..=252 => peer(Change::Breaks {
                fault: broken,
                loses: high & 1 != 0,
            }),
            253..=254 => Self::Upset(Outcome::Error(fault)),
            255 => Self::End(
                [EndReason::Operator, EndReason::Drained, EndReason::Shutdown]
                    [usize::from(low % 3)],
            ),
        }
    }
}

impl Change {
    pub(super) fn apply(self, socket: &mut Socket) {
        match self {
            Self::Sends { bytes, urgent } => socket.peer_sends(bytes, urgent),
            Self::Shuts => socket.peer_shuts(),
            Self::Reads { bytes } => socket.peer_reads(bytes),
            Self::Breaks { fault, loses } => socket.breaks(fault, loses),
        }
    }
}

/// A number of bytes: a few, a lot, or one at which the core changes its mind.
fn size(low: u8, high: u8) -> u64 {
    let edges = [
        limits::SPLICE_WORTH,
        limits::SPLICE_ENTER,
        limits::COPY_BUFFER,
        limits::PIPE_BYTES,
    ];
    match high {
        0..=79 => 1 + u64::from(low),
        80..=159 => 1 + u64::from(high) * u64::from(low) * 4,
        160..=255 => {
            let edge = edges[usize::from(low % 4)];
            u64::try_from(edge).map_or(1, |edge| edge + u64::from(high % 3) - 1)
        }
    }
}
