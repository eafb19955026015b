//! A board on loopback, and agents that talk to it frame by frame.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::claim::SignedClaim;
use protocol::file::node::{Lone, NodeFile, PrivateKeyPem};
use protocol::id::ComputerId;
use protocol::outer::{Connect, Frame, Invite, Join, Joined, Register, Registered};
use protocol::refusal::{Refusal, RefusalCode};
use protocol::secret::{Secret, Ticket};
use protocol::sign::SigningKey;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use protocol::version::VERSIONS;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tasuki_relay::control::{Control, Settings, session_ends};
use tasuki_relay::data::{self, DataPlane};
use tasuki_relay::registrar::{self, Registrar};
use tasuki_relay::tls::OuterTls;
use tasuki_relay::tls::record::RecordExact;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing_subscriber::EnvFilter;

/// Long enough for a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// What an operator made: the CA, the board's certificate, the registrar's key.
pub(crate) struct Deployment {
    pub(crate) node: NodeFile,
    pub(crate) roots: Arc<RootCertStore>,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        let ca_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        let ca = CertifiedIssuer::self_signed(params, ca_key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();

        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let names = vec!["board.tasuki".into(), "alpha.board.tasuki".into()];
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &ca)
            .unwrap();
        let registrar_key = Secret::new([7; 32]);
        let registrar = SigningKey::from_seed(&registrar_key).unwrap().public_key();
        let node = NodeFile {
            deployment: "test".into(),
            generation: 1,
            name: "alpha".parse().unwrap(),
            addresses: vec!["192.0.2.1:443".into()],
            certificate: certificate.pem(),
            key: PrivateKeyPem(key.serialize_pem()),
            registrar: vec![registrar],
            lone: Some(Lone {
                registrar_key,
                revoked: Vec::new(),
            }),
        };
        Self {
            node,
            roots: Arc::new(roots),
        }
    }

    /// Starts a board with an empty store.
    pub(crate) fn board(&self, change: impl FnOnce(&mut Settings)) -> Board {
        let store = tempfile::tempdir().unwrap();
        let state_dir = store.path().to_owned();
        self.board_in(state_dir, Some(store), 1_000_000, change)
    }

    /// Starts a board whose registrar keeps its store there, and hands out so many new IDs.
    pub(crate) fn board_in(
        &self,
        state_dir: PathBuf,
        store: Option<tempfile::TempDir>,
        claims_per_range: u32,
        change: impl FnOnce(&mut Settings),
    ) -> Board {
        // RUST_LOG=tasuki_relay=debug shows what the board thinks.
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env());
        // Another test of this process has done it before.
        let _ = log.with_test_writer().try_init();
        let mut settings = Settings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            descriptors: 10_000,
            ..Settings::default()
        };
        // As long as an agent needs on a machine that does other things as well.
        settings.timing.linger = PATIENCE;
        change(&mut settings);
        let (ended, ends) = session_ends(settings.sessions_max);
        let data = data::Settings {
            sessions_max: settings.sessions_max,
            ..Default::default()
        };
        let data = Arc::new(DataPlane::start(data, move |end| ended.send(end)).unwrap());
        let now = SystemTime::now();
        let registrar_settings = registrar::Settings {
            claims_per_range,
            not_before: now,
        };
        let registrar = Registrar::open(&state_dir, &self.node, registrar_settings, now).unwrap();
        let registrar = Arc::new(registrar);
        let tls = OuterTls::new(&self.node.certificate, &self.node.key).unwrap();
        let (shared_registrar, shared_data) = (Arc::clone(&registrar), Arc::clone(&data));
        let control =
            Control::start(settings, tls.clone(), shared_registrar, shared_data, ends).unwrap();
        let address = control.addresses()[0];
        let roots = Arc::clone(&self.roots);
        Board {
            control,
            data,
            registrar,
            tls,
            address,
            roots,
            _store: store,
        }
    }
}

/// A board with the settings that `change` made.
pub(crate) fn board(change: impl FnOnce(&mut Settings)) -> Board {
    Deployment::new().board(change)
}

