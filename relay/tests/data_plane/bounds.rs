//! Every bound at its limit and one past it; nothing is left behind.

use std::net::Shutdown;
use std::sync::PoisonError;
use std::thread;
use std::time::Instant;

use socket2::SockRef;
use tasuki_relay::data::{DataPath, DataPlane, EndReason, NewSession, Settings};
use tasuki_relay::limits;
use tasuki_relay::sys::process;

use crate::rig::{
    DEADLINE, DESCRIPTORS, Rig, block, parked_pair, parked_pair_like_ethernet, ping, read_all,
    reset, settings, stuff, write_all,
};

#[test]
fn sessions_are_taken_up_to_the_limit_and_not_one_more() {
    let mut rig = Rig::start(Settings {
        sessions_max: 3,
        workers: 2,
        ..Settings::default()
    });
    let mut sessions: Vec<_> = (0..3).map(|_| rig.session()).collect();

    let ((_client, near_client), (_host, near_host)) = (parked_pair(), parked_pair());
    let fourth = NewSession {
        id: 4,
        client: near_client.into(),
        host: near_host.into(),
    };
    let fourth = rig.plane.join(fourth).expect_err("one past the limit");

    // The refused one is whole, and fits once another has ended.
    let first = sessions.remove(0);
    rig.plane.end(first.id, EndReason::Operator);
    rig.end();
    rig.plane.join(fourth).expect("there is room again");
    rig.wait_for("the fourth session", |stats| stats.sessions_joined == 4);
    assert_eq!(rig.plane.stats().sessions_now, 3);
}

#[test]
fn hundreds_of_sessions_leave_no_descriptor_behind() {
    let _alone = DESCRIPTORS.write().unwrap_or_else(PoisonError::into_inner);
    let mut rig = Rig::start_alone(Settings {
        workers: 2,
        ..settings(DataPath::Splice)
    });
    let before = process::open_descriptors().expect("proc is there");

    for round in 0..5 {
        let sessions: Vec<_> = (0..100).map(|_| rig.session()).collect();
        for (index, peers) in sessions.into_iter().enumerate() {
            ping(&peers.client, &peers.host);
            if index % 3 == 0 {
                reset(peers.client);
            } else if index % 3 == 1 {
                assert!(rig.plane.end(peers.id, EndReason::Operator));
            } else {
                peers
                    .client
                    .shutdown(Shutdown::Write)
                    .expect("a live socket");
                peers.host.shutdown(Shutdown::Write).expect("a live socket");
            }
        }
        for _ in 0..100 {
            rig.end();
        }
        assert_eq!(rig.plane.stats().sessions_now, 0, "round {round}");
    }

    let stats = rig.plane.stats();
    println!("{stats:?}");
    assert_eq!(stats.ended.iter().sum::<u64>(), 500);
    assert_eq!(stats.pipes_in_use, 0);
    let kept = usize::try_from(stats.pipes_idle).expect("fits") * 2;
    assert_eq!(
        process::open_descriptors().expect("proc is there"),
        before + kept
    );
}

#[test]
fn a_session_that_ends_with_a_full_pipe_does_not_give_it_back() {
    let mut rig = Rig::start(Settings {
        pipes: 1,
        ..settings(DataPath::Splice)
    });
    let stalled = rig.session();
    stuff(&stalled.host);
    rig.wait_for("the pipe in use", |stats| stats.pipes_in_use == 1);

    rig.plane.end(stalled.id, EndReason::Operator);
    rig.end();
    let stats = rig.plane.stats();
    assert_eq!((stats.pipes_in_use, stats.pipes_idle), (0, 0));

    // The next session gets a new pipe, with nothing of the old one inside.
    let next = rig.session();
    let bytes = block(41);
    thread::scope(|scope| {
        scope.spawn(|| write_all(&next.host, &bytes, 3_000_000));
        scope.spawn(|| read_all(&next.client, &bytes, 3_000_000));
    });
    assert!(rig.plane.stats().bytes_spliced >= 2_900_000);
}

