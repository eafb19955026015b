//! What a load finds when somebody between the two ends damages what they send.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::*;
use crate::load::{Passage, Way};
use crate::report::Faults;
use crate::scenario::Range;
use crate::wire::Site;

/// Bytes from the host that pass before the damage, if they get that far.
const WHOLE: usize = 5_000;

#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    Drop,
    Repeat,
    Swap,
    Flip,
    Cut,
}

fn scenario(sessions: u32) -> Scenario {
    let text = format!(
        "seed = 7\nsessions = {sessions}\nramp_s = 0\nwarm_up_s = 0\nduration_s = 1\n\
         [down]\nper_second = 100\nbytes = [100, 1400]\n[up]\nper_second = 20\nbytes = 20\n"
    );
    Scenario::parse(&text).unwrap()
}

/// A forwarder that does its damage to each of its connections once. Its threads end with them.
fn forwarder(damage: Damage) -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let back = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (front, behind) = (listener.local_addr().unwrap(), back.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, host) = (client.unwrap(), TcpStream::connect(behind).unwrap());
            let (to_host, to_client) = (host.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || forward(client, to_host, Damage::None));
            thread::spawn(move || forward(host, to_client, damage));
        }
    });
    (front, back)
}

fn forward(mut from: TcpStream, mut to: TcpStream, damage: Damage) {
    let mut left = Some(WHOLE);
    let mut buffer = [0; 1_024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &mut buffer[..length];
        let mut damaged = bytes.to_vec();
        if let Some(rest) = left {
            left = rest.checked_sub(length);
            if left.is_none() && length >= 64 {
                match damage {
                    Damage::None => {}
                    Damage::Drop => drop(damaged.drain(8..19)),
                    Damage::Repeat => damaged.extend_from_within(..),
                    Damage::Swap => damaged.rotate_left(32),
                    Damage::Flip => damaged[40] ^= 4,
                    Damage::Cut => break,
                }
            } else if left.is_none() {
                // Too short to show it: the next one has to.
                left = Some(0);
            }
        }
        if to.write_all(&damaged).is_err() {
            return;
        }
    }
    // Gone already, when a test is over.
    let _ = to.shutdown(Shutdown::Write);
}

/// Three sessions through it.
fn faults(damage: Damage) -> Faults {
    let (front, back) = forwarder(damage);
    let subject = Subject {
        name: format!("{damage:?}"),
        family: "damage".to_owned(),
        settings: String::new(),
        way: Way::Forwarded(Passage { front, back }),
        program: None,
        launch: None,
        helpers: Vec::new(),
        folder: None,
    };
    let stop = Interrupt::listen().unwrap();
    let placement = Placement::default();
    let round = run(&scenario(3), subject, &placement, &stop).unwrap();
    if matches!(damage, Damage::None) {
        assert!(round.messages > 100, "{round:?}");
        assert_eq!(round.ends.closed, 3, "{round:?}");
        assert!(round.latency.count > 100 && round.lag.count > 100);
    }
    round.faults
}

#[test]
fn an_honest_forwarder_is_without_fault() {
    assert_eq!(faults(Damage::None), Faults::default());
}

#[test]
fn bulk_goes_on_by_itself_and_is_verified() {
    let (front, back) = forwarder(Damage::None);
    let subject = Subject {
        way: Way::Forwarded(Passage { front, back }),
        ..Subject::direct(&Site::loopback()).unwrap()
    };
    let short = Scenario {
        warm_up_s: 0.0,
        duration_s: 1.0,
        ..Scenario::bulk().unwrap()
    };
    let stop = Interrupt::listen().unwrap();
    let round = run(&short, subject, &Placement::default(), &stop).unwrap();

    assert_eq!(round.faults, Faults::default());
    assert_eq!(round.ends.closed, 8);
    // A hundred writes; open-loop traffic of this scenario would be none.
    assert!(round.bytes > 100 * 65_536, "{}", round.bytes);
}

#[test]
fn distance_delays_and_costs_no_byte() {
    let (front, back) = forwarder(Damage::None);
    let subject = Subject {
        way: Way::Forwarded(Passage { front, back }),
        ..Subject::direct(&Site::loopback()).unwrap()
    };
    let far = Scenario {
        round_trip_ms: Some(Range::Between([30.0, 50.0])),
        ..scenario(3)
    };
    let stop = Interrupt::listen().unwrap();
    let round = run(&far, subject, &Placement::default(), &stop).unwrap();

    assert_eq!(round.faults, Faults::default());
    assert!(round.begun == 0 && round.messages > 100, "{round:?}");
    assert!(round.latency.ms(0.01).unwrap() >= 15.0, "{round:?}");
}

/// Damage at the very end of a segment: what is left of it is shorter than two words, and does not
/// say where it belongs. Sizes are drawn, so that happens to a session now and then.
fn too_few_to_tell(found: &Faults) -> u64 {
    assert!(found.foreign * 10 <= found.total(), "{found:?}");
    found.foreign
}

#[test]
fn lost_bytes_are_found() {
    let found = faults(Damage::Drop);

    assert!(found.lost >= 3, "{found:?}");
    assert_eq!(found.lost + too_few_to_tell(&found), found.total());
    assert!(found.told[0].contains("11 bytes lost"), "{found:?}");
}

#[test]
fn repeated_bytes_are_found() {
    let found = faults(Damage::Repeat);

    assert!(found.repeated >= 3, "{found:?}");
    assert_eq!(found.repeated + too_few_to_tell(&found), found.total());
}

#[test]
fn reordered_bytes_are_found() {
    let found = faults(Damage::Swap);

    assert!(found.lost >= 3, "{found:?}");
    assert!(
        found.told[0].contains("32 bytes lost or overtaken"),
        "{found:?}"
    );
}

#[test]
fn changed_bytes_are_found() {
    let found = faults(Damage::Flip);

    assert!(
        found.foreign >= 3 && found.foreign == found.total(),
        "{found:?}"
    );
}

#[test]
fn a_session_that_ends_too_early_is_found() {
    let found = faults(Damage::Cut);

    assert!(found.cut >= 3 && found.cut == found.total(), "{found:?}");
}
