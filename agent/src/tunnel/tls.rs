//! TLS of the tunnel: version 1.3 only, post-quantum key exchange first, no resumption.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The host's side, with its self-signed Ed25519 certificate and the host key.
///
/// # Errors
/// When the key does not belong to the certificate.
pub fn server_config(
    certificate: CertificateDer<'static>,
    host_key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let _ = (certificate, host_key);
    unimplemented!()
}
