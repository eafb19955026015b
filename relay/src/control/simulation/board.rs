//! The board under test: the real tables and tasks of control, a virtual listener in front of them
//! and a virtual data plane behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use protocol::id::HostKey;
use relay_testkit::{Deployment, Host};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::super::connection::Connection;
use super::super::session::{Forwarding, log_ends};
use super::super::shared::{Entry, Shared};
use super::super::stream::Stream;
use super::super::{Control, EndSender, Settings, arrival, session_ends};
use super::wire::{self, Peer};
use crate::data::leg::Both;
use crate::data::{EndReason, NewSession, SessionEnd};
use crate::registrar::{self, AdmitRequest, Registrar};
use crate::seeds::Random;
use crate::tls::{OuterTls, Purpose};

/// Hosts that the registrar knows.
pub(super) const HOSTS: usize = 4;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What all boards of this process share, because it costs time and nobody changes it.
pub(super) struct Fixture {
    registrar: Arc<Registrar>,
    tls: OuterTls,
    /// With their claims.
    pub(super) hosts: Vec<Host>,
    pub(super) keys: Vec<HostKey>,
}

pub(super) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let node = Deployment::new().node(YEAR);
        let now = SystemTime::now();
        let settings = registrar::Settings {
            claims_per_range: u32::MAX,
            not_before: now,
        };
        // Nothing is written once every host has its claim.
        let folder = tempfile::tempdir().expect("a folder");
        let registrar = Registrar::open(folder.path(), &node, settings, now).expect("a registrar");
        let enrol = |number: usize| {
            let number = u16::try_from(number).expect("few hosts");
            let mut host = Host::new(number, &format!("pc-{number}"));
            let request = AdmitRequest {
                host_key: host.key().public_key(),
                claim: None,
                wish: host.wish.as_ref(),
                from: [198, 51, 100, 1].into(),
                now,
            };
            let admitted = registrar.admit(&request).expect("an ID for everybody");
            host.claim = Some(admitted.claim);
            host
        };
        let hosts: Vec<Host> = (0..HOSTS).map(enrol).collect();
        Fixture {
            keys: hosts.iter().map(|host| host.key().public_key()).collect(),
            hosts,
            tls: OuterTls::new(&node.certificate, &node.key).expect("a certificate"),
            registrar: Arc::new(registrar),
        }
    })
}

/// A board.
pub(super) struct Board {
    pub(super) control: Control,
    pub(super) data: VirtualData,
    connections: Mutex<JoinSet<()>>,
}

impl Board {
    pub(super) fn start(settings: Settings, random: Random) -> Self {
        let (ended, ends) = session_ends(settings.sessions_max);
        let data = VirtualData::new(ended, random);
        let Fixture { registrar, tls, .. } = fixture();
        let (forwarding, registrar) = (Arc::new(data.clone()), Arc::clone(registrar));
        let shared = Arc::new(Shared::new(settings, tls.clone(), registrar, forwarding));
        tokio::spawn(log_ends(ends, Arc::clone(&shared)));
        Self {
            control: Control {
                shared,
                addresses: Vec::new(),
                tasks: Mutex::default(),
            },
            data,
            connections: Mutex::default(),
        }
    }

    /// A new connection whose handshake is done; `None` if the board turns it away.
    pub(super) fn accept(
        &self,
        purpose: Purpose,
        from: SocketAddr,
        host_key: Option<HostKey>,
        random: Random,
    ) -> Option<Peer> {
        let shared = &self.control.shared;
        let Entry::Enter(unproven) = shared.enter(from.ip()) else {
            return None;
        };
        let (stream, peer) = wire::connection(random);
        let connection = Connection::new(Stream::Virtual(stream), from, host_key);
        let number = unproven.number();
        let service = arrival::attend(purpose, connection, unproven, Arc::clone(shared));
        let task = lock(&self.connections).spawn(service);
        shared.attach(number, task);
        Some(peer)
    }

    /// Connections whose tasks still run. None of those that ended may have panicked.
    pub(super) fn connections(&self) -> usize {
        let mut connections = lock(&self.connections);
        while let Some(ended) = connections.try_join_next() {
            if let Err(error) = ended {
                assert!(
                    error.is_cancelled(),
                    "a connection's task panicked: {error}"
                );
            }
        }
        connections.len()
    }
}

/// Takes sessions as the data plane does, says to each socket what it is there for, and ends every
/// session once.
#[derive(Debug, Clone)]
pub(super) struct VirtualData(Arc<Mutex<Sessions>>);

#[derive(Debug)]
struct Sessions {
    random: Random,
    live: BTreeMap<u64, NewSession>,
    joined: BTreeSet<u64>,
    ended: EndSender,
}

impl VirtualData {
    fn new(ended: EndSender, random: Random) -> Self {
        Self(Arc::new(Mutex::new(Sessions {
            random,
            live: BTreeMap::new(),
            joined: BTreeSet::new(),
            ended,
        })))
    }

    /// Every session that ever came.
    pub(super) fn joined(&self) -> BTreeSet<u64> {
        lock(&self.0).joined.clone()
    }
}

impl Sessions {
    fn finish(&mut self, id: u64, reason: EndReason) {
        if self.live.remove(&id).is_some() {
            let bytes = Both::default();
            self.ended.send(SessionEnd { id, reason, bytes });
        }
    }
}

impl Forwarding for VirtualData {
    fn join(&self, session: NewSession) -> Result<(), NewSession> {
        let mut sessions = lock(&self.0);
        if sessions.random.one_in(32) {
            return Err(session);
        }
        let id = session.id;
        assert!(sessions.joined.insert(id), "a session is joined twice");
        for (fd, is_host) in [(&session.client, false), (&session.host, true)] {
            let mut socket = UnixStream::from(fd.try_clone().expect("a descriptor"));
            // An agent that has gone hears nothing.
            let _ = socket.write(&greeting(id, is_host));
        }
        sessions.live.insert(id, session);
        let life = Duration::from_millis(sessions.random.below(30_000));
        let later = Arc::clone(&self.0);
        tokio::spawn(async move {
            sleep(life).await;
            lock(&later).finish(id, EndReason::Finished);
        });
        Ok(())
    }

    fn end(&self, id: u64, reason: EndReason) -> bool {
        let mut sessions = lock(&self.0);
        let has_room = !sessions.random.one_in(8);
        if has_room {
            sessions.finish(id, reason);
        }
        has_room
    }

    fn end_all(&self, reason: EndReason) {
        let mut sessions = lock(&self.0);
        while let Some((id, _)) = sessions.live.first_key_value() {
            let id = *id;
            sessions.finish(id, reason);
        }
    }
}

/// What a leg's socket says: the session's number, and whose leg it is.
pub(super) fn greeting(session: u64, is_host: bool) -> [u8; 9] {
    let mut greeting = [u8::from(is_host); 9];
    greeting[..8].copy_from_slice(&session.to_be_bytes());
    greeting
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
