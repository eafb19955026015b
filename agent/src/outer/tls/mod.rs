//! Outer TLS: only 1.3, only boards of this deployment (R2).
//!
//! The deployment's one or two CAs are pinned; no public CA, no system store. A host shows
//! its key as a client certificate. A link may resume an earlier session, so that a board which
//! thousands come back to need not sign for each; the board's certificate is held against CAs,
//! clock and board list all the same, each time.

mod certificate;
mod verifier;

use std::io;
use std::sync::Arc;

pub(super) use certificate::{BoardIdentity, without_zeros};
use protocol::{ALPN_LEG, ALPN_LINK, BOARD_DNS_NAME};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{AlertDescription, CertificateError, ClientConfig, HandshakeKind, PeerIncompatible};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::board::Boards;
use super::error::{CertificateRefusal, OuterError, is_cut};
use super::record::{NotTls, RecordExact};
use crate::config::Endpoint;
use crate::state::Identity;
use verifier::BoardVerifier;

pub(super) type OuterStream = TlsStream<RecordExact<TcpStream>>;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Link,
    Leg,
}

/// Sessions that may be resumed. Boards share a name, and the newest session is offered: one that
/// was another board's leads to a whole handshake.
const SESSIONS: usize = 8;

/// Whom we believe, and who we are.
#[derive(Debug)]
pub(super) struct Trust {
    verifier: Arc<BoardVerifier>,
    link: Arc<ClientConfig>,
    leg: Arc<ClientConfig>,
}

impl Trust {
    /// `ca` is one or two certificates in PEM.
    pub(super) fn new(
        ca: &[String],
        identity: Option<&Identity>,
        boards: Boards,
    ) -> Result<Self, String> {
        let parse = |pem: &String| CertificateDer::from_pem_slice(pem.as_bytes());
        let roots: Result<Vec<_>, _> = ca.iter().map(parse).collect();
        let roots = roots.map_err(|error| format!("CA certificate: {error}"))?;
        let provider = Arc::new(provider());
        let verifier = BoardVerifier::new(&roots, Arc::clone(&provider), boards)?;
        let verifier = Arc::new(verifier);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<BoardVerifier>::clone(&verifier));
        let mut leg = match identity {
            Some(identity) => builder
                .with_client_auth_cert(vec![identity.certificate()], identity.private_key())
                .map_err(|error| error.to_string())?,
            None => builder.with_no_client_auth(),
        };
        leg.resumption = Resumption::disabled();
        leg.alpn_protocols = vec![ALPN_LEG.to_vec()];
        let mut link = leg.clone();
        link.resumption = Resumption::in_memory_sessions(SESSIONS);
        link.alpn_protocols = vec![ALPN_LINK.to_vec()];
        Ok(Self {
            verifier,
            link: Arc::new(link),
            leg: Arc::new(leg),
        })
    }

    /// Shakes hands and tells which board it is. The caller sets the deadline.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        purpose: Purpose,
        address: &Endpoint,
    ) -> Result<(OuterStream, BoardIdentity), OuterError> {
        let config = Arc::clone(match purpose {
            Purpose::Link => &self.link,
            Purpose::Leg => &self.leg,
        });
        let name = ServerName::try_from(BOARD_DNS_NAME).expect("a constant DNS name");
        let stream = TlsConnector::from(config)
            .connect(name, RecordExact::new(stream))
            .await
            .map_err(|error| explain(error, address))?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates();
        let Some(leaf) = chain.and_then(|chain| chain.first()) else {
            return Err(not_a_board(address, "it shows none".to_owned()));
        };
        if session.handshake_kind() == Some(HandshakeKind::Resumed) {
            let verified = self.verifier.verify_again(leaf, UnixTime::now());
            verified.map_err(|source| refused(address, source))?;
        }
        match BoardIdentity::read(leaf) {
            Ok(board) => Ok((stream, board)),
            Err(reason) => Err(not_a_board(address, reason)),
        }
    }
}

/// Hybrid post-quantum key exchange first, then the classic one.
fn provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![
            aws_lc_rs::kx_group::X25519MLKEM768,
            aws_lc_rs::kx_group::X25519,
        ],
        ..aws_lc_rs::default_provider()
    }
}

fn not_a_board(address: &Endpoint, reason: String) -> OuterError {
    refused(address, CertificateRefusal::NotABoard { reason })
}

fn refused(address: &Endpoint, source: CertificateRefusal) -> OuterError {
    let address = address.clone();
    OuterError::Certificate { address, source }
}

/// Finds the reason that rustls and tokio have wrapped up.
fn explain(error: io::Error, address: &Endpoint) -> OuterError {
    let address = address.clone();
    let inner = error.get_ref();
    if let Some(not_tls) = inner.and_then(|inner| inner.downcast_ref::<NotTls>()) {
        let beginning = not_tls.beginning.clone();
        return OuterError::NotTls { address, beginning };
    }
    if let Some(source) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return explain_tls(source, address);
    }
    if is_cut(&error) {
        OuterError::HandshakeCut { address }
    } else {
        OuterError::Lost(error)
    }
}

fn explain_tls(error: &rustls::Error, address: Endpoint) -> OuterError {
    use rustls::Error;
    if let Error::InvalidCertificate(CertificateError::Other(other)) = error
        && let Some(refusal) = other.0.downcast_ref::<CertificateRefusal>()
    {
        return refused(&address, refusal.clone());
    }
    let old = matches!(
        error,
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
        ) | Error::AlertReceived(AlertDescription::ProtocolVersion)
    );
    if old {
        OuterError::OldTls { address }
    } else {
        let source = error.clone();
        OuterError::Tls { address, source }
    }
}
