//! An honest crowd behind an address that strangers use for a flood.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::refusal::RefusalCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rig::{Board, Host, board, connect, session};

/// The crowd is a tenth of what a board must bear, so that a busy machine can run it; admission's
/// own test has the full numbers under a virtual clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_clients_log_on_while_their_address_is_flooded() {
    let board = Arc::new(board(|settings| {
        settings.unproven_per_address = 48;
        settings.failed_lookups = (1, 5);
    }));
    let masked = Arc::new(AtomicU64::default());
    let mut flood = JoinSet::new();
    flood.spawn(connect_and_say_nothing(Arc::clone(&board)));
    flood.spawn(say_nonsense(Arc::clone(&board)));
    flood.spawn(ask_for_unknown_computers(
        Arc::clone(&board),
        Arc::clone(&masked),
    ));

    let mut crowd = JoinSet::new();
    for number in 0..100 {
        let board = Arc::clone(&board);
        crowd.spawn(async move {
            let id = format!("pc-{number}");
            let host = Host::new(number, &id);
            let (mut link, _) = board.registered(&host).await;
            if number % 3 == 0 {
                drop(session(&board, &host, &mut link, &id).await);
            }
            link
        });
    }
    let links = crowd.join_all().await;

    assert_eq!(links.len(), 100);
    assert_eq!(board.control.status().links, 100);
    crate::rig::until("the scanner to be masked", || {
        masked.load(Ordering::Relaxed) > 0
    })
    .await;
    crate::rig::until("slow strangers to make room", || {
        let counters = board.control.counters();
        let turned_away: u64 = counters.turned_away().map(|(_, count)| count).sum();
        counters.evicted() + turned_away > 0
    })
    .await;
    flood.shutdown().await;
}

async fn connect_and_say_nothing(board: Arc<Board>) {
    let mut silent = std::collections::VecDeque::new();
    loop {
        if let Ok(socket) = TcpStream::connect(board.address).await {
            silent.push_back(socket);
        }
        if silent.len() > 500 {
            silent.pop_front();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn say_nonsense(board: Arc<Board>) {
    loop {
        if let Ok(mut socket) = TcpStream::connect(board.address).await {
            // A board that has turned the connection away already is what this is about.
            let _ = socket.write_all(b"\x16\x03\x01\x00\x05hello").await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn ask_for_unknown_computers(board: Arc<Board>, masked: Arc<AtomicU64>) {
    loop {
        // One that is turned away under this flood tries again.
        let Ok(mut leg) = board.dial(protocol::ALPN_LEG, None).await else {
            continue;
        };
        leg.send(connect("nobody")).await;
        let code = leg.refused().await;
        if code == RefusalCode::TooManyAttempts {
            masked.fetch_add(1, Ordering::Relaxed);
        } else {
            assert_eq!(code, RefusalCode::UnknownId);
        }
    }
}
