//! `tasuki-relay` as systemd and an operator see it: a process, its signals, its exit codes.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use relay_testkit::{PATIENCE, Site};
use tasuki_relay::admin::status::Phase;
use tasuki_relay::limits;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tasuki-relay");
fn new_site(more: &str) -> Site {
    Site::new(PROGRAM, more)
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_tells_systemd_that_it_serves_and_lives_and_stops() {
    let site = new_site("drain_deadline = \"1h\"");
    let mut relay = site.start();

    let status = site.status();
    assert_eq!(
        (status.phase, status.name.as_str()),
        (Phase::Serving, "alpha")
    );
    assert_ne!(status.listen[0].port(), 0);
    assert!(TcpStream::connect(status.listen[0]).is_ok());
    assert_eq!(status.warnings, [""; 0]);
    relay.hear("WATCHDOG=1");

    // No session is left, so the deadline of an hour is not waited for.
    relay.signal("TERM");
    relay.hear("STOPPING=1");
    assert_eq!(relay.exit_code(), Some(0));
    assert!(!site.path("run/control.sock").exists());
    assert!(TcpStream::connect(status.listen[0]).is_err());
}

/// The relay speaks to systemd every few seconds: the log must not hear of each time in vain.
#[test]
fn a_systemd_that_does_not_listen_is_logged_once() {
    let site = new_site("");
    let relay = site.start();
    std::fs::remove_file(site.path("notify")).expect("is there");
    let logged = |text: &str| relay.log().matches(text).count();
    let wait_for = |text: &str| {
        let began = Instant::now();
        while logged(text) == 0 {
            assert!(began.elapsed() < PATIENCE, "{}", relay.log());
            std::thread::sleep(limits::ACCEPT_PAUSE);
        }
    };
    wait_for("Cannot tell systemd");
    // Two more of its messages.
    std::thread::sleep(2 * limits::WATCH_INTERVAL);

    let socket = UnixDatagram::bind(site.path("notify")).expect("a socket");
    std::fs::set_permissions(site.path("notify"), Permissions::from_mode(0o777)).expect("mine");
    wait_for("systemd listens again");

    assert_eq!(logged("Cannot tell systemd"), 1, "{}", relay.log());
    drop(socket);
}

#[test]
fn a_drain_is_told_to_everybody() {
    let site = new_site("");
    let relay = site.start();
    assert_eq!(relay.metrics().get("tasuki_serving"), 1.0);

    let drain = site.ask(&["drain", "--deadline", "2h"]);

    assert_eq!(
        text(&drain.stdout),
        "Draining: 0 sessions left, ended after 2 h 0 min at the latest.\n"
    );
    assert_eq!(site.status().phase, Phase::Draining);
    assert_eq!(relay.metrics().get("tasuki_serving"), 0.0);
    let human = text(&site.ask(&["status"]).stdout);
    assert!(human.contains("\nstate           drained\n"), "{human}");
    assert_eq!(code(&site.ask(&["drain", "--deadline", "25h"])), Some(64));
}

#[test]
fn the_control_socket_is_private_and_bounded() {
    let site = new_site("");
    let _relay = site.start();
    let socket = site.path("run/control.sock");
    let mode = std::fs::metadata(&socket)
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let ask = |line: &str| {
        let mut stream = UnixStream::connect(&socket).expect("connects");
        stream.write_all(line.as_bytes()).expect("writes");
        let mut answer = String::new();
        // A reset after the answer, because not all of the line was read, is no matter here.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let longest = usize::try_from(limits::ADMIN_REQUEST_MAX).expect("small");
    let padded = |length: usize| format!("{:<1$}\n", r#"{"command":"status"}"#, length - 1);
    assert!(ask(&padded(longest)).starts_with(r#"{"answer":"status""#));
    assert!(ask(&padded(longest + 1)).contains("too long"));
    assert!(ask("{\"command\":\"stop\"}\n").contains("not a request"));

    // Programs that say nothing hold every place, for a while.
    let silent: Vec<UnixStream> = (0..limits::OPERATOR_CONNECTIONS)
        .map(|_| UnixStream::connect(&socket).expect("connects"))
        .collect();
    let begin = Instant::now();
    assert_eq!(site.status().phase, Phase::Serving);
    assert!(
        begin.elapsed() > limits::OPERATOR_TIMEOUT / 2,
        "there was a free place"
    );
    drop(silent);
}

#[test]
fn a_second_relay_is_refused_and_a_killed_one_replaced() {
    let site = new_site("");
    let mut relay = site.start();

    let second = site.ask(&["run"]);
    assert_eq!(code(&second), Some(69));
    assert!(text(&second.stderr).contains("another relay uses the store"));
    let restore = site.ask(&["registrar", "restore"]);
    assert_eq!(code(&restore), Some(69));
    assert!(text(&restore.stderr).contains("stop the relay first"));
    assert_eq!(site.status().phase, Phase::Serving);

    relay.kill();
    relay.exit_code();
    assert!(site.path("run/control.sock").exists(), "it was left behind");
    assert_eq!(code(&site.ask(&["status"])), Some(69));
    let _next = site.start();
    assert_eq!(site.status().phase, Phase::Serving);
}

#[test]
fn a_renewed_certificate_is_taken_and_a_wrong_one_is_not() {
    let site = new_site("");
    let relay = site.start();
    let days = |site: &Site| site.status().certificate.days_left;
    assert_eq!(days(&site), 99);

    site.write_node(20);
    relay.signal("HUP");
    let begin = Instant::now();
    while days(&site) != 19 {
        assert!(begin.elapsed() < PATIENCE, "not taken");
    }
    assert!(site.status().warnings[0].starts_with("certificate expires in 19 days"));

    std::fs::write(site.path("node.toml"), "format = 1\n").expect("writes");
    relay.signal("HUP");
    assert_eq!(days(&site), 19);
    assert_eq!(site.status().phase, Phase::Serving);
}

#[test]
fn every_claim_goes_out_and_in() {
    let site = new_site("");
    let relay = site.start();
    let export = site.ask(&["registrar", "export"]);
    drop(relay);

    assert_eq!(
        text(&export.stdout),
        "{\"kind\":\"end\",\"claims\":0,\"rests\":0}\n"
    );
    let mut restore = Command::new(PROGRAM)
        .args(["registrar", "restore", "--config"])
        .arg(site.path("relay.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    restore
        .stdin
        .take()
        .expect("piped")
        .write_all(&export.stdout)
        .expect("writes");
    let output = restore.wait_with_output().expect("ends");
    assert_eq!(
        text(&output.stdout),
        "0 claims read, 0 of them new; 0 hosts are known now.\n"
    );
}

#[test]
fn a_wrong_configuration_is_told_with_code_64() {
    let site = new_site("metrics_listen = \"0.0.0.0:1\"\nworkres = 2");
    for command in ["check-config", "run"] {
        let output = site.ask(&[command]);
        assert_eq!(code(&output), Some(64));
        let told = text(&output.stderr);
        assert!(
            told.contains("line 7: metrics_listen: must be a loopback address"),
            "{told}"
        );
        assert!(told.contains("line 8: workres: unknown key"), "{told}");
    }

    let good = new_site("").ask(&["check-config"]);
    assert_eq!(code(&good), Some(0));
    assert!(text(&good.stdout).ends_with("The configuration is good.\n"));
    assert_eq!(
        code(&Command::new(PROGRAM).arg("bogus").output().expect("runs")),
        Some(64)
    );
}

#[test]
fn an_address_in_use_is_code_69() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address");
    let site = new_site(&format!("metrics_listen = \"{address}\""));

    let output = site.ask(&["run"]);

    assert_eq!(code(&output), Some(69));
    assert!(text(&output.stderr).contains(&format!("cannot listen for metrics on {address}")));
}
