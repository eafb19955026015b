//! Bytes out are bytes in, whatever way they travel.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tasuki_relay::data::{DataPath, EndReason, Settings};
use tasuki_relay::limits;
use tasuki_relay::sys::socket;

use crate::rig::{
    ALL_PATHS, Rig, block, parked_pair, parked_pair_like_ethernet, ping, read_all, settings, stuff,
    write_all,
};

const MIB: usize = 1024 * 1024;

#[test]
fn both_directions_carry_64_mib_at_once() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let peers = rig.session();
    let (up, down) = (block(11), block(12));
    let total = 64 * MIB;

    thread::scope(|scope| {
        scope.spawn(|| write_all(&peers.client, &up, total));
        scope.spawn(|| write_all(&peers.host, &down, total));
        scope.spawn(|| read_all(&peers.host, &up, total));
        scope.spawn(|| read_all(&peers.client, &down, total));
    });

    let end = rig.end();
    assert_eq!((end.id, end.reason), (peers.id, EndReason::Finished));
    assert_eq!(end.bytes.to_host, u64::try_from(total).expect("fits"));
    assert_eq!(end.bytes.to_client, u64::try_from(total).expect("fits"));
}

#[test]
fn bulk_is_spliced_to_99_percent() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let peers = rig.session();
    let bytes = block(13);
    let total = 256 * MIB;

    thread::scope(|scope| {
        scope.spawn(|| write_all(&peers.host, &bytes, total));
        scope.spawn(|| read_all(&peers.client, &bytes, total));
    });

    let stats = rig.plane.stats();
    println!("{stats:?}");
    let all = stats.bytes_spliced + stats.bytes_copied;
    assert_eq!(all, u64::try_from(total).expect("fits"));
    assert!(stats.bytes_spliced * 100 >= all * 99, "{stats:?}");
}

#[test]
fn small_messages_are_copied() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let peers = rig.session();

    for _ in 0..100 {
        ping(&peers.client, &peers.host);
        ping(&peers.host, &peers.client);
    }

    let stats = rig.wait_for("800 bytes", |stats| stats.bytes_copied == 800);
    assert_eq!((stats.bytes_spliced, stats.splice_calls), (0, 0));
    assert_eq!((stats.bytes.to_host, stats.bytes.to_client), (400, 400));
}

#[test]
fn a_forced_path_carries_everything() {
    let bytes = block(14);
    let total = 8 * MIB;
    for path in [DataPath::Splice, DataPath::Copy] {
        let mut rig = Rig::start(settings(path));
        let peers = rig.session();
        ping(&peers.client, &peers.host);

        thread::scope(|scope| {
            scope.spawn(|| write_all(&peers.client, &bytes, total));
            scope.spawn(|| read_all(&peers.host, &bytes, total));
        });

        let stats = rig.plane.stats();
        match path {
            DataPath::Splice => assert_eq!(stats.bytes_copied, 0),
            DataPath::Copy | DataPath::Auto => assert_eq!(stats.bytes_spliced, 0),
        }
    }
}

#[test]
fn without_pipes_bulk_is_copied() {
    let mut rig = Rig::start(Settings {
        pipes: 0,
        ..Settings::default()
    });
    let peers = rig.session();
    let bytes = block(15);

    thread::scope(|scope| {
        scope.spawn(|| write_all(&peers.client, &bytes, 16 * MIB));
        scope.spawn(|| read_all(&peers.host, &bytes, 16 * MIB));
    });

    let stats = rig.plane.stats();
    assert_eq!(stats.bytes_spliced, 0);
    assert!(stats.pipe_shortages > 0, "{stats:?}");
}

#[test]
fn a_stalled_session_that_holds_the_last_pipe_does_not_hold_up_another() {
    let mut rig = Rig::start(Settings {
        pipes: 1,
        ..settings(DataPath::Splice)
    });
    let stalled = rig.session();
    stuff(&stalled.host);
    rig.wait_for("the pipe in use", |stats| stats.pipes_in_use == 1);

    let running = rig.session();
    let bytes = block(16);
    thread::scope(|scope| {
        scope.spawn(|| write_all(&running.client, &bytes, 4 * MIB));
        scope.spawn(|| read_all(&running.host, &bytes, 4 * MIB));
    });

    let stats = rig.plane.stats();
    assert!(stats.pipe_shortages > 0, "{stats:?}");
    assert_eq!(stats.pipes_in_use + stats.pipes_idle, 1);
}

