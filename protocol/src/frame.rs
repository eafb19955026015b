//! What outer and tunnel frames have in common: a type, a length, a body.
//!
//! [`frames!`] declares a set of them; `outer` and `tunnel` hold one set each, with a size
//! limit of their own.

use crate::codec::{DecodeError, EncodeError, Reader, Wire, Writer};

/// Bytes before the body: type (1) and body length (2).
pub const HEADER: usize = 3;

/// Bytes of the frame whose header this is, header included; at most `max`.
pub(crate) fn length(header: [u8; HEADER], max: usize) -> Result<usize, DecodeError> {
    let [_, high, low] = header;
    let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
    if length > max {
        Err(DecodeError::TooLarge(length))
    } else {
        Ok(length)
    }
}

/// Writes a frame of at most `max` bytes to the start of `buffer` and returns its length.
pub(crate) fn seal(
    buffer: &mut [u8],
    max: usize,
    code: u8,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
) -> Result<usize, EncodeError> {
    let end = buffer.len().min(max);
    let (header, rest) = buffer[..end]
        .split_at_mut_checked(HEADER)
        .ok_or(EncodeError)?;
    let mut writer = Writer::new(rest);
    body(&mut writer)?;
    let used = writer.used();
    let [high, low] = u16::try_from(used).map_err(|_| EncodeError)?.to_be_bytes();
    header.copy_from_slice(&[code, high, low]);
    Ok(HEADER + used)
}

/// The type and the body of the one frame that `bytes` are.
pub(crate) fn open(bytes: &[u8], max: usize) -> Result<(u8, Reader<'_>), DecodeError> {
    let mut reader = Reader::new(bytes);
    let header = <[u8; HEADER]>::decode(&mut reader)?;
    let body = reader.take(length(header, max)? - HEADER)?;
    reader.finish()?;
    Ok((header[0], Reader::new(body)))
}

/// Declares `Frame`, one variant a frame type. The set's `FRAME_MAX` has to be in scope; the
/// lifetime in brackets is for frames that borrow what they carry.
macro_rules! frames {
    (@from [$($life:lifetime)?] $name:ident($body:ty)) => {
        impl<$($life)?> From<$body> for Frame<$($life)?> {
            fn from(body: $body) -> Self { Self::$name(body) }
        }
    };
    (@set [$($life:lifetime)?] $($code:literal $name:ident($body:ty),)*) => {
        /// Any frame of this set.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(clippy::large_enum_variant, reason = "frames are decoded without allocation")]
        pub enum Frame<$($life)?> {
            $($name($body),)*
        }

        impl<$($life)?> Frame<$($life)?> {
            /// The frame's name, for logs and errors.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// Decodes exactly one frame, header included.
            pub fn decode(bytes: &$($life)? [u8]) -> Result<Self, $crate::codec::DecodeError> {
                let (code, mut body) = $crate::frame::open(bytes, FRAME_MAX)?;
                let frame = match code {
                    $($code => Self::$name($crate::codec::Wire::decode(&mut body)?),)*
                    unknown => return Err($crate::codec::DecodeError::UnknownType(unknown)),
                };
                body.finish()?;
                Ok(frame)
            }

            fn seal(&self, buffer: &mut [u8]) -> Result<usize, $crate::codec::EncodeError> {
                let code = match self { $(Self::$name(_) => $code,)* };
                $crate::frame::seal(buffer, FRAME_MAX, code, |writer| match self {
                    $(Self::$name(body) => $crate::codec::Wire::encode(body, writer),)*
                })
            }
        }
    };
    ($life:tt $($code:literal $name:ident($body:ty),)*) => {
        $crate::frame::frames!(@set $life $($code $name($body),)*);
        $($crate::frame::frames!(@from $life $name($body));)*
    };
}
pub(crate) use frames;
