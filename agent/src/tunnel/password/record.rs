//! What a host keeps instead of the password.

use opaque_ke::rand::rngs::OsRng;
use opaque_ke::{
    ClientRegistration, ClientRegistrationFinishParameters, Identifiers, RegistrationUpload,
    ServerRegistration, ServerSetup,
};
use zeroize::Zeroizing;

use super::{PASSWORD_MAX, Suite, stretching};
use crate::tunnel::TunnelError;

/// First byte of an encoded record.
const VERSION: u8 = 1;
/// Seed, private key and a key for fake records.
const SETUP: usize = 64 + 32 + 32;
/// Public key, masking key and envelope.
const REGISTRATION: usize = 32 + 64 + 96;

/// What a host keeps instead of a password: its OPAQUE keys and the record of the one user.
/// Whoever steals it can guess offline, at the price of the stretching, but not log in.
pub struct PasswordRecord {
    pub(super) setup: ServerSetup<Suite>,
    pub(super) record: ServerRegistration<Suite>,
}

/// Bytes that are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("password record is damaged or from a newer version")]
pub struct BadRecord;

impl PasswordRecord {
    /// Makes the record for a new password. Takes the time and memory of one login.
    ///
    /// # Errors
    /// Without memory, or for a password of more than 1,000 bytes.
    pub fn register(password: &str) -> Result<Self, TunnelError> {
        if password.len() > PASSWORD_MAX {
            return Err(TunnelError::PasswordTooLong);
        }
        let resources = |_| TunnelError::Resources;
        let password = password.as_bytes();
        let setup = ServerSetup::new(&mut OsRng);
        // Client and server of RFC 9807's registration, both played here.
        let client = ClientRegistration::<Suite>::start(&mut OsRng, password).map_err(resources)?;
        let server =
            ServerRegistration::start(&setup, client.message, HOST_PASSWORD).map_err(resources)?;
        let stretching = stretching();
        let parameters =
            ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
        let upload = client
            .state
            .finish(&mut OsRng, password, server.message, parameters)
            .map_err(resources)?;
        let record = ServerRegistration::finish(upload.message);
        Ok(Self { setup, record })
    }

    /// Encodes the record for keeping.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let setup = Zeroizing::new(self.setup.serialize().to_vec());
        let record = Zeroizing::new(self.record.serialize().to_vec());
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + setup.len() + record.len()));
        bytes.push(VERSION);
        bytes.extend_from_slice(&setup);
        bytes.extend_from_slice(&record);
        bytes
    }

    /// Decodes a kept record.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRecord> {
        let [VERSION, rest @ ..] = bytes else {
            return Err(BadRecord);
        };
        if rest.len() != SETUP + REGISTRATION {
            return Err(BadRecord);
        }
        let (setup, record) = rest.split_at(SETUP);
        let setup = ServerSetup::deserialize(setup).map_err(|_| BadRecord)?;
        let upload = RegistrationUpload::deserialize(record).map_err(|_| BadRecord)?;
        let record = ServerRegistration::finish(upload);
        Ok(Self { setup, record })
    }
}

/// OPAQUE's credential identifier of the user whose name is empty.
pub(super) const HOST_PASSWORD: &[u8] = b"";

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordRecord")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_survives_encoding_and_damage_is_told() {
        let bytes = PasswordRecord::register("correct horse")
            .unwrap()
            .to_bytes();

        let again = PasswordRecord::from_bytes(&bytes).unwrap().to_bytes();

        assert_eq!(bytes, again);
        assert_eq!(bytes.len(), 1 + SETUP + REGISTRATION);
        for length in 0..bytes.len() {
            assert!(PasswordRecord::from_bytes(&bytes[..length]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(PasswordRecord::from_bytes(&longer).is_err());
        let mut newer = bytes;
        newer[0] = 2;
        assert!(PasswordRecord::from_bytes(&newer).is_err());
    }

    #[test]
    fn overlong_password_is_refused() {
        let password = "a".repeat(PASSWORD_MAX + 1);

        let refused = PasswordRecord::register(&password);

        assert!(matches!(refused, Err(TunnelError::PasswordTooLong)));
    }
}
