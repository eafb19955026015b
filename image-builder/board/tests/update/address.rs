//! A bundle over HTTPS: whole, cut short, wrong, slow, elsewhere, from a stranger.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use tasuki_board::places::{self, Topic};
use tasuki_board::slot::{Slot, TRIES};
use tasuki_board::update::Outcome;
use tasuki_board::update::https::{self, FetchError, Limits};

use super::rig::{Image, Rig};
use super::server::{Connection, Server, found, moved};

/// More than a slow machine needs; each test of a limit makes that one short.
const PATIENT: Limits = Limits {
    answer: Duration::from_secs(60),
    silence: Duration::from_secs(60),
    total: Duration::from_secs(60),
};
const SHORT: Duration = Duration::from_millis(500);

/// A board that is told to look there.
fn rig(server: &Server) -> Rig {
    let rig = Rig::new();
    rig.look_at(&server.address, &server.ca);
    rig
}

fn serve(bytes: Vec<u8>) -> Server {
    Server::start(1, move |path, connection| {
        assert_eq!(path, "/tasuki/virt.update");
        connection.write_all(found(bytes.len()).as_bytes())?;
        connection.write_all(&bytes)
    })
}

/// Whether nothing in the other slot can be started.
fn is_dead(rig: &Rig) -> bool {
    rig.partition("BOOT-B")[..512] == [0; 512] && rig.state().tries_left.is_none()
}

#[test]
fn a_newer_system_is_pulled_and_tried() {
    let image = Image::new("0.2.0", 2);
    let server = serve(image.bundle());
    let rig = rig(&server);

    assert_eq!(rig.pull(), Outcome::Restart);

    assert!(rig.holds(&image));
    assert_eq!(rig.state().tries_left, Some(TRIES));
    assert_eq!(rig.warnings(), [""; 0]);
    server.join();
}

#[test]
fn a_board_without_an_address_asks_nobody() {
    let rig = Rig::new();
    assert_eq!(rig.pull(), Outcome::Nothing);
    assert_eq!(rig.warnings(), [""; 0]);
}

#[test]
fn what_is_not_to_be_taken_is_not_even_fetched() {
    let mut image = Image::new("0.1.0", 3);
    image.version = "0.1.0";
    let bundle = image.bundle();
    // Announces a gigabyte and would send it.
    let server = Server::start(1, move |_, connection| {
        connection.write_all(found(1 << 30).as_bytes())?;
        connection.write_all(&bundle)?;
        loop {
            connection.write_all(&[0; 65_536])?;
        }
    });
    let rig = rig(&server);

    assert_eq!(rig.pull(), Outcome::Nothing);

    assert!(rig.is_untouched());
    assert!(
        rig.warnings()[0].contains("has version 0.1.0"),
        "{:?}",
        rig.warnings()
    );
    server.join();
}

#[test]
fn a_bundle_that_is_cut_short_or_wrong_costs_the_slot_nothing() {
    let good = Image::new("0.2.0", 2).bundle();
    for (words, sent) in broken(&good) {
        let server = cut_short(good.len(), sent);
        let rig = rig(&server);

        assert_eq!(rig.pull(), Outcome::Nothing, "{words}");

        assert!(rig.is_untouched(), "{words}");
        assert_eq!(rig.files(places::KEPT), 0, "nothing takes room");
        assert!(rig.warnings()[0].contains(words), "{:?}", rig.warnings());
        server.join();
        // The next time it is whole.
        let server = serve(good.clone());
        rig.look_at(&server.address, &server.ca);
        assert_eq!(rig.pull(), Outcome::Restart);
        assert!(rig.holds(&Image::new("0.2.0", 2)));
        assert_eq!(rig.warnings(), [""; 0]);
        server.join();
    }
}

/// What may come instead of a bundle, and what is said about it.
fn broken(good: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let mut bad = good.to_vec();
    *bad.last_mut().expect("has bytes") ^= 1;
    [
        (
            "ends in the middle",
            good.split_last().expect("has bytes").1.to_vec(),
        ),
        (
            "ends in the middle",
            good.split_at(good.len() / 2).0.to_vec(),
        ),
        ("is damaged: piece 1 of boot", bad),
    ]
}

/// Promises `length` bytes, and sends these.
fn cut_short(length: usize, sent: Vec<u8>) -> Server {
    Server::start(1, move |_, connection| {
        connection.write_all(found(length).as_bytes())?;
        connection.write_all(&sent)
    })
}

#[test]
fn without_a_data_partition_a_broken_bundle_leaves_a_slot_that_nobody_starts() {
    let image = Image::new("0.2.0", 2);
    let good = image.bundle();
    for (words, sent) in broken(&good) {
        let server = cut_short(good.len(), sent);
        let rig = rig(&server);
        Topic::Data
            .warn(&rig.system, Some("data: memory only"))
            .expect("writes");
        // An earlier update waits there for its first start; nobody may start half of two.
        rig.set_state(Slot::A, Some(TRIES));

        assert_eq!(rig.pull(), Outcome::Nothing, "{words}");

        assert!(is_dead(&rig), "{words}");
        server.join();
        // A whole one is taken, all the same.
        let server = serve(good.clone());
        rig.look_at(&server.address, &server.ca);
        assert_eq!(rig.pull(), Outcome::Restart, "{words}");
        assert!(rig.holds(&image), "{words}");
        server.join();
    }
}