/// A running board.
pub(crate) struct Board {
    pub(crate) control: Control,
    pub(crate) data: Arc<DataPlane>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) tls: OuterTls,
    pub(crate) address: SocketAddr,
    pub(crate) roots: Arc<RootCertStore>,
    _store: Option<tempfile::TempDir>,
}

impl Board {
    /// A client's leg, before its first frame.
    pub(crate) async fn leg(&self) -> Agent {
        self.dial(protocol::ALPN_LEG, None).await.unwrap()
    }

    /// A host's link, before its first frame.
    pub(crate) async fn link(&self, host: &Host) -> Agent {
        self.dial(protocol::ALPN_LINK, Some(host)).await.unwrap()
    }

    /// A host's link that is registered.
    pub(crate) async fn registered(&self, host: &Host) -> (Agent, Registered) {
        let mut link = self.link(host).await;
        link.send(host.register(1)).await;
        let registered = link.registered().await;
        (link, registered)
    }

    pub(crate) async fn dial(&self, alpn: &[u8], host: Option<&Host>) -> std::io::Result<Agent> {
        self.dial_with(self.tls_client(alpn, host)).await
    }

    pub(crate) async fn dial_with(&self, config: Arc<ClientConfig>) -> std::io::Result<Agent> {
        let socket = soon("a connection", TcpStream::connect(self.address)).await?;
        socket.set_nodelay(true)?;
        let name = "board.tasuki".try_into().unwrap();
        let handshake = TlsConnector::from(config).connect(name, RecordExact::new(socket));
        let mut stream = soon("a handshake", handshake).await?;
        stream.get_mut().0.expect_frames();
        Ok(Agent(stream))
    }

    pub(crate) fn tls_client(&self, alpn: &[u8], host: Option<&Host>) -> Arc<ClientConfig> {
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

/// An agent's end of a connection to the board.
pub(crate) struct Agent(pub(crate) TlsStream<RecordExact<TcpStream>>);

impl Agent {
    pub(crate) async fn send(&mut self, frame: impl Into<Frame>) {
        self.send_bytes(&frame.into().encode().unwrap()).await;
    }

    /// Sends these bytes as one TLS record.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Sends bytes that are none of the outer TLS, as a tunnel does behind `Connect`.
    pub(crate) async fn pipeline(&mut self, bytes: &[u8]) {
        let (records, _) = self.0.get_mut();
        records.write_all(bytes).await.unwrap();
    }

    /// Sends a frame and what belongs to the tunnel behind it in one piece, so that the board
    /// finds both together.
    pub(crate) async fn send_ahead(&mut self, frame: impl Into<Frame>, ahead: &[u8]) {
        let (records, tls) = self.0.get_mut();
        tls.writer()
            .write_all(&frame.into().encode().unwrap())
            .unwrap();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).unwrap();
        bytes.extend(ahead);
        records.write_all(&bytes).await.unwrap();
    }

    /// The next frame, and no byte behind it; `None` when the board has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let bytes = soon("a frame", self.0.fill_buf()).await.ok()?;
        let (frame, taken) = (Frame::decode(bytes), bytes.len());
        self.0.consume(taken);
        (taken > 0).then(|| frame.unwrap())
    }

    /// The next frame that is no part of a board list.
    pub(crate) async fn answer(&mut self) -> Option<Frame> {
        loop {
            match self.next().await {
                Some(Frame::BoardListPart(_)) => {}
                other => return other,
            }
        }
    }

    pub(crate) async fn registered(&mut self) -> Registered {
        match self.answer().await {
            Some(Frame::Registered(registered)) => registered,
            other => panic!("expected Registered, got {other:?}"),
        }
    }

    pub(crate) async fn invite(&mut self) -> Invite {
        match self.answer().await {
            Some(Frame::Invite(invite)) => invite,
            other => panic!("expected Invite, got {other:?}"),
        }
    }

    pub(crate) async fn joined(&mut self) -> Joined {
        match self.answer().await {
            Some(Frame::Joined(joined)) => joined,
            other => panic!("expected Joined, got {other:?}"),
        }
    }

