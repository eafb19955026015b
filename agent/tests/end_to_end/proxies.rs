//! Proxies of other makers, as offices run them: squid, dante and OpenSSH. `network` has small ones
//! of our own, and what only those can show.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use crate::check::finds;
use crate::harness::{
    ANYBODY, Dante, Host, Lab, PATIENCE, Process, Squid, Target, WHO_IS_KNOWN, basic, free_address,
    ntlm, wait_for, works,
};
use crate::ssh::{ssh_to, sshd};

const LOGIN: &str = "user = \"proxy-user\"\npassword_file = \"proxy-password\"\n";

#[test]
fn squid_carries_a_session_to_a_relay_whose_name_it_alone_knows() {
    let lab = Lab::hidden();
    let mut squid = Squid::start(&lab, ANYBODY);
    let variable = format!("http://{}", squid.address);
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.set("https_proxy", &variable);
    host.run();
    host.wait_until_linked();
    let mut client = lab.client("home");
    client.set("https_proxy", &variable);

    works(&client.open(&host.id));
    let ended = wait_for("squid's log of the client", PATIENCE, || {
        squid.requests().pop()
    });
    squid.restart();
    wait_for("the end of a link behind squid", PATIENCE, || {
        host.log().contains("was cut").then_some(())
    });
    host.wait_until_linked();
    works(&client.open(&host.id));

    let asked = format!(
        "TCP_TUNNEL/200 CONNECT {}:{}",
        Lab::HIDDEN,
        lab.relay_address.port()
    );
    let words: Vec<&str> = ended.split_ascii_whitespace().collect();
    assert_eq!([words[3], words[5], words[6]].join(" "), asked, "{ended}");
    let words = format!("through proxy {}, was cut", squid.address);
    assert!(host.log().contains(&words), "{}", host.log());
}

#[test]
fn squid_is_told_the_password_and_only_when_it_asks() {
    let lab = Lab::new();
    let squid = Squid::with_basic(&lab);

    session_through(&lab, "http", squid.address, true);

    let lets =
        |request: &String| request.contains("TCP_TUNNEL/200") && request.contains(" proxy-user ");
    wait_for("squid's log of whom it has let through", PATIENCE, || {
        squid.requests().iter().any(lets).then_some(())
    });
    let requests = squid.requests();
    let asks = |request: &&String| request.contains("TCP_DENIED/407");
    assert!(requests.iter().filter(asks).count() >= 2, "{requests:?}");
    for request in requests.iter().filter(asks) {
        assert!(!request.contains("proxy-user"), "{request}");
    }
}

#[test]
fn squid_hears_a_wrong_password_once() {
    let lab = Lab::new();
    let squid = Squid::with_basic(&lab);
    let client = lab.client("home");
    client.configure(&settings("http", squid.address, LOGIN));
    client.put("proxy-password", "wrong\n");

    let refused = client.refused("office");

    let proxy = squid.address.to_string();
    refused.says(
        80,
        &[&proxy, "does not accept the user name", "It offers: Basic."],
    );
    // It asks, and says no.
    let requests = wait_for("squid's log", PATIENCE, || {
        Some(squid.requests()).filter(|requests| requests.len() >= 2)
    });
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(!requests[0].contains("proxy-user"), "{requests:?}");
    assert!(requests[1].contains(" proxy-user "), "{requests:?}");
}

#[test]
fn squid_that_wants_a_password_says_so_to_whoever_has_none() {
    let lab = Lab::new();
    let squid = Squid::with_basic(&lab);

    through(&lab, "http", squid.address, "");

    let failed = format!("proxy {} FAILED", squid.address);
    finds(&lab, 80, &[&failed, "wants a user name and a password"]);
}

#[test]
fn squid_that_wants_ntlm_gets_basic_where_it_takes_that() {
    let lab = Lab::new();
    let squid = Squid::start(&lab, &(ntlm(&lab) + WHO_IS_KNOWN));
    through(&lab, "http", squid.address, LOGIN);
    finds(&lab, 80, &["cannot do here", "NTLM"]);
    drop(squid);

    let squid = Squid::start(&lab, &(ntlm(&lab) + &basic(&lab) + WHO_IS_KNOWN));
    through(&lab, "http", squid.address, LOGIN);

    let ok = format!("proxy {} ok, encryption ok, answer ok", squid.address);
    finds(&lab, 0, &[&ok]);
}

