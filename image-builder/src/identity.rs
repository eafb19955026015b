//! Identifiers, salts and seeds of an image: never random, all derived from what goes in.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| "is not hexadecimal")?;
        bytes.try_into().map(Self).map_err(|_| "is not 32 bytes")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What all identifiers of one image come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(Hash);

impl Seed {
    /// `inputs` tells of everything that goes into the image.
    pub fn new(inputs: Hash) -> Self {
        Self(inputs)
    }

    /// 32 bytes for one purpose.
    pub fn bytes(&self, purpose: &str) -> [u8; 32] {
        let mut text = b"tasuki image v1\0".to_vec();
        text.extend(self.0.0);
        text.extend(purpose.as_bytes());
        Hash::of(&text).0
    }

    /// An identifier for one purpose.
    pub fn uuid(&self, purpose: &str) -> Uuid {
        let hash = self.bytes(purpose);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(hash.split_at(16).0);
        Uuid::custom(uuid)
    }

    /// A number for one purpose, never 0.
    pub fn number(&self, purpose: &str) -> u32 {
        let [a, b, c, d, ..] = self.bytes(purpose);
        u32::from_le_bytes([a, b, c, d]).max(1)
    }
}

/// A UUID, in the order in which it is written down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// A known identifier, as the 128-bit number that its digits are.
    pub const fn known(digits: u128) -> Self {
        Self(digits.to_be_bytes())
    }

    /// A UUID of version 8 (RFC 9562, section 5.8): bytes of our own making.
    fn custom(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// In the order in which it is written down.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The reverse of [`Uuid::bytes`].
    pub fn written(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The reverse of [`Uuid::gpt_bytes`].
    pub fn from_gpt(bytes: [u8; 16]) -> Self {
        Self(Self(bytes).gpt_bytes())
    }

    /// As GPT stores it: the first three groups little endian (UEFI 2.10, appendix A).
    pub fn gpt_bytes(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_has_its_own_identifier_and_always_the_same() {
        let seed = Seed::new(Hash::of(b"inputs"));
        let other = Seed::new(Hash::of(b"other inputs"));

        assert_eq!(seed.uuid("disk"), seed.uuid("disk"));
        assert_ne!(seed.uuid("disk"), seed.uuid("root-a"));
        assert_ne!(seed.uuid("disk"), other.uuid("disk"));
        assert_eq!(&seed.uuid("disk").to_string()[14..15], "8");
    }

    #[test]
    fn gpt_stores_the_first_groups_the_other_way_round() {
        let uuid = Uuid::known(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);

        assert_eq!(uuid.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(
            uuid.gpt_bytes(),
            [
                0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
                0xc9, 0x3b
            ]
        );
    }
}
