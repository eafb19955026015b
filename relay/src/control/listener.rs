//! Accepts connections while there is room for them, and gives each a task of its own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use super::arrival;
use super::shared::{Shared, stopped};
use crate::{limits, sys};

/// Binds every address, or none.
///
/// # Errors
/// One of them cannot be bound.
pub(super) fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    addresses
        .iter()
        .map(|address| {
            let listener = sys::listener::listen(*address).and_then(TcpListener::from_std);
            listener.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
            })
        })
        .collect()
}

/// Accepts until the relay stops, then gives the connections a moment to say good-bye.
pub(super) async fn run(listeners: Vec<TcpListener>, shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    let mut gate = Gate::new(shared.settings.descriptors);
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        let open = connections.len() + 2 * shared.sessions.len();
        let paused = !gate.is_open(open);
        shared.counters.set_accept_paused(paused);
        let room = !paused && shared.has_room();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = accept(&listeners, &mut turn), if room => match accepted {
                Ok((socket, peer)) => admit(socket, peer, &shared, &mut connections),
                Err(error) => {
                    shared.counters.count_accept_error();
                    warn!(%error, "Connection could not be accepted");
                    sleep(limits::ACCEPT_PAUSE).await;
                }
            },
            () = sleep(limits::ACCEPT_PAUSE), if !room => {}
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

fn admit(socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    shared.counters.count_accepted();
    // A dual-stack listener shows IPv4 peers as mapped addresses.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Some(unproven) = shared.enter(peer.ip(), chance()) else {
        return;
    };
    let number = unproven.number();
    let task = connections.spawn(arrival::serve(socket, peer, unproven, Arc::clone(shared)));
    shared.attach(number, task);
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

/// Closes below the descriptor limit, and opens again only when there is some room.
#[derive(Debug)]
struct Gate {
    max: usize,
    is_open: bool,
}

impl Gate {
    fn new(descriptors: usize) -> Self {
        let max = descriptors.saturating_sub(limits::DESCRIPTORS_RESERVED);
        Self {
            max: max.max(limits::DESCRIPTORS_HYSTERESIS),
            is_open: true,
        }
    }

    fn is_open(&mut self, descriptors: usize) -> bool {
        let reopen = self.max - self.max / limits::DESCRIPTORS_HYSTERESIS;
        if descriptors >= self.max {
            self.is_open = false;
        } else if descriptors <= reopen {
            self.is_open = true;
        }
        self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_closes_at_the_limit_and_opens_below_it() {
        let mut gate = Gate::new(limits::DESCRIPTORS_RESERVED + 160);
        assert!(gate.is_open(159));
        assert!(!gate.is_open(160));
        assert!(!gate.is_open(151));
        assert!(gate.is_open(150));
        assert!(gate.is_open(159));
    }
}
