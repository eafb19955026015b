//! Accepts connections while there is room for them, and gives each a task of its own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::error;

use super::arrival;
use super::gate::{Gate, Shortage};
use super::lobby::{Arrival, Lobby};
use super::shared::{Shared, Unproven, stopped};
use crate::limits;
use crate::sys::Fault;

/// Accepts until the relay stops, then gives the connections a moment to say good-bye.
pub(super) async fn run(listeners: Vec<TcpListener>, shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    let mut gate = Gate::new(Arc::clone(&shared.settings.memory));
    let mut connections = JoinSet::new();
    let mut lobby = Lobby::default();
    let mut pulse = interval(limits::ACCEPT_PAUSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Whoever looks at the status of an idle relay shall see a limit that has changed.
    let mut look = interval(limits::BEAT);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        let open = connections.len() + lobby.len() + 2 * shared.sessions.len();
        let shortage = gate.shortage(open, Instant::now());
        shared.counters.set_shortage(shortage);
        let paused = shortage.is_some_and(Shortage::pauses);
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => report(ended),
            _ = pulse.tick(), if shortage.is_some() || lobby.len() > 0 => {
                for (arrival, unproven) in lobby.try_again(&shared) {
                    serve(arrival, unproven, &shared, &mut connections);
                }
            }
            _ = look.tick() => {}
            accepted = accept(&listeners, &mut turn), if !paused => match accepted {
                Ok((socket, peer)) => {
                    shared.counters.count_accepted();
                    let arrival = Arrival::new(socket, peer);
                    if let Some((arrival, unproven)) = lobby.receive(arrival, &shared) {
                        serve(arrival, unproven, &shared, &mut connections);
                    }
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
