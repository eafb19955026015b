//! A board to dial.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{IpBindAddressNoPort, TcpMaxSeg};
use protocol::outer::Registered;
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tasuki_relay::tls::record::RecordExact;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::agent::Agent;
use crate::host::{Host, connect, join};
use crate::wait::soon;

/// Where a board listens, who vouches for it, and where its callers come from.
#[derive(Clone)]
pub struct Place {
    pub address: SocketAddr,
    pub roots: Arc<RootCertStore>,
    /// The address that callers bind; without it the system chooses.
    pub source: Option<IpAddr>,
    /// The longest segment; without it as long as the interface allows.
    pub segment: Option<u32>,
}

impl Place {
    /// A board at this address.
    pub fn new(address: SocketAddr, roots: Arc<RootCertStore>) -> Self {
        Self {
            address,
            roots,
            source: None,
            segment: None,
        }
    }

    /// The same board, called from `source`.
    #[must_use]
    pub fn from(&self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self.clone()
        }
    }

    /// The same board, called with segments as long as on Ethernet. Loopback's are 64 KiB, and a
    /// sender waits for a timer before it sends less than one into a window that is smaller.
    #[must_use]
    pub fn like_ethernet(&self) -> Self {
        Self {
            segment: Some(1_448),
            ..self.clone()
        }
    }

    /// A connection, before its first byte.
    ///
    /// # Errors
    /// The board or its kernel does not want it.
    pub async fn tcp(&self) -> io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(segment) = self.segment {
            setsockopt(&socket, TcpMaxSeg, &segment)?;
        }
        if let Some(source) = self.source {
            // The port is chosen at the connect, so that many of them find one.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = soon("a connection", socket.connect(self.address)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A client's leg, before its first frame.
    pub async fn leg(&self) -> Agent {
        self.dial(protocol::ALPN_LEG, None).await.unwrap()
    }

    /// A host's link, before its first frame.
    pub async fn link(&self, host: &Host) -> Agent {
        self.dial(protocol::ALPN_LINK, Some(host)).await.unwrap()
    }

    /// A host's link that is registered.
    pub async fn registered(&self, host: &Host) -> (Agent, Registered) {
        let mut link = self.link(host).await;
        link.send(host.register(1)).await;
        let registered = link.registered().await;
        (link, registered)
    }

    /// A TLS connection for this protocol, as this host or as nobody.
    ///
    /// # Errors
    /// The board does not want it.
    pub async fn dial(&self, alpn: &[u8], host: Option<&Host>) -> io::Result<Agent> {
        self.dial_with(self.tls_client(alpn, host)).await
    }

    /// A TLS connection with a configuration of the caller's.
    ///
    /// # Errors
    /// The board does not want it.
    pub async fn dial_with(&self, config: Arc<ClientConfig>) -> io::Result<Agent> {
        shake_hands(self.tcp().await?, config).await
    }

    /// What an agent's TLS is set to.
    pub fn tls_client(&self, alpn: &[u8], host: Option<&Host>) -> Arc<ClientConfig> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .kx_groups
            .sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match host {
            None => builder.with_no_client_auth(),
            Some(host) => {
                let (certificate, key) = host.identity();
                builder
                    .with_client_auth_cert(vec![certificate], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }
}

/// TLS on a connection that is there already.
///
/// # Errors
/// The board does not want it.
pub async fn shake_hands(socket: TcpStream, config: Arc<ClientConfig>) -> io::Result<Agent> {
    let name = "board.tasuki".try_into().unwrap();
    let handshake = TlsConnector::from(config).connect(name, RecordExact::new(socket));
    let mut stream = soon("a handshake", handshake).await?;
    stream.get_mut().0.expect_frames();
    Ok(Agent(stream))
}

/// A session of this host: the sockets of client and host.
pub async fn session(
    place: &Place,
    host: &Host,
    link: &mut Agent,
    id: &str,
) -> (TcpStream, TcpStream) {
    let mut client = place.leg().await;
    client.send(connect(id)).await;
    let invite = link.invite().await;
    let mut leg = place.dial(protocol::ALPN_LEG, Some(host)).await.unwrap();
    leg.send(join(&invite.ticket)).await;
    let (at_client, at_host) = tokio::join!(client.joined(), leg.joined());
    assert_eq!(at_client.session, at_host.session);
    (client.into_raw(), leg.into_raw())
}
