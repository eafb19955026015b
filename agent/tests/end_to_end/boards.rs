//! Relays that an agent must not believe.

use std::io::{Read, Write};
use std::sync::Arc;

use protocol::file::entry::Entry;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};

use crate::harness::{Lab, Target};

#[test]
fn a_board_whose_certificate_was_revoked() {
    let mut lab = Lab::without_relay("");
    let address = lab.relay_address.to_string();
    lab.tasuki(&["node", "revoke", "board-1"]);
    let heir = lab.path("heir.toml").display().to_string();
    lab.tasuki(&[
        "node",
        "add",
        "board-2",
        "--lone",
        "--address",
        &address,
        "--out",
        &heir,
    ]);
    lab.write_entry();
    let client = lab.client("home");
    lab.use_node("heir.toml");
    lab.start_relay();
    client
        .refused("office")
        .says(83, &["no computer with this ID"]);

    lab.kill_relay();
    lab.use_node("node.toml");
    lab.start_relay();
    let refused = client.refused("office");

    refused.says(81, &["board-1", "no longer to be trusted"]);
}

#[test]
fn a_board_whose_certificate_has_expired() {
    let lab = fake((2000, 2020));

    lab.client("home")
        .refused("office")
        .says(81, &["expired", "2020-01-01"]);
}

#[test]
fn a_board_from_the_future_makes_one_look_at_the_clock() {
    let lab = fake((2080, 2090));

    lab.client("home").refused("office").says(81, &["clock"]);
}

#[test]
fn a_relay_that_speaks_only_an_old_kind_of_tls() {
    let server = Target::new(|mut stream| {
        // What such a server says to a hello that offers TLS 1.3 alone: a fatal alert,
        // protocol_version (RFC 5246, 7.2). The agent reads it before anything else can fail.
        let _ = stream.read(&mut [0; 2048]);
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 70]);
    });
    let lab = Lab::elsewhere(server.address);

    lab.client("home")
        .refused("office")
        .says(81, &["old kind of TLS"]);
}

/// A deployment whose board has a certificate for such years, and does nothing else.
pub(crate) fn fake(years: (i32, i32)) -> Lab {
    let ca_key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let mut ca = CertificateParams::default();
    ca.distinguished_name
        .push(DnType::CommonName, "Tasuki CA of Fake");
    ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let names = [protocol::BOARD_DNS_NAME, "board-1.board.tasuki"].map(str::to_owned);
    let mut board = CertificateParams::new(names).expect("names");
    board.not_before = date_time_ymd(years.0, 1, 1);
    board.not_after = date_time_ymd(years.1, 1, 1);
    let board = board.signed_by(&key, &issuer).expect("a certificate");
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![board.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("they fit");
    config.alpn_protocols = vec![protocol::ALPN_LEG.into()];
    let config = Arc::new(config);
    let server = Target::new(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        // The agent hangs up.
        let _ = tls.complete_io(&mut stream);
    });
    let lab = Lab::without_relay("");
    let signer = SigningKey::from_seed(&Secret::new([7; 32])).expect("a key");
    let entry = Entry {
        name: "Fake".into(),
        generation: 1,
        addresses: vec![server.address.to_string()],
        update: None,
        ca: vec![ca_pem],
        registrar: vec![signer.public_key()],
        deployment_key: signer.public_key(),
    };
    std::fs::write(lab.entry(), entry.to_signed_text(&signer)).expect("is written");
    lab
}
