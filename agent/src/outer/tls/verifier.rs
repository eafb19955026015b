//! Verifies a board's certificate, and says exactly why it is refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

use super::certificate::{BoardIdentity, parse, printable};
use crate::outer::CertificateRefusal;
use crate::outer::board::Boards;

/// The usual verification against the pinned CAs, with typed refusals and the board list.
#[derive(Debug)]
pub(super) struct BoardVerifier {
    web_pki: Arc<WebPkiServerVerifier>,
    /// Names of the pinned CAs, as they stand in certificates.
    issuers: Vec<Vec<u8>>,
    boards: Boards,
}

impl BoardVerifier {
    pub(super) fn new(
        roots: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
        boards: Boards,
    ) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let mut issuers = Vec::new();
        for root in roots {
            issuers.push(parse(root)?.subject().as_raw().to_vec());
            store.add(root.clone()).map_err(|error| error.to_string())?;
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
        Ok(Self {
            web_pki: builder.build().map_err(|error| error.to_string())?,
            issuers,
            boards,
        })
    }

    /// Looks again at a certificate that was verified when a session began which is resumed now:
    /// it may have expired or been revoked since. Its signature has not changed.
    pub(super) fn verify_again(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateRefusal> {
        let not_a_board = |reason| CertificateRefusal::NotABoard { reason };
        let parsed = parse(certificate).map_err(not_a_board)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed.validity();
        if seconds > validity.not_after.timestamp() {
            return Err(expired(&parsed));
        }
        if seconds < validity.not_before.timestamp() {
            return Err(not_yet_valid(&parsed));
        }
        self.check_listed(certificate, now)
    }

    fn check_listed(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateRefusal> {
        let board = BoardIdentity::read(certificate)
            .map_err(|reason| CertificateRefusal::NotABoard { reason })?;
        let now = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        self.boards.judge(&board, now)
    }

    /// Says what the usual verification means for a person.
    fn refusal(&self, error: &Error, certificate: &CertificateDer<'_>) -> CertificateRefusal {
        let parsed = match parse(certificate) {
            Ok(parsed) => parsed,
            Err(reason) => return CertificateRefusal::NotABoard { reason },
        };
        // A stranger may be expired or malformed besides; that it is a stranger comes first.
        let issuer = parsed.issuer();
        let known = self.issuers.iter().any(|known| known == issuer.as_raw());
        let is = |kind: fn(&CertificateError) -> bool| matches!(error, Error::InvalidCertificate(error) if kind(error));
        if !known || is(is_unsigned) {
            CertificateRefusal::Foreign {
                issuer: printable(issuer),
            }
        } else if is(is_expired) {
            expired(&parsed)
        } else if is(is_early) {
            not_yet_valid(&parsed)
        } else {
            CertificateRefusal::NotABoard {
                reason: error.to_string(),
            }
        }
    }
}

fn expired(certificate: &X509Certificate<'_>) -> CertificateRefusal {
    CertificateRefusal::Expired {
        since: system_time(certificate.validity().not_after),
    }
}

fn not_yet_valid(certificate: &X509Certificate<'_>) -> CertificateRefusal {
    CertificateRefusal::NotYetValid {
        from: system_time(certificate.validity().not_before),
    }
}

/// It names one of our CAs, but that one has not signed it.
fn is_unsigned(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::UnknownIssuer | CertificateError::BadSignature
    )
}

fn is_expired(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::Expired | CertificateError::ExpiredContext { .. }
    )
}

fn is_early(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
    )
}

impl ServerCertVerifier for BoardVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.web_pki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        verified
            .map_err(|error| self.refusal(&error, end_entity))
            .and_then(|verified| self.check_listed(end_entity, now).map(|()| verified))
            .map_err(|refusal| CertificateError::Other(OtherError(Arc::new(refusal))).into())
    }

    /// Never called: only TLS 1.3 is offered.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.web_pki
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web_pki.supported_verify_schemes()
    }
}

/// A time before 1970 is shown as 1970.
fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};

    use super::*;

    #[test]
    fn certificate_of_a_resumed_session_is_held_against_the_clock() {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("is made");
        let names = ["tokyo-1.board.tasuki".to_owned()];
        let mut params = CertificateParams::new(names).expect("are names");
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2040, 1, 1);
        let certificate = params.self_signed(&key).expect("signs").der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let boards = Boards::forgetful(Vec::new());
        let verifier = BoardVerifier::new(from_ref(&certificate), provider, boards);
        let verifier = verifier.expect("is made");
        let verdict = |year: u64| {
            let time = Duration::from_secs((year - 1970) * 31_557_600);
            verifier.verify_again(&certificate, UnixTime::since_unix_epoch(time))
        };

        assert_eq!(verdict(2035), Ok(()));
        let early = verdict(2029).expect_err("is too early");
        assert!(
            matches!(early, CertificateRefusal::NotYetValid { .. }),
            "{early:?}"
        );
        let late = verdict(2041).expect_err("is too late");
        assert!(
            matches!(late, CertificateRefusal::Expired { .. }),
            "{late:?}"
        );
    }
}
