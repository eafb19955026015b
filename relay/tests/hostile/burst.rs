//! Thousands of connections at once, from many addresses, that say nothing.

use std::time::Duration;

use relay_testkit::{Host, Place, Relay, session, soon, until};
use tasuki_relay::limits;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::start;
use crate::witness::Witness;

/// Addresses that a burst comes from.
const ADDRESSES: u16 = 20;

/// What connections that have proven nothing may hold in the kernel: those that are served, those
/// that wait for a place, and those that wait to be accepted.
fn unproven_bytes() -> u64 {
    let backlog = limits::BACKLOG + 1;
    let connections = limits::UNPROVEN_MAX + limits::LOBBY_MAX + backlog;
    u64::try_from(connections * limits::PARKED_LEG_BYTES).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_at_once_keep_nobody_out() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(Duration::from_secs(1));
    let (memory, cpu) = (relay.anonymous_memory(), relay.cpu());

    let sockets = burst(&relay, 500).await;
    assert_eq!(sockets.len(), 10_000);
    let sockets = stuff(sockets);
    let held = relay.socket_memory();
    let unproven = relay.metrics().get("tasuki_connections_unproven");
    assert!(unproven <= 1_024.0, "{unproven}");
    // Somebody else comes, from an address without guilt, while all of them hang on.
    let place = relay.place().from([127, 0, 9, 1].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = soon("a host", place.registered(&host)).await;
    soon("a session", session(&place, &host, &mut link, "pc-1")).await;
    let busy = tokio::task::block_in_place(|| witness.watch(Duration::from_secs(1)));
    let grown = relay.anonymous_memory().saturating_sub(memory);

    busy.assert_like(quiet, "a burst of 10,000");
    eprintln!("10,000 connections hold {held} bytes in the kernel, {grown} in the relay");
    let most = unproven_bytes();
    assert!(held <= most, "{held} of {most}");
    assert!(grown <= 64 << 20, "{grown}");
    until("all of them to be gone", || {
        let metrics = relay.metrics();
        let away = metrics.sum("tasuki_turned_away_total") + metrics.get("tasuki_evicted_total");
        let late = metrics.get("tasuki_handshakes_failed_total{cause=\"deadline\"}");
        let closed = metrics.get("tasuki_handshakes_failed_total{cause=\"closed\"}");
        away + late + closed >= 10_000.0 && metrics.get("tasuki_connections_unproven") == 0.0
    })
    .await;
    eprintln!(
        "each cost the relay {:?} of CPU",
        (relay.cpu() - cpu) / 10_000
    );
    drop(sockets);
    witness.finish();
}

/// So many connections from each address, all at the same time.
async fn burst(relay: &Relay, each: u16) -> Vec<TcpStream> {
    let mut crowd = JoinSet::new();
    for number in 0..ADDRESSES {
        let last = u8::try_from(number).unwrap();
        let place = relay.place().from([127, 0, 8, last].into());
        crowd.spawn(connect(place, each));
    }
    crowd.join_all().await.into_iter().flatten().collect()
}

async fn connect(place: Place, count: u16) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(place.tcp().await.unwrap());
    }
    sockets
}

/// Writes whatever the kernel takes: a record that never ends.
fn stuff(sockets: Vec<TcpStream>) -> Vec<TcpStream> {
    for socket in &sockets {
        let record = [[22, 3, 1, 16, 0].as_slice(), &[0; 4_000]].concat();
        // Those that were turned away take nothing.
        let _ = socket.try_write(&record);
    }
    sockets
}
