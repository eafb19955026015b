//! Faults of the machine and of whoever runs it: shortages, clocks, cables, stuck threads, a
//! configuration that changes.
//!
//! In each, sessions that were there before go on, the relay says what is wrong, and recovers by
//! itself when the fault is gone.

mod cable;
mod clock;
mod descriptors;
mod disk;
mod journal;
mod memory;
mod pipes;
mod reload;
mod renewal;
mod stuck;

use std::time::{Duration, Instant};

use protocol::outer::{Frame, Ping, Pong};
use relay_testkit::{Agent, PATIENCE, Relay, Site, soon};
use tasuki_relay::admin::status::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Looks at the status until it is so.
fn until_status(site: &Site, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
    let began = Instant::now();
    loop {
        let status = site.status();
        if holds(&status) {
            return status;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "waited in vain for {what}: {status:#?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a warning of the status says this.
fn until_warned(site: &Site, of: &str) -> Status {
    until_status(site, of, |status| warns(status, of))
}

fn warns(status: &Status, of: &str) -> bool {
    status.warnings.iter().any(|warning| warning.contains(of))
}

/// Waits until the log says this so many times.
fn until_logged(relay: &Relay, text: &str, times: usize) {
    let began = Instant::now();
    while relay.log().matches(text).count() < times {
        assert!(
            began.elapsed() < PATIENCE,
            "not in the log: {text}\n{}",
            relay.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Insists that a link lives.
async fn answers(link: &mut Agent, number: u32) {
    link.send(Ping { number }).await;
    answered(link, number).await;
}

/// Waits for the answer to this ping; answers the board's own.
async fn answered(link: &mut Agent, asked: u32) {
    loop {
        match link.answer().await {
            Some(Frame::Pong(Pong { number })) if number == asked => return,
            Some(Frame::Ping(Ping { number })) => link.send(Pong { number }).await,
            other => panic!("a link heard {other:?}"),
        }
    }
}

/// Insists that a session carries bytes both ways.
pub(crate) async fn carries(session: &mut (TcpStream, TcpStream), length: usize) {
    let (client, host) = session;
    carry(client, host, length).await;
    carry(host, client, length).await;
}

async fn carry(from: &mut TcpStream, to: &mut TcpStream, length: usize) {
    let bytes: Vec<u8> = (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let mut arrived = vec![0; length];
    let both = async { tokio::join!(from.write_all(&bytes), to.read_exact(&mut arrived)) };
    let (sent, read) = soon("bytes of a session", both).await;
    sent.unwrap();
    read.unwrap();
    assert!(arrived == bytes, "other bytes than were sent");
}

/// Whether this test may do what only root may.
pub(crate) fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}
