//! CONTROL PLANE: who may meet whom.
//!
//! Accepts connections, shakes hands, holds the hosts' links, brings a client's leg and a host's
//! leg together and hands the two sockets to the data plane. May be slow; every queue and every
//! wait in it is bounded by [`crate::limits`]. Must never touch a byte of a tunnel.
//! Read next: `listener`, then `arrival` (what a connection turns out to be), `link` and `leg`.

mod admission;
mod arrival;
mod board_list;
mod connection;
mod counters;
mod gate;
mod invite;
mod leg;
mod link;
mod listener;
mod lobby;
mod presence;
mod refusal;
mod register;
mod session;
mod shared;
#[cfg(test)]
mod simulation;
mod stream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::config::Bar;
use crate::data::{DataPlane, EndReason};
use crate::limits;
use crate::registrar::Registrar;
use crate::sys::memory::Memory;
use crate::tls::OuterTls;

pub use counters::{Counters, HandshakeFailure, LinkEnd, TurnedAway};
pub use gate::Shortage;
pub use session::{EndReceiver, EndSender, session_ends};
use shared::{Drain, Shared};

/// What the control plane is told by the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub bars: Vec<Bar>,
    /// The same number that the data plane was given.
    pub sessions_max: usize,
    /// Hosts linked at a time.
    pub links_max: usize,
    pub parked_max: usize,
    pub unproven_per_address: usize,
    /// Whole seconds.
    pub ping_interval: Duration,
    /// Where it is told how much is left.
    pub memory: Arc<Memory>,
    pub timing: Timing,
    /// Failed look-ups from one address: how many a second, and how many at once.
    pub failed_lookups: (u32, u32),
}

/// Those of the settings that may change while control runs.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub links_max: usize,
    pub parked_max: usize,
    pub unproven_per_address: usize,
    /// For links that begin from now on. Whole seconds.
    pub ping_interval: Duration,
}

/// How long control waits for whom; tests shorten it.
#[derive(Debug, Clone)]
pub struct Timing {
    pub handshake: Duration,
    pub first_frame: Duration,
    pub probe: Duration,
    pub park_untagged: Duration,
    pub park_tagged: Duration,
    pub linger: Duration,
}

/// The running control plane.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What an operator sees of the control plane.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Connections that have proven nothing yet.
    pub unproven: usize,
    /// Hosts linked now.
    pub links: usize,
    /// Clients that wait for their host now.
    pub parked: usize,
    pub sessions: usize,
    /// Seconds until the sessions that are left are ended, while draining.
    pub drain_rest_s: Option<u64>,
    /// What new connections are short of, if anything.
    #[serde(skip)]
    pub shortage: Option<Shortage>,
    pub accepted: u64,
    pub refused: u64,
    pub handshakes_failed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bars: Vec::new(),
            sessions_max: limits::SESSIONS_MAX,
            links_max: limits::HOSTS_MAX,
            parked_max: limits::PARKED_LEGS_MAX,
            unproven_per_address: limits::UNPROVEN_PER_ADDRESS,
            ping_interval: limits::PING_INTERVAL,
            memory: Arc::default(),
            timing: Timing::default(),
            failed_lookups: limits::FAILED_LOOKUPS,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: limits::HANDSHAKE_DEADLINE,
            first_frame: limits::FIRST_FRAME_DEADLINE,
            probe: limits::PROBE_DEADLINE,
            park_untagged: limits::PARK_UNTAGGED,
            park_tagged: limits::PARK_TAGGED,
            linger: limits::LINGER_DEADLINE,
        }
    }
}