/// Why reading fails, and after how long.
fn fails_after(
    limits: Limits,
    answer: impl Fn(&str, &mut Connection) -> io::Result<()> + Send + 'static,
) -> (String, Duration) {
    let server = Server::start(1, answer);
    let begin = Instant::now();
    let read = https::get(&server.address, Some(&server.ca), limits)
        .map_err(io::Error::other)
        .and_then(|mut body| body.read_to_end(&mut Vec::new()));
    let why = read.expect_err("is slow, and was read").to_string();
    let elapsed = begin.elapsed();
    server.join();
    (why, elapsed)
}

/// Sends a byte every now and then, until the board hangs up; ends if it does not.
fn trickle(connection: &mut Connection) -> io::Result<()> {
    for _ in 0..500 {
        connection.write_all(b"x")?;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn a_slow_server_is_given_up_at_each_stage() {
    type Answer = fn(&str, &mut Connection) -> io::Result<()>;
    let stages: [(Limits, &str, Answer); 3] = [
        (
            Limits {
                answer: SHORT,
                ..PATIENT
            },
            "no answer in time",
            |_, connection| {
                connection.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ")?;
                trickle(connection)
            },
        ),
        (
            Limits {
                total: SHORT,
                ..PATIENT
            },
            "it takes too long",
            |_, connection| {
                connection.write_all(found(1 << 20).as_bytes())?;
                trickle(connection)
            },
        ),
        (
            Limits {
                silence: SHORT,
                ..PATIENT
            },
            "nothing more comes",
            |_, connection| {
                connection.write_all(found(1 << 20).as_bytes())?;
                // Until the board hangs up.
                connection.read_to_end(&mut Vec::new()).map(|_| ())
            },
        ),
    ];
    for (limits, words, answer) in stages {
        let (why, elapsed) = fails_after(limits, answer);
        assert!(why.contains(words), "{words}: {why}");
        assert!(elapsed >= SHORT, "{words}: {elapsed:?}");
    }
}

#[test]
fn redirects_are_followed_within_https_and_not_for_ever() {
    let image = Image::new("0.2.0", 2);
    let bundle = image.bundle();
    let (sender, receiver) = std::sync::mpsc::sync_channel::<String>(4);
    let server = Server::start(2, move |path, connection| {
        if path == "/tasuki/virt.update" {
            let base = receiver.recv().expect("is told");
            return connection.write_all(moved(&format!("{base}/elsewhere")).as_bytes());
        }
        connection.write_all(found(bundle.len()).as_bytes())?;
        connection.write_all(&bundle)
    });
    sender.send(server.address.clone()).expect("listens");
    let rig = rig(&server);
    assert_eq!(rig.pull(), Outcome::Restart);
    assert!(rig.holds(&image));
    server.join();

    for (to, connections) in [("http://127.0.0.1/", 1), ("/relative", 1)] {
        let server = Server::start(connections, move |_, connection| {
            connection.write_all(moved(to).as_bytes())
        });
        let refused = https::get(&server.address, Some(&server.ca), https::LIMITS);
        assert!(matches!(refused, Err(FetchError::Redirect)), "{refused:?}");
        server.join();
    }
    let (sender, receiver) = std::sync::mpsc::sync_channel::<String>(4);
    let server = Server::start(4, move |_, connection| {
        let base = receiver.recv().expect("is told");
        connection.write_all(moved(&base).as_bytes())
    });
    for _ in 0..4 {
        sender.send(server.address.clone()).expect("listens");
    }
    let refused = https::get(&server.address, Some(&server.ca), https::LIMITS);
    assert!(matches!(refused, Err(FetchError::Redirect)), "{refused:?}");
    server.join();
}

#[test]
fn strangers_and_missing_files_are_named() {
    let server = Server::start(1, |_, connection| {
        connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    });
    let rig = rig(&server);
    assert_eq!(rig.pull(), Outcome::Nothing);
    assert!(
        rig.warnings()[0].contains("answers 404"),
        "{:?}",
        rig.warnings()
    );
    assert!(rig.is_untouched());
    server.join();

    let other = Server::start(0, |_, _| Ok(()));
    let server = serve(Vec::new());
    let refused = https::get(&server.address, Some(&other.ca), https::LIMITS);
    let refused = refused.expect_err("is a stranger").to_string();
    assert!(refused.contains("certificate"), "{refused}");
    server.join();
    // Without a CA of its own, those of browsers count.
    let server = serve(Vec::new());
    let refused = https::get(&server.address, None, https::LIMITS);
    assert!(refused.is_err(), "no browser knows that CA");
    server.join();
    let refused = https::get("https://127.0.0.1:9/x", Some("no PEM"), https::LIMITS);
    assert!(matches!(refused, Err(FetchError::Authority)));
}
