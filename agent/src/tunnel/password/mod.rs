//! The password check: OPAQUE (RFC 9807) with Argon2id, and the rule for good passwords.

mod rule;

pub use rule::{Weak, rule};
use zeroize::Zeroizing;

use super::TunnelError;

/// What a host keeps instead of a password. Whoever steals it can guess offline, not log in.
pub struct PasswordRecord {}

/// Bytes that are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("password record is damaged or from a newer version")]
pub struct BadRecord;

impl PasswordRecord {
    /// Makes the record for a new password. Takes the time and memory of one login.
    ///
    /// # Errors
    /// Without randomness or memory, or for a password of more than 1,000 bytes.
    pub fn register(password: &str) -> Result<Self, TunnelError> {
        let _ = password;
        unimplemented!()
    }

    /// Encodes the record for keeping.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        unimplemented!()
    }

    /// Decodes a kept record.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRecord> {
        let _ = bytes;
        unimplemented!()
    }
}

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordRecord")
    }
}
