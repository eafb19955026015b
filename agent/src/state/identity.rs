//! The host key: made on first use, never leaves the PC.

use protocol::id::HostKey;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A host's key and its self-signed certificate.
#[derive(Clone)]
pub struct Identity {
    seed: Secret<32>,
}

impl Identity {
    /// The public half; whoever proves it is this host.
    pub fn public_key(&self) -> HostKey {
        unimplemented!()
    }

    /// The private half, for signing.
    pub fn signing_key(&self) -> SigningKey {
        let _ = &self.seed;
        unimplemented!()
    }

    /// Self-signed certificate over the host key.
    pub fn certificate(&self) -> CertificateDer<'static> {
        unimplemented!()
    }

    /// The private half for rustls (PKCS #8).
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        unimplemented!()
    }
}

/// The public key only.
impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Identity({})", self.public_key())
    }
}
