//! Accepts connections while there is room for them, and gives each a task of its own.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{error, warn};

use super::arrival;
use super::shared::{Entry, Shared, Unproven, stopped};
use crate::limits;
use crate::sys::{self, Fault};

/// Accepts until the relay stops, then gives the connections a moment to say good-bye.
pub(super) async fn run(listeners: Vec<TcpListener>, shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    let mut gate = Gate::default();
    let mut connections = JoinSet::new();
    let mut lobby = Lobby::default();
    let mut pulse = interval(limits::ACCEPT_PAUSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Whoever looks at the status of an idle relay shall see a limit that has changed.
    let mut look = interval(limits::BEAT);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        let open = connections.len() + lobby.waiting.len() + 2 * shared.sessions.len();
        let shortage = gate.shortage(open, Instant::now());
        shared.counters.set_shortage(shortage);
        let paused = shortage.is_some_and(Shortage::pauses);
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => report(ended),
            _ = pulse.tick(), if shortage.is_some() || !lobby.waiting.is_empty() => {
                lobby.try_again(&shared, &mut connections);
            }
            _ = look.tick() => {}
            accepted = accept(&listeners, &mut turn), if !paused => match accepted {
                Ok((socket, peer)) => {
                    shared.counters.count_accepted();
                    lobby.receive(Arrival::new(socket, peer), &shared, &mut connections);
                }
                Err(error) => {
                    shared.counters.count_accept_error();
                    // Others are trouble of that one connection (accept(2)).
                    if Fault::of(&error) == Fault::Resource {
                        gate.fail(&error, Instant::now());
                        sleep(limits::ACCEPT_PAUSE).await;
                    }
                }
            },
        }
    }
    drop(listeners);
    let farewell = async { while connections.join_next().await.is_some() {} };
    if timeout(limits::FAREWELL_DEADLINE, farewell).await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection of any listener; they take turns in being asked first.
async fn accept(
    listeners: &[TcpListener],
    turn: &mut usize,
) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        *turn = turn.wrapping_add(1);
        for offset in 0..listeners.len() {
            let index = turn.wrapping_add(offset) % listeners.len();
            if let Some(Poll::Ready(accepted)) = listeners
                .get(index)
                .map(|listener| listener.poll_accept(context))
            {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

/// A connection that nobody serves yet.
#[derive(Debug)]
struct Arrival {
    socket: TcpStream,
    peer: SocketAddr,
    since: Instant,
}

impl Arrival {
    fn new(socket: TcpStream, peer: SocketAddr) -> Self {
        // A dual-stack listener shows IPv4 peers as mapped addresses.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let since = Instant::now();
        Self {
            socket,
            peer,
            since,
        }
    }
}

/// Connections that wait for a place, in the order of their arrival. A crowd that comes all at
/// once, as after a restart, is served one after the other instead of being sent away.
#[derive(Debug, Default)]
struct Lobby {
    /// INVARIANT: at most [`limits::LOBBY_MAX`].
    waiting: VecDeque<Arrival>,
}

impl Lobby {
    fn receive(&mut self, arrival: Arrival, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
        match shared.enter(arrival.peer.ip(), chance()) {
            Entry::Enter(unproven) => serve(arrival, unproven, shared, connections),
            Entry::Wait if self.waiting.len() < limits::LOBBY_MAX => {
                self.waiting.push_back(arrival)
            }
            Entry::Wait => shared.counters.count_turned_away(),
            Entry::TurnAway => {}
        }
    }

    fn try_again(&mut self, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
        for arrival in std::mem::take(&mut self.waiting) {
            if arrival.since.elapsed() < limits::LOBBY_DEADLINE {
                self.receive(arrival, shared, connections);
            } else {
                shared.counters.count_turned_away();
            }
        }
    }
}

fn serve(
    arrival: Arrival,
    unproven: Unproven,
    shared: &Arc<Shared>,
    connections: &mut JoinSet<()>,
) {
    let Arrival { socket, peer, .. } = arrival;
    let number = unproven.number();
    let service = arrival::serve(socket, peer, unproven, Arc::clone(shared));
    shared.attach(number, connections.spawn(service));
}

fn report(ended: Result<(), JoinError>) {
    // A cancelled task is one that had to make room.
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "Connection's task panicked");
    }
}

