//! Every session ends once, for the right reason, and its peers can tell.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use tasuki_relay::data::{DataPath, EndReason, NewSession, Settings};

use crate::rig::{
    ALL_PATHS, Rig, block, parked_pair, ping, read_all, reset, settings, stuff, write_all,
};

fn assert_reset(mut stream: &TcpStream) {
    let mut byte = [0; 1];
    let error = stream.read(&mut byte).expect_err("the relay resets it");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_half_close_keeps_the_other_direction_whoever_closes() {
    let bytes = block(31);
    for path in ALL_PATHS {
        for client_closes in [true, false] {
            let mut rig = Rig::start(settings(path));
            let peers = rig.session();
            let (closing, open) = if client_closes {
                (&peers.client, &peers.host)
            } else {
                (&peers.host, &peers.client)
            };
            ping(closing, open);

            closing.shutdown(Shutdown::Write).expect("a live socket");
            let mut rest = Vec::new();
            let mut far = open;
            far.read_to_end(&mut rest).expect("the FIN arrives");
            assert!(rest.is_empty());
            rig.no_end();

            std::thread::scope(|scope| {
                scope.spawn(|| write_all(open, &bytes, 2_000_000));
                scope.spawn(|| read_all(closing, &bytes, 2_000_000));
            });
            assert_eq!(rig.end().reason, EndReason::Finished);
            rig.no_end();
        }
    }
}

#[test]
fn bytes_right_before_the_fin_are_not_lost() {
    for path in ALL_PATHS {
        let mut rig = Rig::start(settings(path));
        for _ in 0..50 {
            let mut peers = rig.session();
            peers
                .client
                .write_all(b"last words")
                .expect("the session takes bytes");
            peers
                .client
                .shutdown(Shutdown::Write)
                .expect("a live socket");

            let mut received = Vec::new();
            peers
                .host
                .read_to_end(&mut received)
                .expect("the FIN arrives");
            assert_eq!(received, b"last words");
            peers.host.shutdown(Shutdown::Write).expect("a live socket");
            assert_eq!(rig.end().reason, EndReason::Finished);
        }
    }
}

#[test]
fn a_reset_leg_ends_the_session_and_the_other_leg_hears_it() {
    for path in ALL_PATHS {
        let mut rig = Rig::start(settings(path));

        let peers = rig.session();
        ping(&peers.client, &peers.host);
        reset(peers.client);
        assert_eq!(rig.end().reason, EndReason::ClientReset);
        assert_reset(&peers.host);

        let peers = rig.session();
        ping(&peers.client, &peers.host);
        reset(peers.host);
        assert_eq!(rig.end().reason, EndReason::HostReset);
        assert_reset(&peers.client);
    }
}

#[test]
fn a_reset_is_noticed_while_the_other_leg_is_stalled() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let peers = rig.session();
    stuff(&peers.host);

    reset(peers.host);

    assert_eq!(rig.end().reason, EndReason::HostReset);
    drop(peers.client);
}

#[test]
fn a_leg_that_died_before_the_join_ends_the_session_at_once() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let (client, near_client) = parked_pair();
    let (host, near_host) = parked_pair();
    reset(client);
    let id = 77;
    let session = NewSession {
        id,
        client: near_client.into(),
        host: near_host.into(),
    };
    rig.plane
        .join(session)
        .expect("there is room for a session");

    let end = rig.end();
    assert_eq!((end.id, end.reason), (id, EndReason::ClientReset));
    assert_reset(&host);
    assert_eq!(rig.plane.stats().sessions_now, 0);
    let _ = &mut rig;
}

#[test]
fn a_descriptor_that_is_no_tcp_socket_is_refused_with_a_reason() {
    let rig = Rig::start(settings(DataPath::Auto));
    let (host, near_host) = parked_pair();
    let file = std::fs::File::open("/dev/null").expect("it is always there");
    let session = NewSession {
        id: 5,
        client: file.into(),
        host: near_host.into(),
    };
    rig.plane
        .join(session)
        .expect("there is room for a session");

    assert_eq!(rig.end().reason, EndReason::Io);
    drop(host);
}

#[test]
fn an_operator_ends_one_session_and_no_other() {
    let mut rig = Rig::start(Settings {
        workers: 2,
        ..Settings::default()
    });
    let (first, second) = (rig.session(), rig.session());
    ping(&first.client, &first.host);

    assert!(rig.plane.end(first.id, EndReason::Operator));
    assert!(
        rig.plane.end(12_345, EndReason::Operator),
        "nobody has this one"
    );

    let end = rig.end();
    assert_eq!((end.id, end.reason), (first.id, EndReason::Operator));
    assert_reset(&first.client);
    assert_reset(&first.host);
    ping(&second.host, &second.client);
    rig.no_end();
}

#[test]
fn an_order_to_end_all_reaches_every_session_that_was_joined_before() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let sessions: Vec<_> = (0..40).map(|_| rig.session()).collect();

    rig.plane.end_all(EndReason::Drained);

    for _ in &sessions {
        assert_eq!(rig.end().reason, EndReason::Drained);
    }
    let later = rig.session();
    ping(&later.client, &later.host);
    rig.no_end();
    assert_eq!(rig.plane.stats().ended_for(EndReason::Drained), 40);
}

#[test]
fn a_shutdown_ends_every_session_once_and_refuses_the_next() {
    let mut rig = Rig::start(Settings {
        workers: 2,
        ..Settings::default()
    });
    let sessions: Vec<_> = (0..20).map(|_| rig.session()).collect();

    rig.plane.shutdown();

    for _ in &sessions {
        assert_eq!(rig.end().reason, EndReason::Shutdown);
    }
    rig.no_end();
    let ((_client, near_client), (_host, near_host)) = (parked_pair(), parked_pair());
    let session = NewSession {
        id: 99,
        client: near_client.into(),
        host: near_host.into(),
    };
    assert_eq!(rig.plane.join(session).expect_err("it is shut down").id, 99);
}
