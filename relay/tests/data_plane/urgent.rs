//! One byte of urgent data must end a session, not strand it.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use socket2::SockRef;
use tasuki_relay::data::{DataPath, EndReason};
use tasuki_relay::sys::Outcome;
use tasuki_relay::sys::pipe::Pipe;

use crate::rig::{ALL_PATHS, Rig, block, parked_pair, ping, settings};

fn send_urgent(stream: &TcpStream) {
    SockRef::from(stream)
        .send_out_of_band(b"!")
        .expect("a live socket");
}

/// The kernel's behaviour that all this is about; if it ever changes, this test tells.
#[test]
fn splice_says_blocked_and_then_eof_with_bytes_unread_behind_urgent_data() {
    let (mut far, near) = parked_pair();
    near.set_nonblocking(true).expect("a live socket");
    let pipe = Pipe::new(64 * 1024).expect("a pipe");
    send_urgent(&far);
    far.write_all(b"behind").expect("room for it");
    while near.peek(&mut [0; 16]).map_or(0, |bytes| bytes) < 6 {
        thread::yield_now();
    }

    assert_eq!(pipe.fill_from(&near, 64 * 1024), Outcome::Blocked);

    far.shutdown(Shutdown::Write).expect("a live socket");
    let mut outcome = Outcome::Blocked;
    while outcome == Outcome::Blocked {
        outcome = pipe.fill_from(&near, 64 * 1024);
    }
    assert_eq!(outcome, Outcome::Eof);
    assert_eq!(near.peek(&mut [0; 16]).expect("unread bytes"), 6);
}

#[test]
fn urgent_data_ends_a_quiet_session() {
    for path in ALL_PATHS {
        let mut rig = Rig::start(settings(path));
        let peers = rig.session();
        ping(&peers.client, &peers.host);

        send_urgent(&peers.host);

        assert_eq!(rig.end().reason, EndReason::UrgentData, "{path:?}");
    }
}

#[test]
fn urgent_data_that_came_before_the_join_ends_the_session() {
    for path in ALL_PATHS {
        let mut rig = Rig::start(settings(path));
        let (mut client, near_client) = parked_pair();
        let (host, near_host) = parked_pair();
        client.write_all(b"before").expect("room for it");
        send_urgent(&client);
        client.write_all(b"behind").expect("room for it");
        client.shutdown(Shutdown::Write).expect("a live socket");
        while near_client.peek(&mut [0; 16]).expect("it arrives") < 6 {
            thread::yield_now();
        }

        let _peers = rig.join(client, near_client, host, near_host);

        assert_eq!(rig.end().reason, EndReason::UrgentData, "{path:?}");
    }
}

#[test]
fn urgent_data_amid_bulk_ends_the_session() {
    for path in [DataPath::Auto, DataPath::Splice] {
        let mut rig = Rig::start(settings(path));
        let peers = rig.session();
        let bytes = block(21);

        thread::scope(|scope| {
            scope.spawn(|| {
                // The session ends under both of them.
                let mut from = &peers.host;
                for round in 0..64 {
                    let mut written = from.write_all(&bytes);
                    if round == 4 {
                        written = SockRef::from(from).send_out_of_band(b"!").map(|_| ());
                    }
                    if written.is_err() {
                        return;
                    }
                }
            });
            scope.spawn(|| {
                let mut to = &peers.client;
                let _ = std::io::copy(&mut to, &mut std::io::sink());
            });
        });

        assert_eq!(rig.end().reason, EndReason::UrgentData, "{path:?}");
    }
}
