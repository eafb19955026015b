//! Whoever dies, the others work again without help.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::harness::{Host, Lab, PASSWORD, PATIENCE, Target, round_trip, wait_for, works};

/// The host's backoff at its cap, and the time to link: longer than this is not "by itself".
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// Times after the start of a call. They fall into its TLS handshakes, the invite, the password
/// check and the session.
const STAGES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(30),
    Duration::from_millis(80),
    Duration::from_millis(200),
    Duration::from_millis(450),
    Duration::from_millis(900),
];

#[test]
fn a_relay_that_lost_its_store_takes_its_hosts_back_and_gives_their_ids_to_nobody() {
    let mut lab = Lab::new();
    let target = Target::echo();
    let host = lab.host("office", target.address);

    lab.kill_relay();
    lab.delete_store();
    lab.start_relay();
    let began = Instant::now();
    host.wait_until_linked_within(BACK_WITHIN);
    println!("linked again after {:?}", began.elapsed());

    assert_eq!(host.status()["computer_id"], "office");
    let mut thief = Host::prepare(&lab, "thief", target.address);
    thief.wish("office");
    thief.run();
    thief.wait_until_linked();
    assert_ne!(thief.status()["computer_id"], "office");
    let trouble = thief.status()["trouble"]["text"].to_string();
    assert!(
        trouble.contains("Another computer already has this ID"),
        "{trouble}"
    );
    works(&lab.client("home").open(&host.id));
}

#[test]
fn a_killed_relay_ends_the_session_and_all_meet_again() {
    let mut lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    let open = client.open(&host.id);
    works(&open);

    lab.kill_relay();
    open.ended(PATIENCE).says(89, &["was lost"]);
    wait_for("the host to notice", PATIENCE, || {
        (!host.is_linked()).then_some(())
    });
    lab.start_relay();

    host.wait_until_linked_within(BACK_WITHIN);
    works(&client.open(&host.id));
}

#[test]
fn a_killed_host_ends_the_session_and_comes_back_with_its_id() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    let open = client.open(&host.id);
    works(&open);

    host.kill();
    open.ended(PATIENCE).says(89, &["was lost"]);
    host.run();

    host.wait_until_linked_within(BACK_WITHIN);
    works(&client.open(&host.id));
}

#[test]
fn a_killed_client_leaves_the_host_free_for_the_next() {
    let lab = Lab::new();
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.configure("max_sessions = 1\n");
    host.run();
    host.wait_until_linked();
    let client = lab.client("home");
    let mut open = client.open(&host.id);
    works(&open);

    open.process.kill();

    wait_for("the end of the session", PATIENCE, || {
        let sessions = host.status()["sessions"].as_array().map(Vec::len);
        (sessions == Some(0)).then_some(())
    });
    works(&client.open(&host.id));
}

#[test]
fn a_host_that_stood_still_until_the_relay_gave_it_up_is_linked_again() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    let open = client.open(&host.id);
    works(&open);

    // As a virtual machine that is paused, or a PC that sleeps, session and all.
    host.process().freeze();
    wait_for("the relay to give the host up", PATIENCE, || {
        (lab.relay_status()["hosts"]["online"] == 0).then_some(())
    });
    open.ended(PATIENCE).says(89, &["was lost"]);
    host.process().go_on();

    wait_for("the host at the relay", BACK_WITHIN, || {
        (lab.relay_status()["hosts"]["online"] == 1).then_some(())
    });
    works(&client.open(&host.id));
}

