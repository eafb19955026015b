//! From nothing to a lone board: the files fit each other and the standards.

use std::fs;

use protocol::file::entry::FILE_NAME;

use crate::shell::{Shell, text};

#[test]
fn three_commands_make_files_that_fit_each_other() {
    let shell = Shell::with_deployment();
    shell
        .done("node add Tokyo-1 --address relay.example.jp:443 --address [2001:db8::1]:443 --lone");
    let said = shell.done("entry --update https://example.jp/tasuki");

    let node = shell.node_file("tokyo-1.node.toml");
    let entry = shell.entry();
    assert_eq!(node.deployment, "Lab");
    assert_eq!(node.name.as_str(), "tokyo-1");
    assert_eq!(node.generation, 1);
    assert_eq!(node.addresses, entry.addresses);
    assert_eq!(
        entry.addresses,
        ["relay.example.jp:443", "[2001:db8::1]:443"]
    );
    assert_eq!(entry.update.as_deref(), Some("https://example.jp/tasuki"));
    assert_eq!(entry.ca, [shell.read("deployment/ca-1.pem")]);
    assert_eq!(node.registrar, entry.registrar);
    let lone = node.lone.expect("a lone board");
    assert!(lone.revoked.is_empty());
    let registrar = protocol::sign::SigningKey::from_seed(&lone.registrar_key).expect("a key");
    assert_eq!(registrar.public_key(), entry.registrar[0]);
    assert!(said.contains(&entry.deployment_key.to_string()), "{said}");
}

#[test]
fn openssl_accepts_the_board_for_both_its_names() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address relay.example.jp:443");
    let node = shell.node_file("tokyo-1.node.toml");
    fs::write(shell.path("board.pem"), &node.certificate).expect("writes");
    fs::write(shell.path("board.key"), &node.key.0).expect("writes");

    for (name, accepted) in [
        ("board.tasuki", true),
        ("tokyo-1.board.tasuki", true),
        ("osaka-1.board.tasuki", false),
    ] {
        let verify = format!(
            "verify -x509_strict -purpose sslserver -verify_hostname {name} \
             -CAfile deployment/ca-1.pem board.pem"
        );
        let output = shell.openssl(&verify);
        assert_eq!(
            output.status.success(),
            accepted,
            "{name}: {}",
            text(&output.stderr)
        );
    }
    let certified = shell.openssl("x509 -in board.pem -noout -pubkey");
    let held = shell.openssl("pkey -in board.key -pubout");
    assert_eq!(text(&certified.stdout), text(&held.stdout));
    assert!(text(&held.stdout).contains("PUBLIC KEY"));
}

#[test]
fn the_recorded_serial_is_the_one_in_the_certificate() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address relay.example.jp:443");
    let node = shell.node_file("tokyo-1.node.toml");
    fs::write(shell.path("board.pem"), &node.certificate).expect("writes");

    let serial = text(&shell.openssl("x509 -in board.pem -noout -serial").stdout);

    let deployment = shell.open();
    let recorded = deployment.record().nodes[0].certificates[0].serial;
    let expected = format!("serial={}\n", recorded.to_string().to_uppercase());
    assert_eq!(serial, expected);
}

#[test]
fn without_lone_the_registrar_key_stays_at_home() {
    let shell = Shell::with_deployment();
    let said = shell.done("node add tokyo-1 --address relay.example.jp:443");

    assert!(shell.node_file("tokyo-1.node.toml").lone.is_none());
    assert!(said.contains("--lone"), "{said}");
}

#[test]
fn entry_addresses_are_remembered_and_signed() {
    let shell = Shell::with_deployment();
    assert!(shell.refused("entry").contains("tasuki node add"));
    shell.done("entry --address front.example.jp:443");
    shell.done("entry");

    let entry = shell.entry();
    assert_eq!(entry.addresses, ["front.example.jp:443"]);
    assert_eq!(entry.generation, 2);
    let forged = shell.read(FILE_NAME).replace("front", "crook");
    let problems = protocol::file::entry::Entry::parse(&forged).expect_err("is forged");
    assert_eq!(problems.0[0].path, "signature");
}

#[test]
fn files_of_somebody_else_are_not_overwritten() {
    let shell = Shell::with_deployment();
    fs::write(shell.path("letter.txt"), "dear all").expect("writes");

    for command in [
        "node add tokyo-1 --address a:443 --out letter.txt",
        "entry --address a:443 --out letter.txt",
    ] {
        assert!(shell.refused(command).contains("--out"), "{command}");
        assert_eq!(shell.read("letter.txt"), "dear all");
    }
    assert!(shell.done("node list").contains("No boards yet"));
}

#[test]
fn a_deployment_is_never_overwritten() {
    let shell = Shell::with_deployment();
    let before = shell.read("deployment/deployment.toml");

    let said = shell.refused("deployment init --name Other --no-passphrase");

    assert!(said.contains("not empty"), "{said}");
    assert_eq!(shell.read("deployment/deployment.toml"), before);
}

#[test]
fn a_wrong_command_line_exits_64_and_says_what_would_be_right() {
    let shell = Shell::with_deployment();
    for (arguments, hint) in [
        ("node add tokyo-1", "--address"),
        ("node add tokyo_1 --address a:443", "letters a to z"),
        ("node add tokyo-1 --address relay.example.jp", "has no port"),
        ("node add tokyo-1 --address a:443 --days 0", "1..=3650"),
        ("node add tokyo-1 --address a:443 --days 3651", "1..=3650"),
        ("entry --update http://example.jp", "https://"),
    ] {
        let output = shell.tasuki(arguments, None);

        assert_eq!(output.status.code(), Some(64), "{arguments}");
        let said = text(&output.stderr);
        assert!(said.contains(hint), "{arguments}: {said}");
    }
}

#[test]
fn four_addresses_are_a_boards_limit() {
    let shell = Shell::with_deployment();
    let four = "--address a:1 --address a:2 --address a:3 --address a:4";

    let said = shell.refused(&format!("node add tokyo-1 {four} --address a:5"));
    shell.done(&format!("node add tokyo-1 {four}"));

    assert!(said.contains("at most 4"), "{said}");
    assert_eq!(shell.node_file("tokyo-1.node.toml").addresses.len(), 4);
}
