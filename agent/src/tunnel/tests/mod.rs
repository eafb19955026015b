//! Both ends of a tunnel in one process, and those who would spoil it.

mod handshake;
mod hostile;
mod middle;
mod streams;
mod throughput;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use protocol::id::{ComputerId, HostKey};
use protocol::refusal::Refusal;
use protocol::secret::Secret;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use zeroize::Zeroizing;

use super::client::{Admitted, Credentials, connect};
use super::host::{Attempt, Caller, Gate, HostSide, accept};
use super::mux::Role;
use super::password::PasswordRecord;
use super::{Tunnel, TunnelError, tls};

const PASSWORD: &str = "Correct-horse-1";

/// A host's end with its own key.
struct Host {
    side: HostSide,
    key: HostKey,
    caller: Caller,
    gate: CountingGate,
}

impl Host {
    fn new() -> Self {
        let (tls, key) = identity();
        let side = HostSide {
            tls,
            computer_id: "office-pc".parse().unwrap(),
            slot_key: Secret::new([1; 32]),
            tag_key: Secret::new([2; 32]),
            message: Text::lossy("Change your password by Friday."),
        };
        let caller = Caller {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tag: None,
        };
        let gate = CountingGate::default();
        Self {
            side,
            key,
            caller,
            gate,
        }
    }

    async fn accept(&self, io: DuplexStream) -> Result<Tunnel, TunnelError> {
        accept(io, &self.side, &self.caller, &self.gate).await
    }

    /// Lets a client in, or not, over a pipe in memory.
    async fn meet(&self, credentials: &Credentials) -> (ClientResult, HostResult) {
        let (near, far) = duplex(64 * 1024);
        tokio::join!(connect(near, credentials), self.accept(far))
    }

    fn tag(&self, id: u8) -> ReturnTag {
        ReturnTag::new([id; 8], &self.side.slot_key, &self.side.tag_key)
    }
}

type ClientResult = Result<(Tunnel, Admitted), TunnelError>;
type HostResult = Result<Tunnel, TunnelError>;

/// Admits everybody, or refuses everybody, and counts.
#[derive(Default)]
struct CountingGate {
    refusal: Option<Refusal>,
    admitted: AtomicUsize,
    refunded: AtomicUsize,
    attempt: OnceLock<Attempt>,
}

impl Gate for CountingGate {
    fn admit(&self, attempt: &Attempt) -> Result<Arc<PasswordRecord>, Box<Refusal>> {
        let _ = self.attempt.set(attempt.clone());
        if let Some(refusal) = &self.refusal {
            return Err(Box::new(refusal.clone()));
        }
        self.admitted.fetch_add(1, Ordering::Relaxed);
        Ok(record())
    }

    fn refund(&self, _attempt: &Attempt) {
        self.refunded.fetch_add(1, Ordering::Relaxed);
    }
}

impl CountingGate {
    fn counts(&self) -> (usize, usize) {
        let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (load(&self.admitted), load(&self.refunded))
    }
}

/// The record of [`PASSWORD`], made once.
fn record() -> Arc<PasswordRecord> {
    static RECORD: OnceLock<Arc<PasswordRecord>> = OnceLock::new();
    Arc::clone(RECORD.get_or_init(|| Arc::new(PasswordRecord::register(PASSWORD).unwrap())))
}

fn credentials(password: &str) -> Credentials {
    Credentials {
        computer_id: "office-pc".parse::<ComputerId>().unwrap(),
        user: Text::default(),
        password: Zeroizing::new(password.to_owned()),
        pin: None,
    }
}

/// A new host key and the TLS that shows it.
fn identity() -> (Arc<ServerConfig>, HostKey) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(vec!["host.tasuki".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let host_key = tls::host_key(certificate.der()).unwrap();
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = tls::server_config(certificate.der().clone(), private).unwrap();
    (config, host_key)
}

/// TLS at both ends of a connection, as the tunnel would have it.
async fn tls_pair<IO>(near: IO, far: IO) -> (TlsStream<IO>, TlsStream<IO>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let connector = TlsConnector::from(tls::client_config().unwrap());
    let acceptor = TlsAcceptor::from(identity().0);
    let name = ServerName::try_from("host.tasuki").unwrap();
    let (client, host) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    (
        TlsStream::Client(client.unwrap()),
        TlsStream::Server(host.unwrap()),
    )
}

/// Two ends of a tunnel whose password check is taken for done.
async fn tunnels<IO>(near: IO, far: IO) -> (Tunnel, Tunnel)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, host) = tls_pair(near, far).await;
    (
        Tunnel::start(client, Role::Client),
        Tunnel::start(host, Role::Host),
    )
}
