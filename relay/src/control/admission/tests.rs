//! Admission under a virtual clock.

use super::*;

const RATES: Rates = Rates {
    handshakes: (10, 20),
    lookups: (2, 5),
    tickets: (1, 2),
};
/// Turned away if it is possible at all.
const UNLUCKY: u16 = 0;

fn admission(unproven_max: usize, unproven_per_address: usize) -> (Admission<u64>, Instant) {
    let grace = limits::UNPROVEN_GRACE;
    let now = Instant::now();
    let bounds = Bounds {
        unproven_max,
        unproven_per_address,
        grace,
        rates: RATES,
    };
    (Admission::new(bounds, now), now)
}

fn enter(admission: &mut Admission<u64>, from: &str, now: Instant) -> Verdict<u64> {
    let verdict = admission.enter(from.parse().unwrap(), now);
    if let Verdict::Enter { number, .. } = verdict {
        admission.attach(number, number);
    }
    verdict
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn the_last_place_of_an_address_is_given_and_the_next_one_waits_for_the_grace() {
    let (mut admission, now) = admission(100, 2);
    for number in 0..2 {
        assert_eq!(
            enter(&mut admission, "192.0.2.1", now),
            Verdict::Enter {
                number,
                evict: None
            }
        );
    }

    assert_eq!(
        enter(
            &mut admission,
            "192.0.2.1",
            now + limits::UNPROVEN_GRACE - ms(1)
        ),
        Verdict::Wait
    );
    let entered = enter(&mut admission, "192.0.2.1", now + limits::UNPROVEN_GRACE);

    assert_eq!(
        entered,
        Verdict::Enter {
            number: 2,
            evict: Some(0)
        }
    );
    assert_eq!(admission.unproven(), 2);
}

#[test]
fn a_full_board_takes_the_place_from_whoever_has_most() {
    let (mut admission, now) = admission(4, 100);
    enter(&mut admission, "198.51.100.1", now);
    for _ in 0..3 {
        enter(&mut admission, "192.0.2.1", now);
    }
    assert_eq!(enter(&mut admission, "203.0.113.1", now), Verdict::Wait);

    let later = now + limits::UNPROVEN_GRACE;
    let entered = enter(&mut admission, "203.0.113.1", later);

    assert_eq!(
        entered,
        Verdict::Enter {
            number: 4,
            evict: Some(1)
        }
    );
}

#[test]
fn neighbours_of_one_prefix_count_together_and_a_wider_prefix_more_loosely() {
    let (mut admission, now) = admission(100, 2);
    enter(&mut admission, "2001:db8:1:1::1", now);
    enter(&mut admission, "2001:db8:1:1::2", now);
    assert_eq!(enter(&mut admission, "2001:db8:1:1::3", now), Verdict::Wait);

    enter(&mut admission, "2001:db8:1:2::1", now);
    assert_eq!(
        enter(&mut admission, "2001:db8:1:3::1", now),
        Verdict::Wait,
        "the /48 is full"
    );
    let entered = enter(&mut admission, "2001:db8:2::1", now);
    assert_eq!(
        entered,
        Verdict::Enter {
            number: 3,
            evict: None
        }
    );
    let mapped = enter(&mut admission, "::ffff:192.0.2.1", now);
    assert_eq!(
        mapped,
        Verdict::Enter {
            number: 4,
            evict: None
        }
    );
}

#[test]
fn whoever_leaves_is_out_of_reach_and_gives_its_place_back() {
    let (mut admission, now) = admission(100, 1);
    enter(&mut admission, "192.0.2.1", now);

    assert!(admission.leave(0));
    assert!(!admission.leave(0));

    assert_eq!(admission.unproven(), 0);
    assert!(admission.counts.is_empty());
    let entered = enter(&mut admission, "192.0.2.1", now + limits::UNPROVEN_GRACE);
    assert_eq!(
        entered,
        Verdict::Enter {
            number: 1,
            evict: None
        }
    );
}

/// 1,000 slow attempts a second from an address must not keep its honest people out: 1,000 hosts
/// and 300 clients that each need 200 ms come within ten seconds, and all of them finish.
#[test]
fn an_honest_crowd_logs_on_while_its_address_is_flooded() {
    let (mut admission, now) = admission(limits::UNPROVEN_MAX, limits::UNPROVEN_PER_ADDRESS);
    let mut honest: Vec<(Duration, u64)> = Vec::new();
    let (mut finished, mut lost) = (0, 0);

    for tick in 0..11_000_u64 {
        let at = ms(tick);
        enter(&mut admission, "192.0.2.1", now + at);
        if tick < 10_000 && tick % 100 < 13 {
            match enter(&mut admission, "192.0.2.1", now + at) {
                Verdict::Enter { number, .. } => honest.push((at + ms(200), number)),
                Verdict::Wait => lost += 1,
            }
        }
        while honest.first().is_some_and(|(due, _)| *due <= at) {
            let (_, number) = honest.remove(0);
            if admission.unproven.contains_key(&number) {
                finished += 1;
                admission.leave(number);
            } else {
                lost += 1;
            }
        }
        assert!(admission.unproven() <= limits::UNPROVEN_PER_ADDRESS);
    }

    assert_eq!((finished, lost), (1_300, 0));
}

#[test]
fn failures_are_forgiven_at_their_rate() {
    let (mut admission, now) = admission(100, 100);
    let from = "192.0.2.1".parse().unwrap();
    let mut failed = |at| admission.failed(from, Attempt::Lookup, now + at);

    let five = (0..5).all(|_| failed(ms(0)));
    assert!(five, "five at once are within the rate");
    assert!(!failed(ms(0)), "a sixth is not");
    assert!(failed(ms(1_000)), "two a second are forgiven");
    assert!(!failed(ms(1_000)));
    for _ in 0..1_000 {
        failed(ms(1_000));
    }
    // However many there were, it is over when one burst has been forgiven.
    assert!(failed(ms(4_000)));
}

#[test]
fn each_kind_of_attempt_and_each_address_has_its_own_account() {
    let (mut admission, now) = admission(100, 100);
    let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    while admission.failed(one, Attempt::Lookup, now) {}

    assert!(admission.failed(one, Attempt::Ticket, now));
    assert!(admission.failed(other, Attempt::Lookup, now));
}

#[test]
fn a_wide_prefix_may_fail_a_few_times_as_often() {
    let (mut admission, now) = admission(100, 100);
    let mut within = 0;
    for subnet in 0..100 {
        let from = format!("2001:db8:1:{subnet:x}::1").parse().unwrap();
        within += usize::from(admission.failed(from, Attempt::Lookup, now));
    }

    assert_eq!(within, 20);
}

#[test]
fn failed_handshakes_close_some_doors_but_never_all() {
    let (mut admission, now) = admission(100, 100);
    let from = "192.0.2.1".parse().unwrap();
    for _ in 0..20 {
        admission.failed(from, Attempt::Handshake, now);
    }
    assert!(!admission.turns_away(from, UNLUCKY, now));

    for _ in 0..1_000 {
        admission.failed(from, Attempt::Handshake, now);
    }

    // An IPv4 address counts as narrow and as wide; the narrow bound is the tighter one.
    let quarter = u16::MAX / 4 * 3 + 3;
    assert!(admission.turns_away(from, UNLUCKY, now));
    assert!(admission.turns_away(from, quarter - 100, now));
    assert!(!admission.turns_away(from, quarter, now));
}

#[test]
fn the_table_of_failures_never_grows_and_forgets_the_least_guilty() {
    let now = Instant::now();
    let mut sources = Sources::new(1, RATES, now);
    let guilty: IpAddr = "192.0.2.1".parse().unwrap();
    while sources.charge(guilty, Attempt::Lookup, now) {}

    for last in 0..=255 {
        let from = IpAddr::from([198, 51, 100, last]);
        assert!(sources.charge(from, Attempt::Lookup, now));
    }

    assert!(!sources.charge(guilty, Attempt::Lookup, now));
}

/// Silent connections from as many addresses as there are places: among equals it is not the
/// youngest, whose grace would keep everybody out for as long as the oldest may stay.
#[test]
fn a_board_full_of_strangers_that_came_alone_makes_room_by_age() {
    let (mut admission, now) = admission(100, 10);
    for number in 0..100_u32 {
        let from = format!("198.51.100.{number}");
        enter(&mut admission, &from, now + ms(10 * u64::from(number)));
    }
    let later = now + ms(10 * 99) + ms(1);

    for number in 0..50 {
        let from = format!("192.0.2.{number}");
        let entered = admission.enter(from.parse().unwrap(), later);
        let evict = Some(number);
        assert!(
            matches!(entered, Verdict::Enter { evict: it, .. } if it == evict),
            "{entered:?}"
        );
    }
    assert_eq!(enter(&mut admission, "192.0.2.99", later), Verdict::Wait);
}
