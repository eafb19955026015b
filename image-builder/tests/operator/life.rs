//! Renewing, revoking, rolling the CA: in the order that keeps agents connected.

use std::fs;

use jiff::{Timestamp, ToSpan};
use protocol::board_list::CertificateSerial;
use protocol::file::network::Addressing;

use crate::shell::{Shell, text};

/// Whether `openssl` lets the board of that node file in by that CA.
fn accepted(shell: &Shell, node_file: &str, ca: &str) -> bool {
    let node = shell.node_file(node_file);
    fs::write(shell.path("board.pem"), node.certificate).expect("writes");
    let output = shell.openssl(&format!("verify -CAfile {ca} board.pem"));
    output.status.success()
}

fn serials(shell: &Shell, node: usize) -> Vec<CertificateSerial> {
    let deployment = shell.open();
    let certificates = &deployment.record().nodes[node].certificates;
    let serials = certificates.iter();
    serials
        .map(|certificate| certificate.serial.to_wire())
        .collect()
}

#[test]
fn renewing_raises_the_generation_and_changes_the_key() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443 --lone");
    let old = shell.node_file("tokyo-1.node.toml");
    shell.done("node renew tokyo-1 --address b:443");
    let new = shell.node_file("tokyo-1.node.toml");

    assert_eq!(new.generation, old.generation + 1);
    assert!(new.key.0 != old.key.0);
    assert_ne!(new.certificate, old.certificate);
    assert_eq!(new.addresses, ["b:443"]);
    assert!(new.lone.is_some(), "stays a lone board");
    assert!(accepted(&shell, "tokyo-1.node.toml", "deployment/ca-1.pem"));
    assert_eq!(serials(&shell, 0).len(), 2);
}

#[test]
fn a_boards_network_is_remembered_until_it_is_changed() {
    let shell = Shell::with_deployment();
    let network = |shell: &Shell| shell.node_file("tokyo-1.node.toml").setup.network;
    shell.done("node add tokyo-1 --address a:443 --lone --ipv4 192.0.2.10/24 --vlan 12");
    shell.done("node renew tokyo-1");
    let remembered = network(&shell);
    shell.done("node renew tokyo-1 --ipv4 auto --vlan 0 --dns 192.0.2.53");
    let changed = network(&shell);

    assert_eq!(remembered.ipv4.to_string(), "192.0.2.10/24");
    assert_eq!(remembered.vlan, Some(12));
    assert_eq!(changed.ipv4, Addressing::Auto);
    assert_eq!((changed.vlan, changed.dns.len()), (None, 1));
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me";
    fs::write(shell.path("me.pub"), format!("{key}\n")).expect("writes");
    shell.done("node renew tokyo-1 --ssh-key me.pub");
    assert_eq!(network(&shell).ssh_key.expect("has one").as_str(), key);
    shell.done("node renew tokyo-1 --ssh-key none");
    assert_eq!(network(&shell), changed);
    let said = shell.refused("node renew tokyo-1 --ssh-key tokyo-1.node.toml");
    assert!(said.contains("--ssh-key: tokyo-1.node.toml: "), "{said}");
    let said = shell.refused("node renew tokyo-1 --ipv4 none --ipv6 none");
    assert!(said.contains("nobody could reach the board"), "{said}");
    assert_eq!(
        network(&shell),
        changed,
        "a refused command changes nothing"
    );
}

#[test]
fn a_board_that_does_not_exist_is_neither_renewed_nor_revoked() {
    let shell = Shell::with_deployment();
    for command in ["node renew tokyo-1", "node revoke tokyo-1"] {
        assert!(
            shell.refused(command).contains("tasuki node list"),
            "{command}"
        );
    }
}

#[test]
fn a_board_is_added_once() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443");

    let said = shell.refused("node add TOKYO-1 --address b:443");

    assert!(said.contains("tasuki node renew tokyo-1"), "{said}");
}

#[test]
fn revoking_reaches_the_next_node_file_of_every_lone_board() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443 --lone");
    shell.done("node renew tokyo-1");
    shell.done("node add osaka-1 --address b:443 --lone");
    let said = shell.done("node revoke tokyo-1");
    shell.done("node renew osaka-1");

    assert!(said.contains("2 certificates"), "{said}");
    assert!(said.contains("tasuki node renew osaka-1"), "{said}");
    assert!(said.contains("registrar's key"), "{said}");
    let lone = shell.node_file("osaka-1.node.toml").lone.expect("lone");
    assert_eq!(lone.revoked, serials(&shell, 0));
    assert_eq!(lone.revoked.len(), 2);
    assert!(shell.refused("node revoke tokyo-1").contains("already"));
    assert!(
        shell
            .refused("node renew tokyo-1")
            .contains("tasuki node add")
    );
}

