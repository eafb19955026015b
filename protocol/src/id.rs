//! Names: of an office PC, of a board; and the key that stands behind a host.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use heapless::String;

use crate::codec::{DecodeError, EncodeError, Reader, Wire, Writer};

/// Longest computer ID or board name in characters.
pub const NAME_MAX: usize = 31;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("must have 1 to 31 characters")]
    Length,
    #[error("may only contain the letters A to Z, digits, '-' and '_'")]
    Character,
    #[error("may only contain the letters a to z, digits and '-', and begins with a letter")]
    BoardCharacter,
    #[error("is not 32 bytes of base64")]
    Key,
}

/// Name of an office PC in its deployment; case does not count and is folded to lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComputerId(String<NAME_MAX>);

impl FromStr for ComputerId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        name(text, allowed, NameError::Character).map(Self)
    }
}

/// Name of a board in its deployment; also a DNS label of its certificate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoardName(String<NAME_MAX>);

impl FromStr for BoardName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !text.starts_with(|first: char| first.is_ascii_alphabetic()) || text.ends_with('-') {
            return Err(if text.is_empty() {
                NameError::Length
            } else {
                NameError::BoardCharacter
            });
        }
        name(text, allowed, NameError::BoardCharacter).map(Self)
    }
}

impl BoardName {
    /// The DNS name in the board's certificate that only this board has.
    pub fn dns_name(&self) -> std::string::String {
        format!("{self}.{}", crate::BOARD_DNS_NAME)
    }

    /// The board that a certificate's DNS name belongs to, if it is one of ours.
    pub fn from_dns_name(dns_name: &str) -> Option<Self> {
        dns_name
            .strip_suffix(crate::BOARD_DNS_NAME)?
            .strip_suffix('.')?
            .parse()
            .ok()
    }
}

fn name(
    text: &str,
    allowed: impl Fn(u8) -> bool,
    otherwise: NameError,
) -> Result<String<NAME_MAX>, NameError> {
    if text.is_empty() || text.len() > NAME_MAX {
        return Err(NameError::Length);
    }
    if !text.bytes().all(allowed) {
        return Err(otherwise);
    }
    let mut name = String::try_from(text).map_err(|_| NameError::Length)?;
    name.make_ascii_lowercase();
    Ok(name)
}

macro_rules! name_traits {
    ($($type:ident),*) => {$(
        impl $type {
            /// The name in lower case.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }

        impl<'a> Wire<'a> for $type {
            fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                u8::try_from(self.0.len()).map_err(|_| EncodeError)?.encode(writer)?;
                writer.put(self.0.as_bytes())
            }

            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                let length = usize::from(u8::decode(reader)?);
                let text = std::str::from_utf8(reader.take(length)?)
                    .map_err(|_| DecodeError::Invalid("name that is not ASCII"))?;
                let name: Self = text.parse().map_err(|_| DecodeError::Invalid("name"))?;
                // One name, one encoding: what is signed must not have two spellings.
                if name.as_str() == text { Ok(name) } else { Err(DecodeError::Invalid("name in upper case")) }
            }
        }
    )*};
}
name_traits!(ComputerId, BoardName);

/// An Ed25519 public key, printed as base64 (RFC 8032, RFC 4648).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// The public key of a host; whoever proves it is that host.
pub type HostKey = PublicKey;

impl PublicKey {
    /// The key in a certificate's SubjectPublicKeyInfo (RFC 8410, section 4). None: a key of another
    /// kind.
    pub fn from_public_key_info(info: &[u8]) -> Option<Self> {
        const PREFIX: [u8; 12] = [
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        let key = info.strip_prefix(&PREFIX)?;
        key.try_into().ok().map(Self)
    }
}

impl FromStr for PublicKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| NameError::Key)?;
        bytes.try_into().map(Self).map_err(|_| NameError::Key)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<'a> Wire<'a> for PublicKey {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.0.encode(writer)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Wire::decode(reader).map(Self)
    }
}
