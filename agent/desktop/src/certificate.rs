//! What the RDP server shows of itself.
//!
//! It proves nothing: who is at the other end has been proved by the tunnel, and all of RDP is
//! inside of that. It is kept so that a viewer that asks its user about it asks once.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// How the certificate calls itself.
const NAME: &str = "Tasuki";

/// TLS with the certificate in `file`, which is made if it is not there. TLS 1.2 as well: viewers
/// of Windows 10 know no other.
pub(crate) fn acceptor(file: &Path) -> Result<TlsAcceptor> {
    let pem = match fs::read(file) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(file)?,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", file.display()));
        }
    };
    let parts = || -> Result<_, rustls::pki_types::pem::Error> {
        Ok((
            CertificateDer::from_pem_slice(&pem)?,
            PrivateKeyDer::from_pem_slice(&pem)?,
        ))
    };
    let (certificate, key) =
        parts().with_context(|| format!("{} is damaged; delete it", file.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .with_context(|| format!("{} is damaged; delete it", file.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// RSA, since not every viewer takes anything else.
fn make(file: &Path) -> Result<Vec<u8>> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, NAME);
    let certificate = params.self_signed(&key)?;
    let pem = [certificate.pem(), key.serialize_pem()].concat();
    fs::write(file, &pem).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(pem.into_bytes())
}