impl Control {
    /// Begins to accept on `listeners`, which do not block. Runs on the present tokio runtime.
    ///
    /// `ends` is the other half of the sender that the data plane calls ([`session_ends`]).
    ///
    /// # Errors
    /// The runtime does not take a listener.
    pub fn start(
        settings: Settings,
        listeners: Vec<std::net::TcpListener>,
        tls: OuterTls,
        registrar: Arc<Registrar>,
        data: Arc<DataPlane>,
        ends: EndReceiver,
    ) -> io::Result<Self> {
        let listeners = listeners
            .into_iter()
            .map(tokio::net::TcpListener::from_std)
            .collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners
            .iter()
            .map(tokio::net::TcpListener::local_addr)
            .collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared::new(settings, tls, registrar, data));
        // Not among the tasks: it ends with the data plane, which outlives control.
        tokio::spawn(session::log_ends(ends, Arc::clone(&shared)));
        let tasks = vec![
            tokio::spawn(listener::run(listeners, Arc::clone(&shared))),
            tokio::spawn(board_list::watch(Arc::clone(&shared))),
        ];
        Ok(Self {
            shared,
            addresses,
            tasks: Mutex::new(tasks),
        })
    }

    /// Where the listeners are bound, in the order of the settings.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Counters for metrics.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let now = Instant::now();
        let drain = *self.shared.drain.borrow();
        Status {
            unproven: self.shared.unproven(),
            links: self.shared.presence.len(),
            parked: self.shared.invites().parked(),
            sessions: self.shared.sessions.len(),
            drain_rest_s: drain.map(|drain| drain.rest(now).as_secs()),
            shortage: self.shared.counters.shortage(),
            accepted: self.shared.counters.accepted(),
            refused: self.shared.counters.refused_total(),
            handshakes_failed: self.shared.counters.handshakes_failed_total(),
        }
    }

    /// Takes no new hosts and sessions, tells linked hosts to move, and ends what is left of the
    /// sessions after `deadline`. Returns at once; a second call changes the deadline.
    pub fn drain(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        tracing::info!(deadline_s = deadline.as_secs(), "Draining");
        self.shared.drain.send_replace(Some(Drain { until }));
    }

    /// Waits until a drain has begun, no session is left or its deadline has passed, and ends
    /// what is left.
    pub async fn drained(&self) {
        let mut drain = self.shared.drain.subscribe();
        loop {
            let until = drain.borrow_and_update().map(|drain| drain.until);
            let Some(until) = until else {
                // Control itself holds the sender.
                let _ = drain.changed().await;
                continue;
            };
            let left = self.shared.sessions.len() + self.shared.invites().parked();
            if left == 0 {
                return;
            }
            let next_look = Instant::now() + limits::DRAIN_POLL;
            if next_look > until {
                sleep_until(until).await;
                self.shared.data.end_all(EndReason::Drained);
                return;
            }
            sleep_until(next_look).await;
        }
    }

    /// Goes on with other bounds. Whoever is here already stays, even beyond a lower one.
    pub fn bound(&self, bounds: Bounds) {
        let Bounds {
            links_max,
            parked_max,
            unproven_per_address,
            ping_interval,
        } = bounds;
        self.shared.presence.bound(links_max);
        self.shared.invites().bound(parked_max);
        self.shared.bound_unproven(unproven_per_address);
        self.shared.ping_interval.send_replace(ping_interval);
    }

    /// Bars these ranges from now on, and ends links and sessions that come from there.
    /// Returns when the data plane has been told.
    pub async fn bar(&self, bars: Vec<Bar>) {
        self.shared.bars.send_replace(Arc::from(bars));
        let barred = |address: IpAddr| self.shared.bar(address).is_some();
        for id in self.shared.sessions.numbers_where(barred) {
            self.shared.end_session(id).await;
        }
    }

    /// Closes the listeners, says good-bye to every link and waits for them a little. Sessions
    /// belong to the data plane and are left alone.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has said so on its own thread.
            let _ = task.await;
        }
    }

    /// Waits until the end of every session is in the log, once the data plane has shut down.
    pub async fn sessions_logged(&self) {
        let deadline = Instant::now() + limits::FAREWELL_DEADLINE;
        while self.shared.sessions.len() > 0 && Instant::now() < deadline {
            sleep_until(Instant::now() + limits::DRAIN_POLL / 10).await;
        }
    }
}