fn chance() -> u16 {
    let mut bytes = [0; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u16::from_be_bytes(bytes),
        // Without chance nobody is turned away by it.
        Err(_) => u16::MAX,
    }
}

/// What new connections are short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The process has no room for their descriptors.
    Descriptors,
    /// The kernel could not give one out, although the process had room.
    System,
}

impl Shortage {
    /// Every one, in the order of its number.
    pub const ALL: [Self; 2] = [Self::Descriptors, Self::System];

    /// What an operator reads.
    pub fn text(self) -> &'static str {
        match self {
            Self::Descriptors => "no new connections: descriptors are short; raise LimitNOFILE",
            Self::System => {
                "new connections fail: the system is short of files or of memory for sockets; \
                 look at fs.file-max, net.ipv4.tcp_mem and free memory"
            }
        }
    }

    /// Whether accepting stops for it. Where the kernel fails it goes on, to see the end of it.
    fn pauses(self) -> bool {
        self == Self::Descriptors
    }
}

/// Closes below the descriptor limit, and opens again only when there is some room.
///
/// The limit is looked at each time: an operator may change that of a running process
/// (`prlimit(1)`), and nobody else would tell.
#[derive(Debug, Default)]
struct Gate {
    is_closed: bool,
    failed_at: Option<Instant>,
}

impl Gate {
    fn shortage(&mut self, open: usize, now: Instant) -> Option<Shortage> {
        let limit = sys::process::descriptor_limit().unwrap_or(u64::MAX);
        if self.closes(open, usize::try_from(limit).unwrap_or(usize::MAX)) {
            return Some(Shortage::Descriptors);
        }
        self.failed_at = self
            .failed_at
            .filter(|at| now.saturating_duration_since(*at) < limits::SHORTAGE_MEMORY);
        self.failed_at.map(|_| Shortage::System)
    }

    /// Notes that the kernel had nothing for a connection; once for each time of trouble the log
    /// says so.
    fn fail(&mut self, error: &io::Error, now: Instant) {
        if self.failed_at.replace(now).is_none() {
            warn!(%error, "Connections cannot be accepted");
        }
    }

    fn closes(&mut self, open: usize, limit: usize) -> bool {
        let max = limit
            .saturating_sub(limits::DESCRIPTORS_RESERVED)
            .max(limits::DESCRIPTORS_HYSTERESIS);
        let reopen = max - max / limits::DESCRIPTORS_HYSTERESIS;
        if open >= max {
            self.is_closed = true;
        } else if open <= reopen {
            self.is_closed = false;
        }
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_closes_at_the_limit_and_opens_below_it() {
        let limit = limits::DESCRIPTORS_RESERVED + 160;
        let mut gate = Gate::default();
        assert!(!gate.closes(159, limit));
        assert!(gate.closes(160, limit));
        assert!(gate.closes(151, limit));
        assert!(!gate.closes(150, limit));
        assert!(!gate.closes(159, limit));
    }

    #[test]
    fn a_limit_that_changes_counts_at_once() {
        let mut gate = Gate::default();
        assert!(!gate.closes(1_000, 65_536));
        assert!(gate.closes(1_000, 1_024));
        assert!(!gate.closes(1_000, 65_536));
    }

    #[test]
    fn a_failure_of_the_kernel_counts_for_a_while() {
        let mut gate = Gate::default();
        let now = Instant::now();
        assert_eq!(gate.shortage(0, now), None);

        gate.fail(&io::ErrorKind::OutOfMemory.into(), now);

        assert_eq!(gate.shortage(0, now), Some(Shortage::System));
        assert_eq!(gate.shortage(0, now + limits::SHORTAGE_MEMORY), None);
    }
}