#[test]
fn a_clock_wrong_by_years_is_named_and_the_host_comes_back_when_it_is_right() {
    const YEARS: i64 = 3 * 366 * 86_400;
    let lab = Lab::new();
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    let clock = lab.path("clock");
    let set = |seconds: i64| {
        let fresh = lab.path("clock.new");
        std::fs::write(&fresh, format!("{seconds:+}\n")).expect("is written");
        std::fs::rename(fresh, &clock).expect("is put in place");
    };
    host.set("LD_PRELOAD", fake_clock());
    host.set("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("is text"));
    host.set("FAKETIME_NO_CACHE", "1");
    host.set("FAKETIME_DISABLE_SHM", "1");
    host.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    set(-YEARS);
    host.run();

    wait_for("the words", PATIENCE, || {
        let trouble = host.status()["trouble"]["text"].to_string();
        trouble
            .contains("The clock of this PC is probably slow")
            .then_some(())
    });
    set(0);

    host.wait_until_linked_within(BACK_WITHIN);
    works(&lab.client("home").open(&host.id));
}

#[test]
fn a_relay_whose_name_leads_elsewhere_is_found_by_both_ends() {
    let mut lab = Lab::named("relay.tasuki.test");
    let names = lab.path("names");
    let mut change = UNIX_EPOCH;
    let mut lead_to = |place: IpAddr| {
        std::fs::write(&names, format!("{place} relay.tasuki.test\n")).expect("is written");
        // A change within the same second is not seen otherwise.
        change += Duration::from_secs(1);
        let file = std::fs::File::options().append(true).open(&names);
        file.and_then(|file| file.set_modified(change))
            .expect("gets another time");
    };
    let list = names.to_str().expect("is text");
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    let mut client = lab.client("home");
    for (name, value) in [
        ("LD_PRELOAD", fake_names().as_str()),
        ("NSS_WRAPPER_HOSTS", list),
    ] {
        host.set(name, value);
        client.set(name, value);
    }
    lead_to(lab.relay_address.ip());
    host.run();
    host.wait_until_linked();
    let open = client.open(&host.id);
    works(&open);

    lab.move_relay(Ipv4Addr::new(127, 0, 0, 2));
    open.ended(PATIENCE).says(89, &["was lost"]);
    lead_to(lab.relay_address.ip());

    host.wait_until_linked_within(BACK_WITHIN);
    works(&client.open(&host.id));
}

/// Shows a program another time of day (Debian: faketime).
fn fake_clock() -> String {
    preloaded("faketime/libfaketime.so.1", "faketime")
}

/// Shows a program names of its own (Debian: libnss-wrapper).
fn fake_names() -> String {
    preloaded("libnss_wrapper.so", "libnss-wrapper")
}

fn preloaded(library: &str, package: &str) -> String {
    let library = format!("/usr/lib/{}-linux-gnu/{library}", std::env::consts::ARCH);
    assert!(
        std::path::Path::new(&library).exists(),
        "no {library}: apt-get install {package}"
    );
    library
}

#[test]
fn a_host_killed_at_any_stage_of_a_call_leaves_nobody_waiting() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    let client = lab.client("home");

    for delay in STAGES {
        let mut call = client.start(&host.id, PASSWORD);
        std::thread::sleep(delay);
        host.kill();
        let code = call.ended(PATIENCE).code();
        assert_ne!(
            code,
            Some(0),
            "killed after {delay:?}: {}",
            call.complained()
        );
        assert!(
            call.complained().contains("What to do") || code == Some(89),
            "{}",
            call.complained()
        );
        host.run();
        host.wait_until_linked_within(BACK_WITHIN);
    }

    works(&client.open(&host.id));
}

#[test]
fn a_relay_killed_at_any_stage_of_a_call_leaves_nobody_waiting() {
    // A lab for each: a relay that dies again and again makes its hosts wait longer each time.
    for delay in STAGES {
        let mut lab = Lab::new();
        let host = lab.host("office", Target::echo().address);
        let client = lab.client("home");
        let mut call = client.start(&host.id, PASSWORD);
        std::thread::sleep(delay);
        lab.kill_relay();
        let code = call.ended(PATIENCE).code();
        let words = call.complained();
        assert_ne!(code, Some(0), "killed after {delay:?}: {words}");
        lab.start_relay();
        host.wait_until_linked_within(BACK_WITHIN);
        works(&client.open(&host.id));
    }
}

#[test]
fn draining_refuses_new_sessions_and_ends_none_before_the_deadline() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    let open = client.open(&host.id);
    let stream = open.connect();

    let began = Instant::now();
    lab.ask_relay(&["drain", "--deadline", "4s"]);
    client
        .refused(&host.id)
        .says(82, &["about to stop for maintenance"]);
    while began.elapsed() < Duration::from_secs(3) {
        round_trip(&stream, b"are you there?");
    }
    let refused = open.ended(PATIENCE);

    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "ended after {:?}",
        began.elapsed()
    );
    refused.says(89, &["was lost"]);
}
