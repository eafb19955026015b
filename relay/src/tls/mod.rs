//! Outer TLS: what a board shows, what it demands, and how its records are read.
//!
//! Owns the two server configurations (links and legs), the board's certificate while it is
//! renewed, and the rule that a record is taken off the socket whole and nothing behind it.
//! Must never see a byte of a tunnel.
//! Read next: [`record`] for the reading, [`handshake`], [`sealed`] for what follows the handshake, [`host_key`] for how a host proves who it is.

pub mod handshake;
pub mod host_key;
mod provider;
pub mod record;
#[cfg(test)]
mod record_check;
pub mod sealed;
mod tickets;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use protocol::file::node::PrivateKeyPem;
use protocol::{ALPN_LEG, ALPN_LINK};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use host_key::HostKeyVerifier;
use tickets::Tickets;

/// Why the board's certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate is not PEM")]
    Certificate(#[source] rustls_pki_types::pem::Error),
    #[error("there is no certificate")]
    NoCertificate,
    #[error("the private key is not PKCS #8 PEM")]
    Key(#[source] rustls_pki_types::pem::Error),
    #[error("certificate and private key do not belong together, or cannot be used")]
    Pair(#[source] rustls::Error),
    #[error("the TLS library refuses its settings")]
    Library(#[source] rustls::Error),
}

/// The outer TLS of one board. Clones share the certificate.
#[derive(Clone)]
pub struct OuterTls {
    link: Arc<ServerConfig>,
    leg: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
}

/// What a connection is for, as its ALPN name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Link,
    Leg,
}

impl OuterTls {
    /// TLS that shows this certificate chain (PEM, the board's own first).
    ///
    /// # Errors
    /// Chain or key cannot be read, or do not belong together.
    pub fn new(chain: &str, key: &PrivateKeyPem) -> Result<Self, TlsError> {
        let provider = Arc::new(provider::provider());
        let private_key = private_key(key)?;
        let certified = certified(chain, private_key.clone_key(), &provider)?;
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(certified))));

        let link_key = HostKeyVerifier::demanded(&provider);
        let mut link = builder(&provider)?
            .with_client_cert_verifier(Arc::new(link_key))
            .with_cert_resolver(Arc::<Certificate>::clone(&certificate));
        link.alpn_protocols = vec![ALPN_LINK.to_vec()];
        // A host that comes back saves both ends the signatures; its key is in the TLS ticket.
        link.ticketer = Arc::new(Tickets::new(private_key.secret_der()));
        link.send_tls13_tickets = 1;

        let leg_key = HostKeyVerifier::welcome(&provider);
        let mut leg = builder(&provider)?
            .with_client_cert_verifier(Arc::new(leg_key))
            .with_cert_resolver(Arc::<Certificate>::clone(&certificate));
        leg.alpn_protocols = vec![ALPN_LEG.to_vec()];
        // Nothing of ours may follow `Joined`, so a leg gets no TLS ticket at any time.
        leg.send_tls13_tickets = 0;

        for config in [&mut link, &mut leg] {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.ignore_client_order = provider::prefers_chacha();
            // For `sealed`, which goes on without rustls.
            config.enable_secret_extraction = true;
        }
        Ok(Self {
            link: Arc::new(link),
            leg: Arc::new(leg),
            certificate,
        })
    }

    /// Shows a renewed certificate from the next handshake on; connections that stand are kept.
    ///
    /// # Errors
    /// Chain or key cannot be read or do not belong together; the old ones stay in use.
    pub fn renew(&self, chain: &str, key: &PrivateKeyPem) -> Result<(), TlsError> {
        let certified = certified(chain, private_key(key)?, self.link.crypto_provider())?;
        *self
            .certificate
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        Ok(())
    }

    /// The configuration that answers connections of this purpose.
    pub fn config(&self, purpose: Purpose) -> Arc<ServerConfig> {
        Arc::clone(match purpose {
            Purpose::Link => &self.link,
            Purpose::Leg => &self.leg,
        })
    }
}

impl Purpose {
    /// What the peer has come for; `None` if it speaks something else than we do.
    pub fn of(hello: &ClientHello<'_>) -> Option<Self> {
        let offers = |name: &[u8]| {
            hello
                .alpn()
                .is_some_and(|mut offered| offered.any(|it| it == name))
        };
        if offers(ALPN_LINK) {
            Some(Self::Link)
        } else if offers(ALPN_LEG) {
            Some(Self::Leg)
        } else {
            None
        }
    }
}

impl fmt::Debug for OuterTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OuterTls").finish_non_exhaustive()
    }
}

struct Certificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Certificate")
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Library)
}

fn private_key(pem: &PrivateKeyPem) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.0.as_bytes()).map_err(TlsError::Key)
}

fn certified(
    chain: &str,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)
}
