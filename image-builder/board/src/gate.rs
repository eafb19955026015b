//! The health gate: a new slot is good once the relay serves and shakes hands with itself through
//! its own port, for a minute without a break. Else the board reboots, and the old one comes back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use protocol::ALPN_LEG;
use protocol::file::node::NodeFile;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};
use tasuki_relay::admin::client;
use tasuki_relay::admin::status::Phase;

/// How long a board has to be healthy without a break.
pub const HOLD: Duration = Duration::from_secs(60);
/// A board that is not healthy by then never will be: the relay starts within seconds.
pub const GIVE_UP: Duration = Duration::from_secs(300);
/// Between two looks.
pub const INTERVAL: Duration = Duration::from_secs(2);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Wait,
    Good,
    GiveUp,
}

/// How long the board has been healthy.
#[derive(Debug, Default)]
pub struct Hold {
    since: Option<Duration>,
}

impl Hold {
    /// Takes one look into account; `at` counts from the start of the gate.
    pub fn observe(&mut self, at: Duration, healthy: bool) -> Verdict {
        if !healthy {
            self.since = None;
            return if at >= GIVE_UP {
                Verdict::GiveUp
            } else {
                Verdict::Wait
            };
        }
        let since = *self.since.get_or_insert(at);
        if at.saturating_sub(since) >= HOLD {
            Verdict::Good
        } else {
            Verdict::Wait
        }
    }
}

/// Looks once: the relay says that it serves, and its port belongs to this board.
///
/// # Errors
/// What is missing, in words for `status`.
pub fn look(control_socket: &Path, node_file: &Path) -> Result<()> {
    let status = client::status(control_socket)?;
    match status.phase {
        Phase::Serving | Phase::Draining => {}
        Phase::Starting | Phase::Stopping => bail!("the relay does not serve yet"),
    }
    let listening = status.listen.first().context("the relay listens nowhere")?;
    let text = std::fs::read_to_string(node_file).context("cannot read the node file")?;
    let node = NodeFile::parse(&text).context("the node file is wrong")?;
    shake_hands(reachable(*listening), &node).context("no handshake through the relay's own port")
}

/// Where a listening address answers on this machine.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// A TLS handshake with the relay, which must show this board's certificate. Dates do not count:
/// the clock of a board may be wrong.
fn shake_hands(address: SocketAddr, node: &NodeFile) -> Result<()> {
    let certificate = CertificateDer::from_pem_slice(node.certificate.as_bytes())
        .map_err(|error| anyhow!("the node file's certificate is not PEM: {error}"))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = OwnCertificate {
        certificate,
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_LEG.to_vec()];
    let name = ServerName::try_from(node.name.dns_name())?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = TcpStream::connect_timeout(&address, HANDSHAKE_TIMEOUT)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    stream.set_write_timeout(Some(HANDSHAKE_TIMEOUT))?;
    while connection.is_handshaking() {
        if let (0, 0) = connection.complete_io(&mut stream)? {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(())
}

/// Accepts one certificate, whose key the other end must have.
#[derive(Debug)]
struct OwnCertificate {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OwnCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn health_has_to_last_a_minute_without_a_break() {
        let mut hold = Hold::default();
        assert_eq!(hold.observe(10 * SECOND, true), Verdict::Wait);
        assert_eq!(hold.observe(69 * SECOND, true), Verdict::Wait);
        assert_eq!(hold.observe(70 * SECOND, true), Verdict::Good);

        let mut broken = Hold::default();
        assert_eq!(broken.observe(10 * SECOND, true), Verdict::Wait);
        assert_eq!(broken.observe(40 * SECOND, false), Verdict::Wait);
        assert_eq!(broken.observe(72 * SECOND, true), Verdict::Wait);
        assert_eq!(broken.observe(131 * SECOND, true), Verdict::Wait);
        assert_eq!(broken.observe(132 * SECOND, true), Verdict::Good);
    }

    #[test]
    fn an_unhealthy_board_is_given_up_but_not_while_it_recovers() {
        let mut hold = Hold::default();
        assert_eq!(hold.observe(299 * SECOND, false), Verdict::Wait);
        assert_eq!(hold.observe(300 * SECOND, true), Verdict::Wait);
        assert_eq!(hold.observe(302 * SECOND, false), Verdict::GiveUp);
    }
}
