//! Everything of one run: the board, what the agents saw, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use protocol::id::HostKey;
use protocol::outer::Invite;
use relay_testkit::Host;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::board::{Board, HOSTS, fixture, greeting, lock};
use super::wire::Peer;
use crate::config::Bar;
use crate::control::Settings;
use crate::limits;
use crate::seeds::Random;
use crate::tls::Purpose;

/// After this long nothing is left of agents that have gone, announced or not.
const QUIET: Duration = Duration::from_secs(180);

pub(super) struct World {
    board: Board,
    agents: Mutex<JoinSet<()>>,
    seen: Mutex<Seen>,
    began: Instant,
}

/// When, who and what.
pub(super) type Event = (Duration, usize, &'static str);

/// What the agents saw.
#[derive(Default)]
pub(super) struct Seen {
    /// Host, nonce and epoch of every registration that was sent.
    pub(super) registers: Vec<(usize, [u8; 16], u64)>,
    /// Clients that have called and not left, or left without a word.
    calls: usize,
    legs: Vec<(u64, Side, Peer)>,
    stopped: bool,
    trace: Vec<Event>,
}

/// Who got `Joined`.
pub(super) enum Side {
    Client(SocketAddr, String),
    Host(usize, Invite),
}

impl World {
    pub(super) fn new(settings: Settings, random: Random) -> Arc<Self> {
        Arc::new(Self {
            board: Board::start(settings, random),
            agents: Mutex::default(),
            seen: Mutex::default(),
            began: Instant::now(),
        })
    }

    pub(super) fn hosts(&self) -> &'static [Host] {
        &fixture().hosts
    }

    pub(super) fn key(&self, number: usize) -> HostKey {
        fixture().keys[number]
    }

    pub(super) fn accept(
        &self,
        purpose: Purpose,
        from: SocketAddr,
        host_key: Option<HostKey>,
        mut random: Random,
    ) -> Option<Peer> {
        let random = Random::new(random.number());
        self.board.accept(purpose, from, host_key, random)
    }

    pub(super) fn spawn(&self, agent: impl Future<Output = ()> + Send + 'static) {
        lock(&self.agents).spawn(agent);
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Takes note of an event, for the comparison of two runs.
    pub(super) fn note(&self, who: usize, what: &'static str) {
        let at = self.began.elapsed();
        self.seen().trace.push((at, who, what));
    }

    /// What happened. The order within one instant does not count: tokio's watch channels wake
    /// their receivers in an order of their own.
    pub(super) fn trace(&self) -> Vec<Event> {
        let mut trace = std::mem::take(&mut self.seen().trace);
        trace.sort_unstable();
        trace
    }

    pub(super) fn joined(&self, session: u64, side: Side, peer: Peer) {
        self.seen().legs.push((session, side, peer));
    }

    pub(super) fn calls(&self) {
        self.seen().calls += 1;
    }

    /// The client has hung up, and the board has had a moment to notice.
    pub(super) async fn has_left(&self) {
        sleep(seconds(1)).await;
        self.seen().calls -= 1;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.seen().stopped
    }

    pub(super) async fn bar(&self, bars: Vec<Bar>) {
        self.board.control.bar(bars).await;
    }

    /// Drains, and waits for the end of it.
    pub(super) async fn drain(&self, deadline: Duration) {
        self.board.control.drain(deadline);
        let began = Instant::now();
        self.board.control.drained().await;
        assert!(
            began.elapsed() <= deadline + limits::DRAIN_POLL,
            "drained too late"
        );
    }

    pub(super) fn stop(&self) {
        self.seen().stopped = true;
        self.board.control.shared.stop.send_replace(true);
    }

    /// Looks after every tenth of a second, and after the last agent has gone: then nothing may be
    /// left.
    pub(super) async fn finish(&self) {
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            sleep(Duration::from_millis(100)).await;
            self.check();
            let mut agents = lock(&self.agents);
            while let Some(ended) = agents.try_join_next() {
                ended.expect("an agent found what must not be");
            }
            if !agents.is_empty() {
                quiet_since = Instant::now();
            }
        }
        let status = self.board.control.status();
        let left = (
            status.unproven,
            status.links,
            status.parked,
            status.sessions,
        );
        assert_eq!(left, (0, 0, 0, 0), "unproven, links, parked, sessions");
        assert_eq!(self.board.connections(), 0, "connections that nobody ends");
        let permits = self.board.control.shared.registrations.available_permits();
        assert_eq!(permits, limits::REGISTRATIONS_AT_ONCE);
        self.check_sessions();
    }

    fn check(&self) {
        let shared = &self.board.control.shared;
        let connections = self.board.connections();
        let status = self.board.control.status();
        assert!(status.links <= HOSTS, "a host key twice");
        assert!(status.unproven + status.parked + status.links <= connections);
        assert!(status.sessions <= shared.settings.sessions_max);
        for (host, key) in fixture().hosts.iter().zip(&fixture().keys) {
            let id = host.wish.as_ref().expect("an ID");
            if let Some(present) = shared.presence.find(id) {
                assert_eq!(present.host_key, *key, "another host's ID");
            }
        }
        assert!(
            status.parked <= self.seen().calls,
            "a client that has left holds a place"
        );
    }

    /// Each session joined one client and the host that it had called, with one ticket.
    fn check_sessions(&self) {
        let joined = self.board.data.joined();
        let (mut clients, mut hosts) = (BTreeMap::new(), BTreeMap::new());
        let mut tickets = BTreeSet::new();
        for (session, side, peer) in std::mem::take(&mut self.seen().legs) {
            let is_host = matches!(side, Side::Host(..));
            if let Some(mut socket) = peer.handed() {
                let mut said = Vec::new();
                socket.read_to_end(&mut said).expect("a closed socket");
                let expected: &[u8] = &greeting(session, is_host);
                assert!(
                    said == expected || !joined.contains(&session),
                    "the wrong socket"
                );
            } else {
                assert!(!joined.contains(&session), "a leg that was not handed over");
            }
            match side {
                Side::Client(from, id) => {
                    assert!(clients.insert(session, (from, id)).is_none(), "two clients");
                }
                Side::Host(number, invite) => {
                    assert!(
                        tickets.insert(invite.ticket.expose().to_vec()),
                        "a ticket twice"
                    );
                    let host = (invite.client, format!("pc-{number}"));
                    assert!(hosts.insert(session, host).is_none(), "two hosts");
                }
            }
        }
        for (session, client) in &clients {
            if let Some(host) = hosts.get(session) {
                assert_eq!(client, host, "strangers were joined");
            }
        }
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