#[test]
fn a_stalled_session_pins_no_more_than_its_caps() {
    let mut rig = Rig::start(settings(DataPath::Auto));
    let (client, near_client) = parked_pair();
    let (host, near_host) = parked_pair();
    // Fixed far ends, so that what is left is the relay's.
    SockRef::from(&host)
        .set_send_buffer_size(32 * 1024)
        .expect("a live socket");
    SockRef::from(&client)
        .set_recv_buffer_size(32 * 1024)
        .expect("a live socket");

    let peers = rig.join(client, near_client, host, near_host);
    let taken = stuff(&peers.host);

    // One of two flows, and as much as a fixed buffer of 32 KiB can hold at each far end.
    let relay = limits::SESSION_BYTES_MAX / 2;
    let far_ends = 4 * 32 * 1024 + limits::SEGMENT_MAX;
    println!("{taken} bytes taken");
    assert!(taken <= relay + far_ends, "{taken} bytes taken");
}

#[test]
fn caps_of_running_sessions_sink_when_more_come_and_rise_when_they_go() {
    // So little that 64 sessions cannot have what 32 have.
    let mut rig = Rig::start(Settings {
        sessions_max: 128,
        memory_budget: limits::BEFORE_JOIN_BYTES + (18 << 20),
        ..Settings::default()
    });
    let (client, near_client) = parked_pair();
    let (host, near_host) = parked_pair();
    let observed = near_client.try_clone().expect("a descriptor");
    let first = rig.join(client, near_client, host, near_host);
    ping(&first.client, &first.host);
    let cap = || {
        SockRef::from(&observed)
            .recv_buffer_size()
            .expect("a live socket")
    };
    let full = cap();
    assert!(full > 2 * limits::PARKED_RECEIVE_BUFFER);

    let others: Vec<_> = (0..64).map(|_| rig.session()).collect();
    let start = Instant::now();
    while cap() >= full {
        assert!(start.elapsed() < DEADLINE, "the cap stays at {}", cap());
        thread::yield_now();
    }

    for other in &others {
        rig.plane.end(other.id, EndReason::Operator);
        rig.end();
    }
    while cap() < full {
        assert!(start.elapsed() < DEADLINE, "the cap stays at {}", cap());
        thread::yield_now();
    }
    ping(&first.host, &first.client);
}

#[test]
fn a_session_that_keeps_more_than_its_share_ends_when_the_board_fills_up() {
    // What 32 sessions may pin each, 128 may not.
    let mut rig = Rig::start(Settings {
        sessions_max: 128,
        memory_budget: limits::BEFORE_JOIN_BYTES + (18 << 20),
        ..Settings::default()
    });
    let greedy = rig.session();
    let moving = rig.session();
    for far_end in [&greedy.host, &greedy.client] {
        stuff(far_end);
    }

    let others: Vec<_> = (0..126).map(|_| rig.session()).collect();
    let end = rig.end();

    assert_eq!((end.id, end.reason), (greedy.id, EndReason::Resource));
    ping(&moving.host, &moving.client);
    ping(&others[0].client, &others[0].host);
    rig.no_end();
}

#[test]
fn the_smallest_caps_still_carry_bulk() {
    // A budget for one session that holds the least.
    let mut rig = Rig::start(Settings {
        sessions_max: 1,
        memory_budget: limits::BEFORE_JOIN_BYTES + 13 * limits::SOCKET_BUFFER_MIN,
        pipes: 0,
        ..Settings::default()
    });
    let (client, near_client) = parked_pair_like_ethernet();
    let (host, near_host) = parked_pair_like_ethernet();
    let peers = rig.join(client, near_client, host, near_host);
    let bytes = block(42);
    let start = Instant::now();

    thread::scope(|scope| {
        scope.spawn(|| write_all(&peers.host, &bytes, 4_000_000));
        scope.spawn(|| read_all(&peers.client, &bytes, 4_000_000));
    });
    println!("4 MB took {:?}", start.elapsed());
}

#[test]
fn a_budget_that_cannot_hold_the_sessions_is_refused_at_the_start() {
    let settings = Settings {
        memory_budget: 64 << 20,
        ..Settings::default()
    };
    let error = DataPlane::start(settings, |_| ()).expect_err("2,000 sessions do not fit");
    assert!(error.to_string().contains("too few"), "{error}");
}

#[test]
fn idle_workers_beat() {
    let rig = Rig::start(Settings {
        workers: 2,
        ..Settings::default()
    });
    let first = rig.plane.beats();
    assert_eq!(first.len(), 2);

    let start = Instant::now();
    while rig
        .plane
        .beats()
        .iter()
        .zip(&first)
        .any(|(now, then)| now <= then)
    {
        assert!(start.elapsed() < DEADLINE, "a worker stands still");
        thread::yield_now();
    }
}
