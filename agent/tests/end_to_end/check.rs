//! `check` names the step at which the way to the relay ends, from both programs.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Command, Output};

use crate::boards::fake;
use crate::harness::{Lab, Proxy, Target, free_address, program};
use crate::network::middlebox;

const REACHED: &str = "name ok, connection ok, encryption ok, answer ok";

/// What a program's `check` finds out with the lab's entry file.
fn check(lab: &Lab, name: &str, arguments: &[&str]) -> Output {
    let output = command(lab, name, arguments).output();
    output.expect("the program starts")
}

fn command(lab: &Lab, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.arg("--state").arg(lab.path("state")).arg("check");
    command.arg("--entry").arg(lab.entry()).args(arguments);
    command
}

/// Checks by both programs' words and exit code.
pub(crate) fn finds(lab: &Lab, code: i32, words: &[&str]) {
    for name in ["tasuki-host", "tasuki-client"] {
        let output = check(lab, name, &[]);
        let said = String::from_utf8_lossy(&output.stdout);
        for word in words {
            assert!(said.contains(word), "{name}: '{word}' is missing: {said}");
        }
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    }
}

#[test]
fn a_relay_that_answers() {
    let lab = Lab::new();

    finds(&lab, 0, &[REACHED, "The relay can be reached."]);
    assert!(
        !lab.path("state").join("client").exists() && !lab.path("state").join("host").exists(),
        "a check changes nothing"
    );
}

#[test]
fn words_in_japanese() {
    let lab = Lab::elsewhere(free_address());

    let output = check(&lab, "tasuki-client", &["--japanese"]);

    assert_eq!(output.status.code(), Some(80), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("名前 OK, 接続 失敗\n"), "{text}");
    assert!(text.contains("中継サーバーに接続できません。"), "{text}");
}

#[test]
fn a_name_that_does_not_exist_beside_a_relay_that_answers() {
    let lab = Lab::new();
    let address = lab.relay_address.to_string();
    let entry = lab.entry().display().to_string();
    let name = ["entry", "--out", &entry, "--address", "relay.invalid:443"];
    lab.tasuki(&name);
    finds(
        &lab,
        80,
        &["name FAILED", "relay.invalid", "No relay can be"],
    );

    lab.tasuki(&[&name[..], &["--address", &address]].concat());

    finds(&lab, 0, &["relay.invalid:443: name FAILED", REACHED]);
}

#[test]
fn a_port_where_nobody_listens() {
    let lab = Lab::elsewhere(free_address());

    let what = "connection FAILED";
    finds(&lab, 80, &[what, "Stopped by: your network", "no way to"]);
}

#[test]
fn a_box_that_opens_tls() {
    let lab = Lab::elsewhere(middlebox("Example Inspection Gateway").address);

    let issuer = "Example Inspection Gateway";
    let what = "connection ok, encryption FAILED";
    finds(&lab, 81, &[what, issuer, "from TLS inspection"]);
}

#[test]
fn a_login_page_of_a_hotel() {
    let portal = Target::new(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://hotel.example/\r\n\r\n");
        let _ = stream.shutdown(Shutdown::Write);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let lab = Lab::elsewhere(portal.address);

    finds(&lab, 80, &["encryption FAILED", "HTTP/", "hotel"]);
}

#[test]
fn something_that_takes_the_connection_and_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let lab = Lab::elsewhere(silent.local_addr().expect("is bound"));

    // It takes its time; one program shows it.
    let output = check(&lab, "tasuki-host", &[]);

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("connection ok, encryption FAILED"), "{said}");
    assert!(said.contains("No answer comes back"), "{said}");
    assert_eq!(output.status.code(), Some(80), "{said}");
}

#[test]
fn a_clock_that_is_years_slow() {
    finds(&fake((2080, 2090)), 81, &["encryption FAILED", "clock"]);
}

#[test]
fn a_relay_that_bars_this_address() {
    let bars = "[[bar]]\nrange = \"127.0.0.0/8\"\n";
    let contact = "organisation = \"Example Ltd\"\ndepartment = \"IT\"\ncontact = \"ext. 4071\"\n";
    let lab = Lab::with_relay(&format!("{bars}{contact}"));

    finds(&lab, 82, &["answer FAILED", "Example Ltd", "ext. 4071"]);
}

#[test]
fn a_proxy_that_lets_through_and_one_that_does_not() {
    let proxy = Proxy::http();
    let lab = Lab::new();
    through(&lab, proxy.address, "proxy:pass");
    let ok = format!("proxy {} ok, encryption ok, answer ok", proxy.address);
    finds(&lab, 0, &[&ok]);

    through(&lab, proxy.address, "wrong");
    finds(&lab, 80, &[&format!("proxy {} FAILED", proxy.address)]);

    let nobody = free_address();
    through(&lab, nobody, "proxy:pass");
    finds(&lab, 80, &[&format!("proxy {nobody} FAILED")]);
}

#[test]
fn the_proxy_that_the_environment_names_is_tried_as_the_host_would() {
    let lab = Lab::behind_proxies("relay.only-the-proxy-knows.invalid:443");
    let proxy = Proxy::http_to(lab.relay_address);
    let variable = format!("http://proxy-user:proxy%3Apass@{}", proxy.address);

    for name in ["tasuki-host", "tasuki-client"] {
        let straight = command(&lab, name, &[]).output().expect("it starts");
        let through = command(&lab, name, &[])
            .env("https_proxy", &variable)
            .output()
            .expect("it starts");

        let said = String::from_utf8_lossy(&straight.stdout);
        assert!(said.contains("name FAILED"), "{said}");
        let said = String::from_utf8_lossy(&through.stdout);
        let ok = format!("proxy {} ok, encryption ok, answer ok", proxy.address);
        assert!(said.contains(&ok), "{said}");
    }
}

/// Both programs go through a proxy from now on.
fn through(lab: &Lab, proxy: SocketAddr, password: &str) {
    let state = lab.path("state");
    std::fs::create_dir_all(&state).expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(state.join(name), text).expect("is written");
    write("proxy-password", &format!("{password}\n"));
    let settings = format!(
        "[proxy]\nkind = \"http\"\naddress = \"{proxy}\"\nuser = \"proxy-user\"\n\
         password_file = \"proxy-password\"\n"
    );
    write("host.toml", &settings);
    write("client.toml", &settings);
}
