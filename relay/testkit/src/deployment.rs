//! A deployment with one board, made for a test.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::file::node::{Lone, NodeFile, PrivateKeyPem, Setup};
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519};
use rustls::RootCertStore;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A CA, and a lone board's registrar key.
pub struct Deployment {
    ca: CertifiedIssuer<'static, KeyPair>,
    registrar_key: Secret<32>,
    /// What agents trust.
    pub roots: Arc<RootCertStore>,
}

impl Deployment {
    /// A deployment with keys of its own.
    pub fn new() -> Self {
        let ca_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = CertifiedIssuer::self_signed(params, ca_key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        Self {
            ca,
            registrar_key: Secret::new([7; 32]),
            roots: Arc::new(roots),
        }
    }

    /// The node file of the board `alpha`, with a fresh key and a certificate that began a day ago
    /// and ends `ends_in` from now.
    pub fn node(&self, ends_in: Duration) -> NodeFile {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let names = vec!["board.tasuki".into(), "alpha.board.tasuki".into()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = (SystemTime::now() - DAY).into();
        params.not_after = (SystemTime::now() + ends_in).into();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        let registrar = SigningKey::from_seed(&self.registrar_key).unwrap();
        NodeFile {
            deployment: "test".into(),
            generation: 1,
            name: "alpha".parse().unwrap(),
            addresses: vec!["192.0.2.1:443".into()],
            certificate: certificate.pem(),
            key: PrivateKeyPem(key.serialize_pem()),
            registrar: vec![registrar.public_key()],
            lone: Some(Lone {
                registrar_key: self.registrar_key.clone(),
                revoked: Vec::new(),
            }),
            setup: Setup::default(),
        }
    }
}

impl Default for Deployment {
    fn default() -> Self {
        Self::new()
    }
}