#[test]
fn a_stalled_reader_blocks_neither_the_other_direction_nor_other_sessions() {
    for path in ALL_PATHS {
        let mut rig = Rig::start(settings(path));
        let stalled = rig.session();
        let other = rig.session();
        let taken = stuff(&stalled.host);

        for _ in 0..50 {
            ping(&stalled.client, &stalled.host);
            ping(&other.client, &other.host);
            ping(&other.host, &other.client);
        }

        // Nothing was lost while it stood still.
        stalled
            .host
            .shutdown(Shutdown::Write)
            .expect("a live socket");
        let mut received = Vec::new();
        (&stalled.client)
            .read_to_end(&mut received)
            .expect("the session gives bytes");
        assert_eq!(received.len(), taken);
        assert!(received.iter().all(|byte| *byte == 7));
    }
}

#[test]
fn bytes_that_came_before_the_join_arrive_first() {
    for path in ALL_PATHS {
        let mut rig = Rig::start(settings(path));
        let (mut client, near_client) = parked_pair();
        let (mut host, near_host) = parked_pair();
        client.write_all(b"first flight, ").expect("room for it");
        host.write_all(b"spoke too early").expect("room for it");
        near_client.peek(&mut [0]).expect("it arrived");

        let mut peers = rig.join(client, near_client, host, near_host);
        peers
            .client
            .write_all(b"second")
            .expect("the session takes bytes");

        let mut received = [0; 20];
        peers
            .host
            .read_exact(&mut received)
            .expect("the session gives bytes");
        assert_eq!(&received, b"first flight, second");
        let mut received = [0; 15];
        peers
            .client
            .read_exact(&mut received)
            .expect("the session gives bytes");
        assert_eq!(&received, b"spoke too early");
    }
}

#[test]
fn a_window_that_was_small_opens_with_the_buffer() {
    for pair in [parked_pair, parked_pair_like_ethernet] {
        let (client, near) = pair();
        let bytes = block(31);
        // A ClientHello is longer than a packet: from that the kernel derives a limit for good.
        (&client).write_all(&bytes[..1_700]).expect("a live socket");
        (&near)
            .read_exact(&mut [0; 1_700])
            .expect("bytes are there");
        let parked = window(&near);
        assert!(
            parked <= 2 * limits::PARKED_RECEIVE_BUFFER,
            "{parked} bytes parked"
        );

        socket::cap_buffers(&near, 64 * 1024, 64 * 1024).expect("a live socket");
        // The kernel opens it by and by, with what arrives.
        thread::scope(|scope| {
            scope.spawn(|| write_all(&client, &bytes, 4 * MIB));
            scope.spawn(|| read_all(&near, &bytes, 4 * MIB));
        });

        let open = window(&near);
        assert!(open >= 40 * 1024, "{open} bytes");
    }
}

/// The widest window that the kernel would announce now (`ss(8)`, `rcv_ssthresh`).
fn window(socket: &TcpStream) -> usize {
    let port =
        |address: std::io::Result<SocketAddr>| format!(":{}", address.expect("bound").port());
    let (here, there) = (port(socket.local_addr()), port(socket.peer_addr()));
    let ss = Command::new("ss")
        .args(["-tniHO", "sport", "=", &here, "dport", "=", &there])
        .output()
        .expect("ss is there");
    let text = String::from_utf8_lossy(&ss.stdout).into_owned();
    text.split_whitespace()
        .find_map(|field| field.strip_prefix("rcv_ssthresh:")?.parse().ok())
        .expect("ss tells the window")
}

#[test]
fn three_workers_share_the_sessions() {
    let mut rig = Rig::start(Settings {
        workers: 3,
        ..Settings::default()
    });
    let sessions: Vec<_> = (0..9).map(|_| rig.session()).collect();

    for session in &sessions {
        ping(&session.client, &session.host);
        ping(&session.host, &session.client);
    }

    assert_eq!(rig.plane.stats().sessions_joined, 9);
    rig.plane.end_all(EndReason::Drained);
    let mut ids: Vec<u64> = sessions.iter().map(|_| rig.end().id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=9).collect::<Vec<_>>());
}

#[test]
fn a_message_through_a_quiet_session_takes_no_timer() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let peers = rig.session();
    ping(&peers.client, &peers.host);

    let start = Instant::now();
    for _ in 0..200 {
        ping(&peers.client, &peers.host);
    }

    // A message that waited for a beat would take up to a second.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}
