//! A deployment and its boards, as far as an agent can tell.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::ALPN_LINK;
use protocol::file::entry::Entry;
use protocol::outer::Frame;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519, SerialNumber,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Proxy;
use crate::outer::record::RecordExact;
use crate::outer::{Boards, Options, Outer};

/// A certificate authority.
pub(super) struct Ca {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(super) fn new(common_name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("is made");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("signs").pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }
}

/// What stands in a board's certificate.
pub(super) struct Certificate {
    pub(super) names: Vec<String>,
    pub(super) serial: Vec<u8>,
    /// First and last year.
    pub(super) years: (i32, i32),
}

impl Certificate {
    /// A good one.
    pub(super) fn of(board: &str) -> Self {
        Self {
            names: vec!["board.tasuki".into(), format!("{board}.board.tasuki")],
            serial: vec![0x9a, 0x01],
            years: (2000, 2090),
        }
    }
}

/// A board that listens.
pub(super) struct Board {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

/// A board's end of an agent's connection.
pub(super) type BoardStream = TlsStream<RecordExact<TcpStream>>;

impl Board {
    pub(super) async fn start(ca: &Ca, certificate: Certificate) -> Self {
        Self::listen(ca, certificate, 0).await
    }

    /// One whose agents may resume what they had.
    pub(super) async fn start_with_tickets(ca: &Ca, certificate: Certificate) -> Self {
        Self::listen(ca, certificate, 1).await
    }

    async fn listen(ca: &Ca, certificate: Certificate, tickets: usize) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("is made");
        let mut params = CertificateParams::new(certificate.names).expect("are names");
        params.serial_number = Some(SerialNumber::from_slice(&certificate.serial));
        params.not_before = date_time_ymd(certificate.years.0, 1, 1);
        params.not_after = date_time_ymd(certificate.years.1, 1, 1);
        let signed = params.signed_by(&key, &ca.issuer).expect("signs");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .expect("speaks TLS 1.3")
                .with_client_cert_verifier(Arc::new(AnyHost))
                .with_single_cert(vec![signed.der().clone()], key.into())
                .expect("takes the key");
        config.alpn_protocols = vec![ALPN_LINK.to_vec(), protocol::ALPN_LEG.to_vec()];
        config.send_tls13_tickets = tickets;
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.expect("binds"),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("is bound")
    }

    /// The next agent, once it has shaken hands.
    pub(super) async fn accept(&self) -> BoardStream {
        let (stream, _) = self.listener.accept().await.expect("accepts");
        // What is written has arrived when the call returns; otherwise it waits for an
        // acknowledgement, and tests of what comes together prove nothing.
        stream.set_nodelay(true).expect("is set");
        let accepted = self.acceptor.accept(RecordExact::new(stream)).await;
        accepted.expect("the agent likes this board")
    }

    /// The next agent, who is expected to end the handshake.
    pub(super) async fn accept_in_vain(&self) {
        let (stream, _) = self.listener.accept().await.expect("accepts");
        let accepted = self.acceptor.accept(RecordExact::new(stream)).await;
        // In TLS 1.3 the server may be content before the client has looked.
        if let Ok(mut stream) = accepted {
            assert_ne!(
                stream.read(&mut [0]).await.ok(),
                Some(1),
                "the agent goes on"
            );
        }
    }
}

/// Sends a frame as one record.
pub(super) async fn send(stream: &mut BoardStream, frame: impl Into<Frame>) {
    let bytes = frame.into().encode().expect("fits");
    stream.write_all(&bytes).await.expect("writes");
    stream.flush().await.expect("writes");
}

/// Receives what one record holds.
pub(super) async fn receive(stream: &mut BoardStream) -> Frame {
    let record = stream.fill_buf().await.expect("reads");
    let (frame, length) = (Frame::decode(record), record.len());
    stream.consume(length);
    frame.expect("one record is one frame")
}

/// The key of registrar and deployment.
pub(super) fn registrar() -> SigningKey {
    SigningKey::from_seed(&Secret::new([5; 32])).expect("is a seed")
}

/// An entry file's content.
pub(super) fn entry(cas: &[&Ca], addresses: &[SocketAddr]) -> Entry {
    Entry {
        name: "test".into(),
        generation: 1,
        addresses: addresses.iter().map(SocketAddr::to_string).collect(),
        update: None,
        ca: cas.iter().map(|ca| ca.pem.clone()).collect(),
        registrar: vec![registrar().public_key()],
        deployment_key: registrar().public_key(),
    }
}

/// What a client without proxy and memory has.
pub(super) fn options() -> Options {
    Options {
        proxy: Proxy::None,
        user_agent: "tasuki/test".into(),
        identity: None,
        boards: Boards::forgetful(vec![registrar().public_key()]),
    }
}

/// An agent that knows one CA and one address.
pub(super) fn agent(ca: &Ca, address: SocketAddr) -> Outer {
    Outer::new(&entry(&[ca], &[address]), options()).expect("is prepared")
}

/// Lets every host and every client in.
#[derive(Debug)]
struct AnyHost;

impl ClientCertVerifier for AnyHost {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}
