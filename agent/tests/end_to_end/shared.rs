//! What becomes of sessions that a program serves on its standard input and output: the desktop
//! of whoever is logged on is shared like that. A shell script is in its place.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use protocol::desktop::LEAVE_FULL_SCREEN;

use crate::harness::{
    Host, Lab, Open, PASSWORD, PATIENCE, Process, Target, noise, round_trip, script, wait_for,
};

/// Connects, and stays until its client ends it.
const VIEWER: &str = r#"#!/bin/bash
address="${1#/v:}"
exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
read -r never <&3
"#;

/// What a client says that hears of the wish.
const ASKED: &str = "The office PC asks to leave full screen";

/// An office PC that shares what `script` is.
fn sharing(lab: &Lab, script: &str) -> Host {
    // Its desktop service is not asked.
    let target = Target::new(|_| panic!("somebody came to the desktop service"));
    let mut host = Host::prepare(lab, "office", target.address);
    host.share(lab, script);
    host
}

/// The first line that comes.
fn line(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while stream.read(&mut byte).expect("there is more") == 1 && byte != *b"\n" {
        text.push(char::from(byte[0]));
    }
    text
}

fn runs(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn each_connection_has_a_program_of_its_own_that_ends_with_it() {
    let lab = Lab::new();
    let host = sharing(&lab, "echo $$; exec cat");
    let open = lab.client("home").open(&host.id);

    let (one, other) = (open.connect(), open.connect());
    let (first, second) = (line(&one), line(&other));
    assert!(first != second && runs(&first) && runs(&second));
    round_trip(&one, &noise(1, 1 << 20));
    round_trip(&other, &noise(2, 5000));
    one.shutdown(Shutdown::Write).expect("is open");

    assert_eq!((&one).read(&mut [0; 1]).expect("ends in order"), 0);
    wait_for("the end of the program", PATIENCE, || {
        (!runs(&first)).then_some(())
    });
    assert!(runs(&second));
    round_trip(&other, b"still here");
}

#[test]
fn the_next_connection_shares_copied_text_only_if_settings_allow_it() {
    let lab = Lab::new();
    let host = sharing(&lab, "echo $*; exec cat");
    let open = lab.client("home").open(&host.id);

    let before = line(&open.connect());
    host.configure("clipboard = false\n");
    let reload = host.command("reload").output().expect("starts");
    let after = line(&open.connect());

    assert!(before.ends_with(" --clipboard"), "{before}");
    assert_eq!(reload.status.code(), Some(0), "{reload:?}");
    assert!(!after.contains("--clipboard"), "{after}");
    assert!(after.starts_with("--certificate "), "{after}");
}

#[test]
fn a_program_that_dies_ends_its_own_connection_only() {
    let lab = Lab::new();
    let host = sharing(&lab, "read word; [ $word = die ] && kill -9 $$; exec cat");
    let open = lab.client("home").open(&host.id);
    let (mut one, mut other) = (open.connect(), open.connect());
    other.write_all(b"live\n").expect("is taken");
    round_trip(&other, b"well");

    one.write_all(b"die\n").expect("is taken");

    let end = one.read(&mut [0; 1]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    round_trip(&other, b"still here");
    let mut third = open.connect();
    third.write_all(b"live\n").expect("is taken");
    round_trip(&third, b"and a new one");
}

#[test]
fn what_a_program_says_is_in_the_hosts_log_but_no_more_than_a_log_can_bear() {
    let lab = Lab::new();
    let script = "echo out of memory >&2; yes says too much >&2; echo done; exec cat";
    let host = sharing(&lab, script);
    let open = lab.client("home").open(&host.id);

    // It goes on after nobody listens to it any more.
    assert_eq!(line(&open.connect()), "done");

    let said = wait_for("what it says", PATIENCE, || {
        let log = host.log();
        log.contains("says too much").then_some(log)
    });
    assert!(
        said.contains("Desktop program said") && said.contains("out of memory"),
        "{said}"
    );
    assert!(said.matches("says too much").count() <= 16 * 1024 / 14);
}

#[test]
fn the_wish_to_leave_full_screen_reaches_who_has_started_the_viewer_and_no_log() {
    let lab = Lab::new();
    // As fast as it is heard; and a line that is none.
    let wishes = format!("echo now {LEAVE_FULL_SCREEN} >&2; yes '{LEAVE_FULL_SCREEN}' >&2 &");
    let host = sharing(&lab, &format!("{wishes} exec cat"));
    let viewer = lab.path("viewer");
    script(&viewer, VIEWER);
    let client = |name, arguments: &[&str]| {
        let client = lab.client(name);
        client.configure(&format!("viewer = {viewer:?}\n"));
        client.put("password", &format!("{PASSWORD}\n"));
        let password = fs::File::open(client.path("password")).expect("a file");
        let mut command = client.connect_command(&host.id);
        command.arg("--verbose").args(arguments).stdin(password);
        Process::start("tasuki-client", &lab.logs(), &mut command)
    };
    let asked = |process: &Process| process.complained().matches(ASKED).count();

    let viewing = client("home", &[]);
    wait_for("the second wish", PATIENCE, || {
        (asked(&viewing) > 1).then_some(())
    });

    // Who has started no viewer has nothing to take off the screen, and is served all the same.
    let lending = client("elsewhere", &["--no-launch"]);
    let address = wait_for("an address", PATIENCE, || {
        lending.said().trim().parse().ok()
    });
    let open = Open {
        process: lending,
        address,
    };
    round_trip(&open.connect(), &noise(3, 1 << 20));
    assert_eq!(asked(&open.process), 0);

    drop((viewing, open));
    let told = "Desktop program said";
    let log = wait_for("what else was said", PATIENCE, || {
        let log = host.log();
        (log.matches(told).count() == 2).then_some(log)
    });
    let lines = log.matches(LEAVE_FULL_SCREEN).count();
    assert_eq!(lines, 2, "{log}");
}

#[test]
fn a_program_hears_that_its_viewer_is_gone_and_one_that_stays_is_killed() {
    let lab = Lab::new();
    let told = lab.path("told");
    let script = format!(
        "echo $$; cat > /dev/null; touch {told}; exec sleep 600",
        told = told.display()
    );
    let host = sharing(&lab, &script);
    let open = lab.client("home").open(&host.id);
    let stream = open.connect();
    let process = line(&stream);
    assert!(runs(&process) && !told.exists());

    // Its client is killed.
    drop(open);

    wait_for("the end of what the program hears", PATIENCE, || {
        told.exists().then_some(())
    });
    wait_for("the end of the program", PATIENCE, || {
        (!runs(&process)).then_some(())
    });
}

#[test]
fn without_the_program_beside_it_the_host_says_what_to_do() {
    let lab = Lab::new();
    let host = Host::prepare(&lab, "office", Target::echo().address);

    let output = host.command("run").arg("--desktop").output();

    let output = output.expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no tasuki-desktop beside"), "{said}");
}
