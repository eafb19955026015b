//! TLS of the tunnel: version 1.3 only, post-quantum key exchange first, no resumption.
//!
//! The host shows a self-signed certificate; all that counts of it is the Ed25519 key and
//! the proof that the peer has it. Whether it is the right key is for the pin and the
//! password check to say, never for this file.

use std::sync::Arc;

use protocol::ALPN_TUNNEL;
use protocol::id::HostKey;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig,
    SignatureScheme,
};
use webpki::EndEntityCert;

/// The host's side, with its self-signed Ed25519 certificate and the host key.
///
/// # Errors
/// When the key does not belong to the certificate.
pub fn server_config(
    certificate: CertificateDer<'static>,
    host_key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], host_key)?;
    config.alpn_protocols = vec![ALPN_TUNNEL.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// The client's side.
pub(super) fn client_config() -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = AnyHost(provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_TUNNEL.to_vec()];
    config.resumption = Resumption::disabled();
    // A host has no name that TLS could know, and the relay needs none.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The key in a host's certificate.
pub(super) fn host_key(certificate: &CertificateDer<'_>) -> Result<HostKey, Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| bad())?;
    HostKey::from_public_key_info(&certificate.subject_public_key_info()).ok_or_else(bad)
}

/// A peer that speaks something else over TLS, or nothing that it names, is no agent.
pub(super) fn check_alpn<Data>(connection: &ConnectionCommon<Data>) -> Result<(), Error> {
    if connection.alpn_protocol() == Some(ALPN_TUNNEL) {
        Ok(())
    } else {
        Err(Error::NoApplicationProtocol)
    }
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
    if !has_aes() {
        let suites = &mut provider.cipher_suites;
        suites.sort_by_key(|suite| *suite != cipher_suite::TLS13_CHACHA20_POLY1305_SHA256);
    }
    Arc::new(provider)
}

/// Whether the CPU has AES instructions; the Raspberry Pi 4, for one, has none.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Takes any host that proves its Ed25519 key.
///
/// The certificate's signature over itself is not looked at: it says nothing that
/// `CertificateVerify` does not say better.
#[derive(Debug)]
struct AnyHost(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !intermediates.is_empty() {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        host_key(end_entity).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
