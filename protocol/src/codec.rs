//! Reading and writing fields: big-endian integers, counted strings and lists.
//!
//! [`Wire`] is the one way in and out; [`wire_struct!`] derives it for a struct whose
//! fields follow each other. Decoding never allocates, never panics and never reads
//! past the slice it was given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use heapless::Vec;

/// Why bytes are not the thing that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("frame ends in the middle of a field")]
    Truncated,
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    #[error("frame of {0} bytes is larger than allowed")]
    TooLarge(usize),
    #[error("unknown frame type {0:#04x}")]
    UnknownType(u8),
    #[error("{0} is not a valid value here")]
    Invalid(&'static str),
    #[error("list or string is longer than {0} entries")]
    TooLong(usize),
}

/// The value does not fit into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value does not fit into the frame")]
pub struct EncodeError;

/// Takes fields off the front of a slice.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Checks that nothing is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }
}

/// Puts fields into a fixed buffer.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl<'b> Writer<'b> {
    /// Writes from the start of `buffer`.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Appends `bytes`.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let end = self.used.checked_add(bytes.len()).ok_or(EncodeError)?;
        self.buffer
            .get_mut(self.used..end)
            .ok_or(EncodeError)?
            .copy_from_slice(bytes);
        self.used = end;
        Ok(())
    }

    /// Number of bytes written.
    pub fn used(&self) -> usize {
        self.used
    }
}

/// A value with one encoding.
pub trait Wire<'a>: Sized {
    /// Appends the value.
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;
    /// Takes the value off the front.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

/// Declares a struct whose encoding is its fields in order.
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl<'a> $crate::codec::Wire<'a> for $name {
            fn encode(
                &self,
                writer: &mut $crate::codec::Writer<'_>,
            ) -> Result<(), $crate::codec::EncodeError> {
                $($crate::codec::Wire::encode(&self.$field, writer)?;)*
                Ok(())
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'a>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                Ok(Self { $($field: $crate::codec::Wire::decode(reader)?,)* })
            }
        }
    };
}
pub(crate) use wire_struct;

macro_rules! wire_integer {
    ($($type:ty),*) => {$(
        impl<'a> Wire<'a> for $type {
            fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                writer.put(&self.to_be_bytes())
            }

            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                <[u8; size_of::<$type>()]>::decode(reader).map(<$type>::from_be_bytes)
            }
        }
    )*};
}
wire_integer!(u8, u16, u32, u64);

impl<'a, const N: usize> Wire<'a> for [u8; N] {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.put(self)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader
            .take(N)?
            .try_into()
            .map_err(|_| DecodeError::Truncated)
    }
}

impl<'a> Wire<'a> for bool {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        u8::from(*self).encode(writer)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match u8::decode(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid("flag")),
        }
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Option<T> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.is_some().encode(writer)?;
        self.as_ref().map_or(Ok(()), |value| value.encode(writer))
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        bool::decode(reader)?.then(|| T::decode(reader)).transpose()
    }
}

/// At most `N` values, counted by one byte.
impl<'a, T: Wire<'a>, const N: usize> Wire<'a> for Vec<T, N> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        u8::try_from(self.len())
            .map_err(|_| EncodeError)?
            .encode(writer)?;
        self.iter().try_for_each(|value| value.encode(writer))
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut values = Self::new();
        for _ in 0..u8::decode(reader)? {
            values
                .push(T::decode(reader)?)
                .map_err(|_| DecodeError::TooLong(N))?;
        }
        Ok(values)
    }
}

/// At most `N` bytes, counted by two bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes<const N: usize>(Vec<u8, N>);

impl<const N: usize> Bytes<N> {
    /// Copies `bytes`, which must be at most `N` long.
    pub fn new(bytes: &[u8]) -> Result<Self, EncodeError> {
        Vec::from_slice(bytes).map(Self).map_err(|_| EncodeError)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// Only the length: such fields carry key exchange messages.
impl<const N: usize> std::fmt::Debug for Bytes<N> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "[{} bytes]", self.0.len())
    }
}

impl<'a, const N: usize> Wire<'a> for Bytes<N> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        u16::try_from(self.0.len())
            .map_err(|_| EncodeError)?
            .encode(writer)?;
        writer.put(&self.0)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = usize::from(u16::decode(reader)?);
        if length > N {
            return Err(DecodeError::TooLong(N));
        }
        Self::new(reader.take(length)?).map_err(|_| DecodeError::TooLong(N))
    }
}

/// Sixteen bytes of address (IPv4 as `::ffff:a.b.c.d`), then the port.
impl<'a> Wire<'a> for SocketAddr {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        let ip = match self.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        ip.octets().encode(writer)?;
        self.port().encode(writer)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let ip = Ipv6Addr::from(<[u8; 16]>::decode(reader)?);
        let ip = ip
            .to_ipv4_mapped()
            .map_or(IpAddr::V6(ip), |ip: Ipv4Addr| IpAddr::V4(ip));
        Ok(Self::new(ip, u16::decode(reader)?))
    }
}
