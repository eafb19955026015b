//! The password that the settings tool may ask for before it opens.
//!
//! It keeps those out who sit down at a PC that somebody has left. Whoever may write the host's
//! files, or types its commands, needs no window.

use rand::RngCore;
use rand::rngs::OsRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::tunnel::password::stretching;

const SALT: usize = 16;
const HASH: usize = 32;

/// What is kept instead of the password: a salt, and Argon2id of both.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsPassword([u8; SALT + HASH]);

/// The password cannot be stretched, or what was kept is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password of the settings cannot be used")]
pub struct Unusable;

impl SettingsPassword {
    /// For a new password; takes about as long as a login.
    pub fn new(password: &str) -> Result<Self, Unusable> {
        let mut kept = [0; SALT + HASH];
        OsRng.fill_bytes(&mut kept[..SALT]);
        let hash = stretch(password, &kept[..SALT])?;
        kept[SALT..].copy_from_slice(&*hash);
        Ok(Self(kept))
    }

    /// Whether it is this one.
    pub fn is(&self, password: &str) -> Result<bool, Unusable> {
        let (salt, hash) = self.0.split_at(SALT);
        Ok(stretch(password, salt)?.ct_eq(hash).into())
    }

    /// What has been kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        bytes.try_into().map(Self).map_err(|_| Unusable)
    }

    /// For keeping.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn stretch(password: &str, salt: &[u8]) -> Result<Zeroizing<[u8; HASH]>, Unusable> {
    let mut hash = Zeroizing::new([0; HASH]);
    stretching()
        .hash_password_into(password.as_bytes(), salt, &mut *hash)
        .map_err(|_| Unusable)?;
    Ok(hash)
}

impl std::fmt::Debug for SettingsPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SettingsPassword")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_password_and_no_other_also_after_keeping() {
        let kept = SettingsPassword::new("Correct-Horse-1").expect("is made");
        let again = SettingsPassword::from_bytes(kept.as_bytes()).expect("is whole");

        assert_eq!(again.is("Correct-Horse-1"), Ok(true));
        assert_eq!(again.is("Correct-Horse-2"), Ok(false));
        assert_eq!(again.is(""), Ok(false));
        let other = SettingsPassword::new("Correct-Horse-1").expect("is made");
        assert_ne!(kept, other, "each has a salt of its own");
        assert!(SettingsPassword::from_bytes(&kept.as_bytes()[1..]).is_err());
    }
}