#[test]
fn squid_that_forbids_the_relay_and_one_that_does_not_reach_it() {
    let lab = Lab::elsewhere(free_address());
    let address = lab.relay_address.to_string();

    let squid = Squid::start(&lab, "http_access deny all\n");
    through(&lab, "http", squid.address, "");
    finds(
        &lab,
        80,
        &["forbids connections to", &address, "403 Forbidden"],
    );
    drop(squid);

    let squid = Squid::start(&lab, ANYBODY);
    through(&lab, "http", squid.address, "");
    finds(&lab, 80, &["tried and could not reach", &address, "503"]);
}

#[test]
fn squid_that_opens_tls_is_named_by_its_issuer() {
    let lab = Lab::new();
    let squid = Squid::opening_tls(&lab, &authority("Example Inspection Gateway"));

    through(&lab, "http", squid.address, "");

    let steps = format!("proxy {} ok, encryption FAILED", squid.address);
    let issuer = "Example Inspection Gateway";
    finds(&lab, 81, &[&steps, issuer, "from TLS inspection"]);
}

#[test]
fn dante_carries_a_session_with_a_login_and_without() {
    let lab = Lab::new();
    let dante = Dante::open_to_all(&lab);
    session_through(&lab, "socks5", dante.address, false);

    let lab = Lab::new();
    let dante = Dante::with_login(&lab);
    session_through(&lab, "socks5", dante.address, true);
}

#[test]
fn dante_says_no_in_words() {
    let lab = Lab::elsewhere(free_address());
    let dante = Dante::with_login(&lab);
    let finds_through = |login: &str, words: &[&str]| {
        through(&lab, "socks5", dante.address, login);
        finds(&lab, 80, words);
    };

    finds_through("", &["wants a user name and a password"]);
    finds_through(
        &LOGIN.replace("proxy-user", "stranger"),
        &["does not accept the user name"],
    );
    finds_through(LOGIN, &["tried and could not reach"]);

    let forbidden = SocketAddr::from(([127, 0, 0, 9], 443));
    let lab = Lab::elsewhere(forbidden);
    let dante = Dante::open_to_all(&lab);
    through(&lab, "socks5", dante.address, "");
    finds(&lab, 80, &["forbids connections to 127.0.0.9:443"]);
}

#[test]
fn openssh_carries_a_session_as_a_socks_server() {
    let lab = Lab::new();
    let folder = lab.path("ssh");
    fs::create_dir(&folder).expect("a folder");
    let (server, socks) = (free_address(), free_address());
    let _sshd = sshd(&lab, &folder, server.port());
    wait_for("sshd", PATIENCE, || TcpStream::connect(server).ok());
    let mut ssh = ssh_to(server, &folder);
    ssh.args(["-N", "-D", &socks.to_string()]);
    let mut ssh = Process::start("ssh", &lab.logs(), &mut ssh);
    wait_for("ssh", PATIENCE, || {
        assert!(ssh.has_ended().is_none(), "ssh ended");
        TcpStream::connect(socks).ok()
    });

    session_through(&lab, "socks5", socks, false);
}

/// Host and client meet through a proxy, and bytes go both ways.
fn session_through(lab: &Lab, kind: &str, proxy: SocketAddr, with_login: bool) {
    let login = if with_login { LOGIN } else { "" };
    let settings = settings(kind, proxy, login);
    let mut host = Host::prepare(lab, "office", Target::echo().address);
    host.configure(&settings);
    host.put("proxy-password", "proxy:pass\n");
    host.run();
    host.wait_until_linked();
    let client = lab.client("home");
    client.configure(&settings);
    client.put("proxy-password", "proxy:pass\n");

    works(&client.open(&host.id));
}

/// Both programs' `check` goes through a proxy from now on.
fn through(lab: &Lab, kind: &str, proxy: SocketAddr, login: &str) {
    let state = lab.path("state");
    fs::create_dir_all(&state).expect("a folder");
    let write = |name: &str, text: &str| fs::write(state.join(name), text).expect("is written");
    write("proxy-password", "proxy:pass\n");
    write("host.toml", &settings(kind, proxy, login));
    write("client.toml", &settings(kind, proxy, login));
}

fn settings(kind: &str, proxy: SocketAddr, login: &str) -> String {
    format!("[proxy]\nkind = \"{kind}\"\naddress = \"{proxy}\"\n{login}")
}

/// A CA of that name, with its key.
fn authority(name: &str) -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::default();
    ca.distinguished_name.push(rcgen::DnType::CommonName, name);
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = ca.self_signed(&key).expect("a certificate");
    certificate.pem() + &key.serialize_pem()
}
