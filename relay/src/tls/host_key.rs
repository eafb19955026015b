//! How a host proves its key in the TLS handshake: a self-signed Ed25519 certificate.
//!
//! The handshake's signature (CertificateVerify) is checked with the key in the certificate, and
//! nothing else about the certificate counts: names, dates and its own signature are decoration.
//! Whose key it is, and what it may do, is for the registrar to say.

use protocol::id::HostKey;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;

use crate::limits;

/// The Ed25519 key that a certificate is for.
pub fn host_key(certificate: &CertificateDer<'_>) -> Option<HostKey> {
    if certificate.len() > limits::HOST_CERTIFICATE_MAX {
        return None;
    }
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    HostKey::from_public_key_info(&certificate.subject_public_key_info())
}

/// Accepts whoever can sign with the key that it shows.
#[derive(Debug)]
pub(super) struct HostKeyVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    mandatory: bool,
}

impl HostKeyVerifier {
    /// For links: no host key, no connection.
    pub(super) fn demanded(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
            mandatory: true,
        }
    }

    /// For legs: a host shows its key, a client has none.
    pub(super) fn welcome(provider: &CryptoProvider) -> Self {
        Self {
            mandatory: false,
            ..Self::demanded(provider)
        }
    }
}

impl ClientCertVerifier for HostKeyVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.is_empty() && host_key(end_entity).is_some() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::BadEncoding.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;

    fn certificate(key: &KeyPair, names: usize) -> CertificateDer<'static> {
        let names: Vec<String> = (0..names)
            .map(|name| format!("name-{name:04}.example"))
            .collect();
        let parameters = CertificateParams::new(names).unwrap();
        parameters.self_signed(key).unwrap().into()
    }

    #[test]
    fn the_key_is_the_end_of_the_public_key_info() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();

        let found = host_key(&certificate(&key, 1)).unwrap();

        assert_eq!(found.0.as_slice(), key.public_key_raw());
    }

    #[test]
    fn other_kinds_of_keys_are_no_host_keys() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();

        assert_eq!(host_key(&certificate(&key, 1)), None);
        assert_eq!(host_key(&CertificateDer::from(vec![0x30, 0x00])), None);
    }

    #[test]
    fn a_certificate_larger_than_the_bound_is_refused() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let fits = (1..100)
            .map(|names| certificate(&key, names))
            .take_while(|certificate| certificate.len() <= limits::HOST_CERTIFICATE_MAX)
            .collect::<Vec<_>>();

        let largest = fits.last().unwrap();
        let too_large = certificate(&key, fits.len() + 1);

        assert!(host_key(largest).is_some());
        assert!(too_large.len() > limits::HOST_CERTIFICATE_MAX);
        assert_eq!(host_key(&too_large), None);
    }
}
