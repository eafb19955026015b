//! Frames between client and host, inside the tunnel's TLS. No board ever sees them.
//!
//! A frame is a type (1 byte), a body length (2 bytes) and the body, 16 KiB in all at most,
//! so that each fits one TLS record. Only `Hello`, `Challenge`, `Proof`, `Welcome`, `Refused`
//! and `Resume`, `Resumed` may pass before the password check has bound the tunnel.

use heapless::Vec;

pub use crate::frame::HEADER;

use crate::codec::{Bytes, DecodeError, EncodeError, Reader, Wire, Writer, wire_struct};
use crate::frame::{self, frames};
use crate::id::ComputerId;
use crate::outer::Software;
use crate::refusal::{Refusal, RefusalCode};
use crate::secret::Secret;
use crate::tag::ReturnTag;
use crate::text::Text;
use crate::version::Versions;

/// Largest frame in bytes, header included: the plaintext of one TLS record (RFC 8446, 5.1).
pub const FRAME_MAX: usize = 16 * 1024;
/// Bytes that one `Data` carries at most.
pub const DATA_MAX: usize = FRAME_MAX - HEADER - 21;
/// Streams open at once in one tunnel.
pub const STREAMS_MAX: usize = 8;

wire_struct! {
    /// Client, first: who I am and the first OPAQUE message (RFC 9807, KE1).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Hello {
        pub versions: Versions,
        pub software: Software,
        pub computer_id: ComputerId,
        /// Empty where the host has one password and no users.
        pub user: Text<64>,
        pub ke1: Bytes<128>,
    }
}

wire_struct! {
    /// Host: the second OPAQUE message (KE2); the same for known and unknown users.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Challenge {
        pub versions: Versions,
        pub software: Software,
        pub ke2: Bytes<512>,
    }
}

wire_struct! {
    /// Client: the third OPAQUE message (KE3), and proof that both ends see one tunnel.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Proof {
        pub ke3: Bytes<128>,
        /// HMAC-SHA-256 under OPAQUE's session key over "tasuki client 1" and the TLS exporter.
        pub mac: Secret<32>,
    }
}

wire_struct! {
    /// Host: come in. From here on streams may be opened.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Welcome {
        pub version: u16,
        /// HMAC-SHA-256 under OPAQUE's session key over "tasuki host 1" and the TLS exporter.
        pub mac: Secret<32>,
        /// Shown at the next `Connect`.
        pub tag: ReturnTag,
        /// From the management, for the user; empty: none (A16).
        pub message: Text<1000>,
    }
}

wire_struct! {
    /// Client: take up an earlier tunnel on this new path.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Resume {
        pub versions: Versions,
        pub tunnel: [u8; 16],
        /// Rises with every path; the highest wins.
        pub generation: u32,
        pub mac: Secret<32>,
        pub received: Vec<Received, STREAMS_MAX>,
    }
}

wire_struct! {
    /// Host: go on from these offsets.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Resumed {
        pub mac: Secret<32>,
        pub received: Vec<Received, STREAMS_MAX>,
    }
}

wire_struct! {
    /// How much of a stream has arrived.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Received {
        pub stream: u8,
        pub offset: u64,
    }
}

wire_struct! {
    /// Client: a new connection to the host's target.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Open {
        pub stream: u8,
        /// Bytes that the host may send before the first acknowledgement.
        pub window: u32,
    }
}

wire_struct! {
    /// How far one direction of a stream has come, told by its receiver.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Progress {
        /// Bytes received and passed on; one more once the `Fin` is passed on too.
        pub received: u64,
        /// Bytes beyond `received` that the sender may send.
        pub window: u32,
    }
}

wire_struct! {
    /// Progress without data to ride on.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Ack {
        pub stream: u8,
        pub progress: Progress,
    }
}

wire_struct! {
    /// The sender of a stream has no more. Holds the place `offset` like one byte of data.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fin {
        pub stream: u8,
        pub offset: u64,
    }
}

wire_struct! {
    /// A stream ends in both directions at once.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Reset {
        pub stream: u8,
        pub code: RefusalCode,
    }
}

wire_struct! {
    /// Are you there?
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Probe {
        pub number: u32,
    }
}

wire_struct! {
    /// Yes; the answer to a [`Probe`], at once.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Alive {
        pub number: u32,
    }
}

/// Host: somebody has pressed the keys that take the desktop off the screen at home. It concerns
/// the viewer, and so no single stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveFullScreen;

/// It has no body.
impl<'a> Wire<'a> for LeaveFullScreen {
    fn encode(&self, _writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode(_reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// Bytes of one stream, with the progress of the other direction riding along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    pub stream: u8,
    /// Place of the first byte in its direction.
    pub offset: u64,
    pub progress: Progress,
    pub bytes: &'a [u8],
}

/// Lengths only: the bytes are somebody's desktop.
impl std::fmt::Debug for Data<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stream, offset, length) = (self.stream, self.offset, self.bytes.len());
        write!(
            formatter,
            "Data(stream {stream}, {length} bytes at {offset})"
        )
    }
}

impl<'a> Wire<'a> for Data<'a> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.stream.encode(writer)?;
        self.offset.encode(writer)?;
        self.progress.encode(writer)?;
        writer.put(self.bytes)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            stream: Wire::decode(reader)?,
            offset: Wire::decode(reader)?,
            progress: Wire::decode(reader)?,
            bytes: reader.take_rest(),
        })
    }
}

frames! {
    ['a]
    0x01 Hello(Hello),
    0x02 Challenge(Challenge),
    0x03 Proof(Proof),
    0x04 Welcome(Welcome),
    0x05 Refused(Refusal),
    0x06 Resume(Resume),
    0x07 Resumed(Resumed),
    0x10 Open(Open),
    0x11 Data(Data<'a>),
    0x12 Ack(Ack),
    0x13 Fin(Fin),
    0x14 Reset(Reset),
    0x15 Probe(Probe),
    0x16 Alive(Alive),
    0x17 LeaveFullScreen(LeaveFullScreen),
}

/// Bytes of the frame whose header this is, header included.
pub fn frame_length(header: [u8; HEADER]) -> Result<usize, DecodeError> {
    frame::length(header, FRAME_MAX)
}

impl Frame<'_> {
    /// Encodes the frame with its header into `buffer` (of [`FRAME_MAX`] bytes, to be safe)
    /// and returns its length.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        self.seal(buffer)
    }
}
