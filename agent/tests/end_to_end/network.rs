//! What stands between a PC and the relay: proxies, and boxes that open TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConnection;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::harness::{Host, Lab, PATIENCE, Proxy, Target, works};

#[test]
fn both_ends_meet_through_http_proxies() {
    let proxy = Proxy::http();
    let (host_requests, client_requests) = meet_through(&proxy, "http");

    assert!(!host_requests.is_empty() && !client_requests.is_empty());
    for request in host_requests.iter().chain(&client_requests) {
        assert!(
            request.contains("User-Agent: Example/7 (telework)"),
            "{request}"
        );
    }
}

#[test]
fn both_ends_meet_through_socks5_proxies() {
    let proxy = Proxy::socks5();
    let (host_requests, client_requests) = meet_through(&proxy, "socks5");

    assert!(!host_requests.is_empty() && !client_requests.is_empty());
}

/// What the proxy was asked by the host until it was linked, and by both afterwards.
fn meet_through(proxy: &Proxy, kind: &str) -> (Vec<String>, Vec<String>) {
    let lab = Lab::new();
    let settings = settings(kind, proxy.address);
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.configure(&settings);
    host.put("proxy-password", "proxy:pass\n");
    host.run();
    host.wait_until_linked();
    let asked_by_host = proxy.requests();
    let client = lab.client("home");
    client.configure(&settings);
    client.put("proxy-password", "proxy:pass\n");

    works(&client.open(&host.id));

    let later = proxy.requests().split_off(asked_by_host.len());
    (asked_by_host, later)
}

#[test]
fn both_ends_meet_through_the_proxy_that_the_environment_names() {
    let lab = Lab::behind_proxies("relay.only-the-proxy-knows.invalid:443");
    let proxy = Proxy::http_to(lab.relay_address);
    let variable = format!("http://proxy-user:proxy%3Apass@{}/", proxy.address);
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.set("https_proxy", &variable);
    host.run();
    host.wait_until_linked();
    let mut client = lab.client("home");

    let without = client.refused(&host.id);
    client.set("HTTPS_PROXY", &variable);
    works(&client.open(&host.id));

    without.says(80, &["relay.only-the-proxy-knows.invalid was not found"]);
    let request = &proxy.requests()[0];
    assert!(
        request.starts_with("CONNECT relay.only-the-proxy-knows.invalid:443 "),
        "{request}"
    );
}

#[test]
fn a_proxy_that_cuts_the_link_is_named_and_the_host_comes_back() {
    let lab = Lab::behind_proxies("relay.only-the-proxy-knows.invalid:443");
    let proxy = Proxy::http_to(lab.relay_address);
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    let variable = format!("http://proxy-user:proxy%3Apass@{}", proxy.address);
    host.set("https_proxy", &variable);
    host.run();
    host.wait_until_linked();
    let links = proxy.requests().len();

    proxy.cut();
    crate::harness::wait_for("another link", PATIENCE, || {
        (proxy.requests().len() > links).then_some(())
    });
    host.wait_until_linked();

    let words = format!("through proxy {}, was cut", proxy.address);
    assert!(host.log().contains(&words), "{}", host.log());
    let mut client = lab.client("home");
    client.set("https_proxy", &variable);
    works(&client.open(&host.id));
}

fn settings(kind: &str, address: SocketAddr) -> String {
    format!(
        "user_agent = \"Example/7 (telework)\"\n[proxy]\nkind = \"{kind}\"\naddress = \"{address}\"\n\
         user = \"proxy-user\"\npassword_file = \"proxy-password\"\n"
    )
}

#[test]
fn a_proxy_that_wants_another_password_is_named() {
    let proxy = Proxy::http();
    let lab = Lab::new();
    let client = lab.client("home");
    client.configure(&settings("http", proxy.address));
    client.put("proxy-password", "wrong\n");

    let refused = client.refused("office");

    refused.says(
        80,
        &[
            &proxy.address.to_string(),
            "does not accept the user name and password",
        ],
    );
}

#[test]
fn a_box_that_opens_tls_is_named_by_its_issuer_with_the_exemption_to_ask_for() {
    let middlebox = middlebox("Example Inspection Gateway");
    let lab = Lab::elsewhere(middlebox.address);
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.run();

    let refused = lab.client("home").refused("office");

    let words = ["Example Inspection Gateway", &middlebox.address.to_string()];
    refused.says(81, &words);
    crate::harness::wait_for("the same words at the office", PATIENCE, || {
        let trouble = host.status()["trouble"]["text"].to_string();
        words
            .iter()
            .all(|word| trouble.contains(word))
            .then_some(())
    });
}

/// Answers every handshake with a certificate for the relay's name from its own CA.
pub(crate) fn middlebox(issuer: &str) -> Target {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::default();
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, issuer);
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new([protocol::BOARD_DNS_NAME.to_owned()]);
    let leaf = leaf
        .expect("a name")
        .signed_by(&key, &ca)
        .expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.into())
        .expect("they fit");
    config.alpn_protocols = vec![protocol::ALPN_LEG.into(), protocol::ALPN_LINK.into()];
    let config = Arc::new(config);
    Target::new(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        // The agent hangs up; how is none of the box's business.
        let _ = tls.complete_io(&mut stream);
    })
}
