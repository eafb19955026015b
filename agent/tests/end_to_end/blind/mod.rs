//! The relay is blind: neither the password nor a word of a session is anywhere in it.
//!
//! A session runs with a random password and random texts both ways. Everything of the relay is
//! searched while it flows, and again when neither end takes anything any more, so that bytes wait
//! in the relay in both directions.
//!
//! That the search would find them is shown twice:
//! - *Sealed*: pieces of what the agents sent to the relay (noted in front of it) are found inside
//!   of it, so the search looks where the session's bytes are.
//! - *Canary*: a second client calls as the first did, by the same program, through the same relay,
//!   up to a joined session; but where its tunnel would begin, a text goes into the session bare,
//!   in every form that is searched for, and waits there as the first session's bytes do. The same
//!   search of the same places must find every form.
//!
//! Swap needs no search of its own: reading a process's memory brings back what lies there.

mod needle;
mod place;
mod tap;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use memchr::memmem::Finder;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::harness::{Client, Host, Lab, Open, PATIENCE, Target, is_root, wait_for};

use needle::Needle;
use place::{Kind, Place};
use tap::Tap;

/// Bytes that have passed before anything is stopped; more than all buffers together.
const FLOW: f64 = 16_777_216.0;
/// Connections in a tunnel: each may have 1 MiB on its way.
const STREAMS: usize = 4;

#[test]
fn nothing_is_found_of_sessions_that_are_copied() {
    nothing_is_found_with("copy");
}

#[test]
fn nothing_is_found_of_sessions_that_are_spliced() {
    nothing_is_found_with("splice");
}

fn nothing_is_found_with(data_path: &str) {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let [password, up, down, canary] = [
        "password",
        "text to the host",
        "text to the client",
        "canary",
    ]
    .map(|name| Needle::random(name, &mut rng));
    let mut settings = format!("data_path = \"{data_path}\"\nworkers = 1\n");
    if !is_root() {
        // Only root may look into a process that has confined itself.
        settings.push_str("sandbox = false\n");
    }
    let mut lab = Lab::without_relay(&settings);
    lab.log_everything();
    let front = lab.relay_address;
    let tap = Tap::new(front, lab.hide_relay());
    lab.start_relay();
    let secrets = [&password, &up, &down];

    let call = Call::new(&lab, &password, &up, &down);
    wait_for("bytes both ways", PATIENCE, || {
        let page = scrape(&lab);
        let passed = |to| value(&page, &format!("tasuki_bytes_total{{to=\"{to}\"}}"));
        (passed("host") > FLOW && passed("client") > FLOW).then_some(())
    });
    expect_none("flowing", &secrets, &everything_of(&mut lab));

    tap.hold();
    let stalled = wait_for("sealed bytes that wait in the relay", PATIENCE, || {
        let places = everything_of(&mut lab);
        let held = places.iter().find(|place| match place.kind {
            // Little, and nothing else.
            Kind::Pipe => tap.has_seen(middle(&place.bytes)),
            // Much, and of everything.
            Kind::OwnMemory => tap.pieces().any(|piece| contains(place, &piece)),
            Kind::Other => false,
        });
        println!("sealed bytes of the session are in {}", held?.name);
        Some(places)
    });
    expect_none("stalled", &secrets, &stalled);

    let target = Target::echo();
    let host = prepare(&lab, "canary", &password, target.address);
    let planting = tap.plant();
    let _caller = lab.client("canary-home").start(&host.id, &password.text);
    planting.begun.recv_timeout(PATIENCE).expect("a tunnel");
    wait_for("the second session", PATIENCE, || {
        (lab.relay_status()["sessions"]["now"] == 2).then_some(())
    });
    tap.hold();
    planting.say.send(canary.planted()).expect("the tap waits");
    planting.said.recv_timeout(PATIENCE).expect("all is full");
    let places = wait_for("all of the canary in the relay", PATIENCE, || {
        let places = everything_of(&mut lab);
        for form in &canary.forms {
            let found = places.iter().find(|place| contains(place, &form.core));
            println!("canary, {}: in {:?}", form.name, found.map(|it| &it.name));
            if found.is_none() {
                // What the relay took last may have been a few bytes, which then wait for ever.
                tap.lose_some();
                return None;
            }
        }
        Some(places)
    });
    expect_none("with a canary", &secrets, &places);
    drop(call);
}

