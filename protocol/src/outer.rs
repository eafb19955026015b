//! Frames between an agent and a board, inside outer TLS.
//!
//! A frame is a type (1 byte), a body length (2 bytes) and the body, 1 KiB in all at most,
//! and travels as exactly one TLS record. `Connect`, `Join` and `Joined` are the last
//! record of their sender on a leg: the bytes after them belong to the tunnel.

use std::net::SocketAddr;

use heapless::Vec;

pub use crate::frame::HEADER;

use crate::claim::SignedClaim;
use crate::codec::{Bytes, DecodeError, EncodeError, wire_struct};
use crate::frame::{self, frames};
use crate::id::{BoardName, ComputerId};
use crate::refusal::{Refusal, RefusalCode};
use crate::secret::{Secret, Ticket};
use crate::tag::ReturnTag;
use crate::text::Text;
use crate::version::Versions;

/// Largest frame in bytes, header included.
pub const FRAME_MAX: usize = 1024;
/// Bytes of board list that one frame carries at most.
pub const BOARD_LIST_PART_MAX: usize = 960;
/// Boards that one `Redirect` or `Move` names at most.
pub const BOARDS_NAMED_MAX: usize = 4;

/// Program and version, as "tasuki-host 0.1.0".
pub type Software = Text<40>;

wire_struct! {
    /// Host to board, first on a link: here I am.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Register {
        pub versions: Versions,
        pub software: Software,
        /// Bits for what the host can do beyond version 1; none is defined yet.
        pub capabilities: u32,
        /// Random, made once by this process of the host: tells a reconnect from a clone.
        pub nonce: [u8; 16],
        /// Rises with every link of this process.
        pub epoch: u64,
        /// Ed25519 by the host key over [`crate::claim::epoch_message`].
        pub epoch_signature: [u8; 64],
        /// Lets the board recognise clients that have been here before ([`ReturnTag`]).
        pub slot_key: Secret<32>,
        /// Serial of the newest board list that the host has; 0: none.
        pub board_list_serial: u64,
        /// What the registrar has signed for this host, if anything.
        pub claim: Option<SignedClaim>,
        /// The ID wanted: a first one without claim, a new name with one.
        pub wish: Option<ComputerId>,
    }
}

wire_struct! {
    /// Board to host: you are reachable under the claim's computer ID.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Registered {
        pub version: u16,
        pub claim: SignedClaim,
        /// The host pings this often; either side gives the link up after three silent intervals.
        pub ping_interval_s: u16,
    }
}

wire_struct! {
    /// Client to board, its only frame on a leg: connect me to this computer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Connect {
        pub versions: Versions,
        pub software: Software,
        /// Bits for what the client asks beyond version 1; none is defined yet.
        pub capabilities: u32,
        /// Serial of the newest board list that the client has; 0: none.
        pub board_list_serial: u64,
        pub computer_id: ComputerId,
        /// What the host gave this client after an earlier success.
        pub tag: Option<ReturnTag>,
    }
}

wire_struct! {
    /// Host to board, its only frame on a leg: I come for this invite.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Join {
        pub versions: Versions,
        pub ticket: Ticket,
    }
}

wire_struct! {
    /// Board to both agents, its last record on a leg: from here on you hear each other.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Joined {
        pub version: u16,
        /// The board's number for this session, for its log and yours.
        pub session: u64,
    }
}

wire_struct! {
    /// Board to host, on the link: somebody wants you; open a leg with this ticket.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Invite {
        pub ticket: Ticket,
        /// Where the client comes from, as the board sees it.
        pub client: SocketAddr,
        pub tag: Option<ReturnTag>,
    }
}

wire_struct! {
    /// Host to board, on the link: not this one; the board passes the refusal on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Decline {
        pub ticket: Ticket,
        pub refusal: Refusal,
    }
}

wire_struct! {
    /// Either to other, on the link.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Ping {
        /// Comes back in the [`Pong`].
        pub number: u32,
    }
}

wire_struct! {
    /// The answer to a [`Ping`], at once.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Pong {
        pub number: u32,
    }
}

wire_struct! {
    /// Board to agent: try these boards instead, in this order.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Redirect {
        pub boards: Vec<BoardName, BOARDS_NAMED_MAX>,
    }
}

wire_struct! {
    /// Board to host, on the link: register with one of these (any board when empty), then leave.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Move {
        pub boards: Vec<BoardName, BOARDS_NAMED_MAX>,
        /// When the board ends what is left.
        pub deadline_s: u32,
    }
}

wire_struct! {
    /// Board to agent: a piece of a signed board list newer than the one the agent named.
    /// Pieces come in order; on a leg they come before `Joined` or `Refused`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BoardListPart {
        pub serial: u64,
        pub offset: u32,
        pub total: u32,
        pub bytes: Bytes<BOARD_LIST_PART_MAX>,
    }
}

frames! {
    []
    0x01 Register(Register),
    0x02 Registered(Registered),
    0x03 Connect(Connect),
    0x04 Join(Join),
    0x05 Joined(Joined),
    0x06 Invite(Invite),
    0x07 Decline(Decline),
    0x08 Ping(Ping),
    0x09 Pong(Pong),
    0x0a Redirect(Redirect),
    0x0b Refused(Refusal),
    0x0c Move(Move),
    0x0d BoardListPart(BoardListPart),
}

impl From<RefusalCode> for Frame {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(code.into())
    }
}

/// Bytes of the frame whose header this is, header included.
pub fn frame_length(header: [u8; HEADER]) -> Result<usize, DecodeError> {
    frame::length(header, FRAME_MAX)
}

impl Frame {
    /// Encodes the frame with its header. Every frame that fits its types fits [`FRAME_MAX`].
    pub fn encode(&self) -> Result<Vec<u8, FRAME_MAX>, EncodeError> {
        let mut buffer = [0; FRAME_MAX];
        let length = self.seal(&mut buffer)?;
        Vec::from_slice(&buffer[..length]).map_err(|_| EncodeError)
    }
}