    /// The refusal that comes next, and after it an orderly end: no reset may follow, since it
    /// could destroy the refusal before the agent has read it.
    pub(crate) async fn refusal(mut self) -> Refusal {
        let refusal = match self.answer().await {
            Some(Frame::Refused(refusal)) => refusal,
            other => panic!("expected Refused, got {other:?}"),
        };
        assert_eq!(
            self.0.read(&mut [0]).await.unwrap(),
            0,
            "TLS ends in good form"
        );
        let mut socket = self.0.into_inner().0.into_inner().unwrap();
        let end = soon("the end", socket.read(&mut [0])).await;
        assert_eq!(end.unwrap(), 0);
        // Linux reads to the FIN in spite of a reset behind it; other systems may not.
        let pending = socket.take_error().unwrap();
        assert!(pending.is_none(), "a reset after the refusal: {pending:?}");
        let still_heard = socket.write_all(&[0]).await;
        assert!(still_heard.is_ok(), "a reset after the refusal");
        refusal
    }

    pub(crate) async fn refused(self) -> RefusalCode {
        self.refusal().await.code
    }

    /// The bare socket, once both sides have spoken their last record.
    pub(crate) fn into_raw(self) -> TcpStream {
        self.0.into_inner().0.into_inner().expect("between records")
    }
}

/// A host: its key, and the process that speaks for it.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) seed: [u8; 32],
    pub(crate) nonce: [u8; 16],
    pub(crate) wish: Option<ComputerId>,
    pub(crate) claim: Option<SignedClaim>,
    pub(crate) slot_key: Secret<32>,
}

impl Host {
    /// A host with a key of its own that wants this ID.
    pub(crate) fn new(number: u16, wish: &str) -> Self {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        Self {
            seed,
            nonce: [1; 16],
            wish: Some(wish.parse().unwrap()),
            claim: None,
            slot_key: Secret::new(seed),
        }
    }

    /// The same machine's disk in another machine.
    pub(crate) fn cloned(&self) -> Self {
        Self {
            nonce: [2; 16],
            ..self.clone()
        }
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::from_seed(&Secret::new(self.seed)).unwrap()
    }

    pub(crate) fn register(&self, epoch: u64) -> Register {
        Register {
            versions: VERSIONS,
            software: Text::lossy("test"),
            capabilities: 0,
            nonce: self.nonce,
            epoch,
            epoch_signature: self.key().sign_epoch(self.nonce, epoch),
            slot_key: self.slot_key.clone(),
            board_list_serial: u64::MAX,
            claim: self.claim.clone(),
            wish: self.wish.clone(),
        }
    }

    /// A tag that the board believes.
    pub(crate) fn tag(&self, name: u8) -> ReturnTag {
        ReturnTag::new([name; 8], &self.slot_key, &Secret::new([0; 32]))
    }

    fn identity(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        // PKCS #8 of an Ed25519 seed (RFC 8410, section 7).
        let mut pkcs8 = vec![
            0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
        ];
        pkcs8.extend([0x04, 0x20]);
        pkcs8.extend(self.seed);
        let key = PrivateKeyDer::try_from(pkcs8).unwrap();
        let pair = KeyPair::from_der_and_sign_algo(&key, &PKCS_ED25519).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        (certificate.into(), key)
    }
}

pub(crate) fn connect(id: &str) -> Connect {
    Connect {
        versions: VERSIONS,
        software: Text::lossy("test"),
        capabilities: 0,
        board_list_serial: u64::MAX,
        computer_id: id.parse().unwrap(),
        tag: None,
    }
}

pub(crate) fn join(ticket: &Ticket) -> Join {
    Join {
        versions: VERSIONS,
        ticket: ticket.clone(),
    }
}

/// A session of this host: the sockets of client and host.
pub(crate) async fn session(
    board: &Board,
    host: &Host,
    link: &mut Agent,
    id: &str,
) -> (TcpStream, TcpStream) {
    let mut client = board.leg().await;
    client.send(connect(id)).await;
    let invite = link.invite().await;
    let mut leg = board.dial(protocol::ALPN_LEG, Some(host)).await.unwrap();
    leg.send(join(&invite.ticket)).await;
    let (at_client, at_host) = tokio::join!(client.joined(), leg.joined());
    assert_eq!(at_client.session, at_host.session);
    (client.into_raw(), leg.into_raw())
}
