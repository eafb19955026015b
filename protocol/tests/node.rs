//! The node file: what `tasuki node add` writes, and what the board says to a wrong one.

use std::fs;

use protocol::file::network::{Addressing, Network};
use protocol::file::node::{Lone, NodeFile, PrivateKeyPem, Setup};
use protocol::id::PublicKey;
use protocol::secret::Secret;

use crate::golden;

const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me";

fn full() -> NodeFile {
    let network = Network {
        ipv4: "192.0.2.10/24 via 192.0.2.1".parse().expect("an address"),
        ipv6: "2001:db8::10/64 via fe80::1".parse().expect("an address"),
        dns: vec!["192.0.2.53".parse().expect("an address")],
        ntp: vec!["ntp.nict.jp".parse().expect("a host")],
        vlan: Some(12),
        mtu: Some(1400),
        log_host: Some("log.example.jp:601".parse().expect("an address")),
        ssh_key: Some(SSH_KEY.parse().expect("a key")),
    };
    NodeFile {
        deployment: "Example Office".into(),
        generation: 3,
        name: "tokyo-1".parse().expect("a name"),
        addresses: vec!["relay.example.jp:443".into()],
        certificate: "-----BEGIN CERTIFICATE-----\nnone\n".into(),
        key: PrivateKeyPem("not a key".into()),
        registrar: vec![PublicKey([1; 32])],
        lone: Some(Lone {
            registrar_key: Secret::new([2; 32]),
            revoked: Vec::new(),
        }),
        setup: Setup {
            network,
            fleet: Vec::new(),
            update: Some("https://example.jp/tasuki".into()),
            update_ca: Some("-----BEGIN CERTIFICATE-----\nof the update address\n".into()),
            deployment_key: Some(PublicKey([3; 32])),
        },
    }
}

#[test]
fn a_full_node_file_is_the_golden_one_and_comes_back() {
    let node = full();
    let path = golden::folder().join("node.toml");
    if golden::bless() {
        fs::write(&path, node.to_text()).expect("writes");
    }
    let golden = fs::read_to_string(&path).expect("is there");

    assert_eq!(node.to_text(), golden);
    assert_eq!(NodeFile::parse(&golden), Ok(node));
}

#[test]
fn a_fleets_board_names_its_servers() {
    let mut node = full();
    node.lone = None;
    node.setup.fleet = vec!["registrar.example.jp:2379".parse().expect("an address")];

    assert_eq!(NodeFile::parse(&node.to_text()), Ok(node));
}

#[test]
fn a_file_of_before_these_settings_means_automatic_everything() {
    let old = fs::read_to_string(golden::folder().join("../../fuzz/corpus/file/node"));
    let node = NodeFile::parse(&old.expect("is there")).expect("is still good");

    assert_eq!(node.setup, Setup::default());
    assert_eq!(node.setup.network.ipv4, Addressing::Auto);
}

#[test]
fn what_windows_editors_do_to_a_file_does_no_harm() {
    let text = full().to_text();
    let edited = format!("\u{feff}{}", text.replace('\n', "\r\n"));

    // Only the line ends inside of the PEM texts differ, which PEM allows (RFC 7468, section 3).
    let mut read = NodeFile::parse(&edited).expect("is good");
    let ca = read.setup.update_ca.as_mut().expect("is there");
    *ca = ca.replace("\r\n", "\n");
    assert_eq!(read.certificate.replace("\r\n", "\n"), full().certificate);
    assert_eq!(read.setup, full().setup);
}

#[test]
fn every_mistake_is_told_with_its_line_and_no_secret() {
    let text = full()
        .to_text()
        .replace("192.0.2.10/24", "192.0.9.10/24")
        .replace("vlan = 12", "vlan = 5000")
        .replace("mtu = 1400", "mtu = 100")
        .replace("ntp.nict.jp", "ntp nict jp")
        .replace("https://", "http://")
        .replace("AgICAgIC", "========")
        + "\n[fleet]\nservers = []\n";

    let problems = NodeFile::parse(&text).expect_err("is wrong");

    let places: Vec<(usize, &str)> = problems
        .0
        .iter()
        .map(|problem| (problem.line, problem.path.as_str()))
        .collect();
    let line = |key: &str| {
        let at = text.lines().position(|line| line.starts_with(key));
        at.expect(key) + 1
    };
    let expected = [
        (line("update"), "update"),
        (line("ipv4"), "network.ipv4"),
        (line("ntp"), "network.ntp"),
        (line("vlan"), "network.vlan"),
        (line("mtu"), "network.mtu"),
        (line("registrar_key"), "lone.registrar_key"),
        (line("servers"), "fleet.servers"),
    ];
    assert_eq!(places, expected, "{problems}");
    assert!(!problems.to_string().contains("==="), "{problems}");
}