#[test]
fn a_revoked_name_can_be_given_to_a_new_board() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443 --lone");
    let said = shell.done("node revoke tokyo-1");
    assert!(said.contains("no other board"), "{said}");
    assert!(shell.refused("entry").contains("no board to dial"));
    let stolen = serials(&shell, 0);

    shell.done("node add tokyo-1 --address b:443 --lone");
    shell.done("entry");

    let node = shell.node_file("tokyo-1.node.toml");
    assert_eq!(node.lone.expect("lone").revoked, stolen);
    assert_eq!(node.generation, 2);
    assert_eq!(shell.entry().addresses, ["b:443"]);
    let list = shell.done("node list");
    assert!(
        list.contains("days left") && !list.contains("revoked"),
        "{list}"
    );
}

#[test]
fn the_list_shows_what_needs_attention() {
    let shell = Shell::with_deployment();
    shell.done("node add short-1 --address a:443 --days 30");
    shell.done("node add over-1 --address a:443 --days 31 --lone");
    shell.done("node add long-1 --address a:443 --days 32");
    shell.done("node add gone-1 --address c:443");
    shell.done("node revoke gone-1");
    age(&shell, "short-1", 1);
    age(&shell, "over-1", 32);

    let list = shell.done("node list");

    let line = |name: &str| {
        list.lines()
            .find(|line| line.starts_with(name))
            .expect(name)
    };
    // Whether a second has passed since decides between two numbers of days.
    let few = ["28 days left", "29 days left"];
    assert!(
        few.iter().any(|few| line("short-1").contains(few)),
        "{list}"
    );
    assert!(line("over-1").contains("EXPIRED"), "{list}");
    assert!(line("gone-1").contains("revoked"), "{list}");
    assert!(list.contains("tasuki node renew short-1"), "{list}");
    assert!(list.contains("tasuki node renew over-1"), "{list}");
    assert!(!list.contains("tasuki node renew long-1"), "{list}");
    assert!(!list.contains("tasuki node renew gone-1"), "{list}");
}

/// Lets `days` pass for the newest certificate of a board, as far as the record knows.
fn age(shell: &Shell, name: &str, days: i64) {
    let mut deployment = shell.open();
    let change = |at: Timestamp| at - (days * 24).hours();
    deployment
        .commit(|record| {
            let node = record.node_mut(&name.parse().expect("a name")).expect(name);
            let newest = node.certificates.last_mut().expect("a certificate");
            newest.expires.0 = change(newest.expires.0);
        })
        .expect("commits");
}

#[test]
fn the_ca_rolls_without_a_gap() {
    let shell = Shell::with_passphrase("correct-horse");
    shell.done("node add tokyo-1 --address a:443 --lone");
    shell.done("node add osaka-1 --address b:443 --lone");
    shell.done("node add old-1 --address c:443");
    shell.done("node revoke old-1");
    assert!(shell.refused("ca roll --finish").contains("tasuki ca roll"));

    let said = shell.done("ca roll");
    assert!(said.contains("tasuki node renew tokyo-1"), "{said}");
    assert!(!said.contains("old-1"), "{said}");
    assert!(shell.refused("ca roll").contains("exists already"));
    shell.done("entry");
    let both = shell.entry().ca;
    assert_eq!(both.len(), 2);
    fs::write(shell.path("both.pem"), both.concat()).expect("writes");
    assert!(accepted(&shell, "tokyo-1.node.toml", "both.pem"));

    let said = shell.done("node renew tokyo-1");
    assert!(said.contains("will refuse the board"), "{said}");
    assert!(accepted(&shell, "tokyo-1.node.toml", "both.pem"));
    assert!(!accepted(
        &shell,
        "tokyo-1.node.toml",
        "deployment/ca-1.pem"
    ));
    let said = shell.refused("ca roll --finish");
    assert!(said.contains("tasuki node renew osaka-1"), "{said}");
    assert!(!said.contains("tokyo-1"), "{said}");

    shell.done("node renew osaka-1");
    shell.done("ca roll --finish");
    shell.done("entry");
    assert_eq!(shell.entry().ca, both[1..]);
    assert!(!shell.path("deployment/ca-1.key.pem").exists());
    assert!(accepted(&shell, "osaka-1.node.toml", "deployment/ca-2.pem"));
    let opened =
        shell.openssl("pkey -in deployment/ca-2.key.pem -passin pass:correct-horse -noout");
    assert!(opened.status.success(), "{}", text(&opened.stderr));
}
