//! Board list: which boards there are, where, and which certificates are revoked.
//!
//! Signed by the registrar, valid for a day. Agents keep the highest serial, and refuse
//! boards that are revoked or not on it. At most 64 KiB, so it travels in pieces
//! ([`crate::outer::BoardListPart`]).

use std::vec::Vec;

use crate::codec::{Bytes, DecodeError, EncodeError, Reader, Wire, Writer, wire_struct};
use crate::id::BoardName;
use crate::text::Text;

/// Largest signed list in bytes.
pub const BOARD_LIST_MAX: usize = 64 * 1024;
/// Most boards on a list.
pub const BOARDS_MAX: usize = 512;
/// Most revoked certificates on a list.
pub const REVOKED_MAX: usize = 1024;
/// How long a list is valid, in seconds.
pub const VALIDITY_S: u64 = 24 * 60 * 60;

/// Serial number of an X.509 certificate (RFC 5280, 4.1.2.2), at most 20 bytes.
pub type CertificateSerial = Bytes<20>;
/// `host:port`, the host a name or an address (IPv6 in brackets).
pub type Address = Text<96>;

wire_struct! {
    /// One board.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Board {
        pub name: BoardName,
        pub addresses: heapless::Vec<Address, 4>,
        /// Share of hosts relative to other boards.
        pub weight: u16,
        /// Fit for agents in restricted mode (R10).
        pub restricted: bool,
        pub draining: bool,
    }
}

/// The list itself. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardList {
    /// Rises with every list.
    pub serial: u64,
    pub issued: u64,
    pub expires: u64,
    pub boards: Vec<Board>,
    pub revoked: Vec<CertificateSerial>,
}

/// A list with the registrar's Ed25519 signature over "tasuki board list 1" and its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBoardList {
    pub list: BoardList,
    pub signature: [u8; 64],
}

impl BoardList {
    /// The board of that name.
    pub fn board(&self, name: &BoardName) -> Option<&Board> {
        self.boards.iter().find(|board| board.name == *name)
    }

    /// Whether the certificate with this serial number is revoked.
    pub fn is_revoked(&self, serial: &[u8]) -> bool {
        self.revoked
            .iter()
            .any(|revoked| revoked.as_slice() == serial)
    }
}

impl<'a> Wire<'a> for BoardList {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.serial.encode(writer)?;
        self.issued.encode(writer)?;
        self.expires.encode(writer)?;
        encode_all(&self.boards, BOARDS_MAX, writer)?;
        encode_all(&self.revoked, REVOKED_MAX, writer)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            serial: Wire::decode(reader)?,
            issued: Wire::decode(reader)?,
            expires: Wire::decode(reader)?,
            boards: decode_all(BOARDS_MAX, reader)?,
            revoked: decode_all(REVOKED_MAX, reader)?,
        })
    }
}

impl<'a> Wire<'a> for SignedBoardList {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.list.encode(writer)?;
        self.signature.encode(writer)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            list: Wire::decode(reader)?,
            signature: Wire::decode(reader)?,
        })
    }
}

impl SignedBoardList {
    /// Encodes for sending and for keeping.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let mut buffer = vec![0; BOARD_LIST_MAX];
        let mut writer = Writer::new(&mut buffer);
        self.encode(&mut writer)?;
        let used = writer.used();
        buffer.truncate(used);
        Ok(buffer)
    }

    /// Decodes a whole list. The signature still has to be checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > BOARD_LIST_MAX {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let list = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(list)
    }
}

fn encode_all<'a, T: Wire<'a>>(
    values: &[T],
    max: usize,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if values.len() > max {
        return Err(EncodeError);
    }
    u16::try_from(values.len())
        .map_err(|_| EncodeError)?
        .encode(writer)?;
    values.iter().try_for_each(|value| value.encode(writer))
}

fn decode_all<'a, T: Wire<'a>>(max: usize, reader: &mut Reader<'a>) -> Result<Vec<T>, DecodeError> {
    let count = usize::from(u16::decode(reader)?);
    if count > max {
        return Err(DecodeError::TooLong(max));
    }
    // Grows with what is really there, never by the count that a stranger wrote.
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(T::decode(reader)?);
    }
    Ok(values)
}
