//! The host key: made on first use, never leaves the PC.

use std::fmt;

use protocol::id::HostKey;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use rand::RngCore;
use rand::rngs::OsRng;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// What stands before the seed in PKCS #8 (RFC 8410, 7).
const PKCS8_HEADER: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A host's key and its self-signed certificate.
#[derive(Clone)]
pub struct Identity {
    seed: Secret<32>,
    public_key: HostKey,
    certificate: CertificateDer<'static>,
}

/// The seed cannot be made into a key. Seeds of any content can, so this is a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no Ed25519 key can be made of the seed")]
pub struct IdentityError;

impl Identity {
    /// A new key.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(seed.as_mut());
        Self::from_seed(Secret::new(*seed))
    }

    /// The key with this seed. The certificate is made anew each time; nobody looks at more
    /// of it than the key.
    pub fn from_seed(seed: Secret<32>) -> Result<Self, IdentityError> {
        let key = SigningKey::from_seed(&seed).map_err(|_| IdentityError)?;
        let certificate = self_signed(&seed).map_err(|_| IdentityError)?;
        Ok(Self {
            public_key: key.public_key(),
            seed,
            certificate,
        })
    }

    /// The public half; whoever proves it is this host.
    pub fn public_key(&self) -> HostKey {
        self.public_key
    }

    /// The private half, for signing.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.seed).expect("the same seed made a key before")
    }

    /// Self-signed certificate over the host key.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The private half for rustls (PKCS #8).
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(pkcs8(&self.seed))
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        self.seed.expose()
    }
}

/// The public key only.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.public_key)
    }
}

fn pkcs8(seed: &Secret<32>) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from([&PKCS8_HEADER[..], seed.expose()].concat())
}

fn self_signed(seed: &Secret<32>) -> Result<CertificateDer<'static>, rcgen::Error> {
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8(seed), &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "tasuki host");
    Ok(params.self_signed(&key)?.der().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_and_signing_key_show_the_same_public_key() {
        let identity = Identity::generate().expect("is made");

        let (_, certificate) =
            x509_parser::parse_x509_certificate(&identity.certificate).expect("is a certificate");
        let key = certificate.public_key().raw;

        assert_eq!(key.len(), 44);
        assert_eq!(key[12..], identity.public_key().0);
        assert_eq!(identity.signing_key().public_key(), identity.public_key());
        certificate.verify_signature(None).expect("is self-signed");
    }

    #[test]
    fn debug_does_not_show_the_seed() {
        let identity = Identity::from_seed(Secret::new([7; 32])).expect("is made");

        let text = format!("{identity:?}");

        assert_eq!(text, format!("Identity({})", identity.public_key()));
    }
}