/// A session whose connections carry one text towards the host and another towards the client, for
/// as long as somebody takes them.
struct Call {
    _host: Host,
    _open: Open,
}

impl Call {
    fn new(lab: &Lab, password: &Needle, up: &Needle, down: &Needle) -> Self {
        let down = down.text.clone();
        let target = Target::new(move |stream| carry(stream, &down));
        let host = prepare(lab, "office", password, target.address);
        let client: Client = lab.client("home");
        let open = client.open_with(&host.id, &password.text);
        for _ in 0..STREAMS {
            let (stream, up) = (open.connect(), up.text.clone());
            std::thread::spawn(move || carry(stream, &up));
        }
        Self {
            _host: host,
            _open: open,
        }
    }
}

fn prepare(lab: &Lab, name: &str, password: &Needle, target: SocketAddr) -> Host {
    let mut host = Host::without_password(lab, name, target);
    host.set_password(&password.text);
    host.run();
    host.wait_until_linked();
    host
}

/// Says a text again and again, and takes what comes, until the session ends with the test.
fn carry(stream: TcpStream, text: &str) {
    let block = text.repeat(1_000);
    std::thread::scope(|scope| {
        scope.spawn(|| while (&mut &stream).write_all(block.as_bytes()).is_ok() {});
        let mut bytes = [0; 65_536];
        while let Ok(1..) = (&mut &stream).read(&mut bytes) {}
    });
}

/// Everything of the relay, at one moment.
fn everything_of(lab: &mut Lab) -> Vec<Place> {
    let mut places = vec![
        Place::new("metrics", scrape(lab)),
        Place::new("status", lab.ask_relay(&["status"])),
        Place::new("status --json", lab.ask_relay(&["status", "--json"])),
    ];
    let process = lab.relay();
    process.freeze();
    let id = process.id();
    wait_for("the relay to stand still", PATIENCE, || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        status.contains("State:\tT").then_some(())
    });
    places.extend(place::memory(id));
    places.extend(place::descriptors(id));
    process.go_on();
    places.push(Place::new("standard output", process.said()));
    places.push(Place::new("log", process.complained()));
    for name in ["relay", "run", "relay.toml", "node.toml"] {
        places.extend(place::files(&lab.path(name)));
    }
    let bytes: usize = places.iter().map(|place| place.bytes.len()).sum();
    println!("{} places, {bytes} bytes", places.len());
    places
}

fn contains(place: &Place, text: &[u8]) -> bool {
    Finder::new(text).find(&place.bytes).is_some()
}

/// A piece of it, if it is not too short for one.
fn middle(bytes: &[u8]) -> &[u8] {
    let half = bytes.get(bytes.len() / 2..);
    half.and_then(|half| half.get(..tap::PIECE))
        .unwrap_or_default()
}

fn expect_none(when: &str, secrets: &[&Needle], places: &[Place]) {
    for secret in secrets {
        for form in &secret.forms {
            let finder = Finder::new(&form.core);
            for place in places {
                let found = finder.find(&place.bytes);
                let (secret, form, place) = (secret.name, form.name, &place.name);
                assert_eq!(found, None, "{when}: the {secret} ({form}) is in {place}");
            }
        }
    }
}

fn scrape(lab: &Lab) -> String {
    let status = lab.relay_status();
    let address = status["metrics"].as_str().expect("metrics are on");
    let mut stream = TcpStream::connect(address).expect("is listened on");
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .expect("is taken");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("is text");
    page
}

fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|rest| rest.trim().parse().ok())
        .unwrap_or_else(|| panic!("{series} is missing in:\n{page}"))
}
