//! Text that a peer sent and a person will read.

use std::fmt;

use heapless::String;

use crate::codec::{DecodeError, EncodeError, Reader, Wire, Writer};

/// At most `N` bytes of UTF-8 without control characters other than a line feed,
/// so that no peer can write escape sequences to somebody's terminal or log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text<const N: usize>(String<N>);

impl<const N: usize> Text<N> {
    /// Takes as much of `text` as fits, leaving out what is not allowed.
    pub fn lossy(text: &str) -> Self {
        let mut kept = String::new();
        for character in text.chars().filter(|character| is_allowed(*character)) {
            if kept.push(character).is_err() {
                break;
            }
        }
        Self(kept)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bidirectional overrides are refused beside control characters: they make one line read as another.
fn is_allowed(character: char) -> bool {
    let reorders = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character == '\n' || !(character.is_control() || reorders)
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl<'a, const N: usize> Wire<'a> for Text<N> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        u16::try_from(self.0.len())
            .map_err(|_| EncodeError)?
            .encode(writer)?;
        writer.put(self.0.as_bytes())
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = usize::from(u16::decode(reader)?);
        let text = std::str::from_utf8(reader.take(length)?)
            .map_err(|_| DecodeError::Invalid("text that is not UTF-8"))?;
        if !text.chars().all(is_allowed) {
            return Err(DecodeError::Invalid("text with control characters"));
        }
        String::try_from(text)
            .map(Self)
            .map_err(|_| DecodeError::TooLong(N))
    }
}
