//! What whoever looks after an office PC sees: names, identities, status, logs.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Host, Lab, PATIENCE, Process, Target, program, wait_for, works};

#[test]
fn a_running_host_takes_a_new_name_and_its_session_goes_on() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    let open = client.open(&host.id);
    let stream = open.connect();

    let said = host.done(host.command("rename").arg("Soumu-Hanako"));

    assert!(
        said.contains("now has the computer ID soumu-hanako"),
        "{said}"
    );
    crate::harness::round_trip(&stream, b"still here");
    client.refused("office").says(83, &[]);
    works(&client.open("soumu-hanako"));
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_old_one_stays() {
    let lab = Lab::new();
    let target = Target::echo();
    let (first, second) = (
        lab.host("first", target.address),
        lab.host("second", target.address),
    );

    let refused = second
        .command("rename")
        .arg("first")
        .output()
        .expect("starts");

    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("keeps second") && said.contains("already has this ID"),
        "{said}"
    );
    let client = lab.client("home");
    works(&client.open(&first.id));
    works(&client.open(&second.id));
}

#[test]
fn a_cloned_disk_is_told_and_becomes_a_pc_of_its_own() {
    let lab = Lab::new();
    let target = Target::echo();
    let original = lab.host("original", target.address);
    let mut copy = Host::cloned(&lab, &original, "copy");

    copy.run();

    wait_for("the explanation", PATIENCE, || {
        let trouble = copy.status()["trouble"]["text"].to_string();
        trouble.contains("reset-identity").then_some(())
    });
    assert!(original.is_linked());
    copy.done(copy.command("reset-identity").arg("--yes"));
    copy.wait_until_linked();
    let id = copy.status()["computer_id"]
        .as_str()
        .expect("an ID")
        .to_owned();
    assert_ne!(id, "original");
    let client = lab.client("home");
    works(&client.open(&id));
    works(&client.open(&original.id));
}

#[test]
fn a_malformed_id_is_refused_with_the_rule() {
    let lab = Lab::without_relay("");
    let mut init = Command::new(program("tasuki-host"));
    init.arg("--state").arg(lab.path("office")).arg("init");

    let refused = init
        .args(["--id", "no good", "--entry"])
        .arg(lab.entry())
        .output();

    let refused = refused.expect("starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(
        said.contains("letters A to Z, digits, '-' and '_'"),
        "{said}"
    );
}

#[test]
fn a_second_host_with_the_same_state_is_refused() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);

    let mut second = Process::start("second", &lab.logs(), &mut host.command("run"));

    assert_eq!(second.ended(PATIENCE).code(), Some(1));
    assert!(
        second.complained().contains("uses"),
        "{}",
        second.complained()
    );
    assert!(host.is_linked());
}

#[test]
fn status_tells_how_the_host_stands_running_or_not() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    let _open = lab.client("home").open(&host.id);

    let running = host.done(&mut host.command("status"));
    for word in [
        "office",
        "linked to board-1",
        "Sessions:     1",
        "127.0.0.1",
    ] {
        assert!(running.contains(word), "'{word}' is missing in:\n{running}");
    }
    host.kill();
    let output = host.command("status").output().expect("starts");
    let resting = String::from_utf8_lossy(&output.stdout);

    assert_eq!(output.status.code(), Some(1));
    assert!(
        resting.contains("office") && resting.contains("does not run"),
        "{resting}"
    );
}

#[test]
fn sessions_are_logged_to_daily_files_and_to_syslog_without_secrets() {
    let syslog = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    syslog
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a deadline");
    let lab = Lab::new();
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    let address = syslog.local_addr().expect("is bound");
    host.configure(&format!("[log]\nsyslog = \"{address}\"\n"));
    host.run();
    host.wait_until_linked();
    let open = lab.client("home").open(&host.id);
    works(&open);
    wait_for("the end of the stream", PATIENCE, || {
        host.log().contains("Stream ended").then_some(())
    });
    open.process.interrupt();
    open.ended(PATIENCE);

    let expected = [
        "Client let in",
        "Stream ended",
        "to_local=14 to_tunnel=14",
        "Session ended",
    ];
    let mut datagrams = String::new();
    wait_for("the datagrams", PATIENCE, || {
        let mut datagram = [0; 2048];
        let length = syslog.recv(&mut datagram).ok()?;
        datagrams += &String::from_utf8_lossy(&datagram[..length]);
        expected
            .iter()
            .all(|words| datagrams.contains(words))
            .then_some(())
    });
    let mut days = fs::read_dir(host.state().join("host/log")).expect("a folder of logs");
    let day = days.next().expect("a file").expect("can be read").path();
    let log = fs::read_to_string(&day).expect("can be read");
    for words in expected {
        assert!(log.contains(words), "'{words}' is missing in:\n{log}");
    }
    assert!(
        datagrams.starts_with('<') && datagrams.contains(">1 "),
        "{datagrams}"
    );
    for said in [&log, &datagrams, &host.log()] {
        assert!(
            !said.contains("Maple") && !said.contains("are you there"),
            "{said}"
        );
    }
}
