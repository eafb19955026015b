//! Programs that die or meet in the middle: what was there stays whole.
//!
//! `prlimit --fsize` kills the program inside a write, at the same byte every time.

use crate::shell::Shell;

#[test]
fn a_killed_init_leaves_no_deployment_behind() {
    let shell = Shell::new();
    let init = "deployment init --name Lab --no-passphrase";

    // The first key has 119 bytes, the CA's certificate some 500, the record more.
    for limit in [0, 100, 200, 480] {
        shell.killed_writing(limit, init);
        assert!(!shell.path("deployment").exists(), "limit {limit}");
        assert!(shell.refused("node list").contains("deployment init"));
    }

    shell.done(init);
    assert!(shell.done("node list").contains("No boards yet"));
}

#[test]
fn a_change_killed_in_the_record_has_not_happened() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443 --lone");
    let record = shell.read("deployment/deployment.toml");
    let node = shell.read("tokyo-1.node.toml");

    for command in [
        "node add osaka-1 --address b:443",
        "node renew tokyo-1",
        "node revoke tokyo-1",
        "entry",
    ] {
        shell.killed_writing(record.len() / 2, command);

        assert_eq!(
            shell.read("deployment/deployment.toml"),
            record,
            "{command}"
        );
        assert_eq!(shell.read("tokyo-1.node.toml"), node, "{command}");
    }
    assert!(!shell.path("osaka-1.node.toml").exists());
    assert!(!shell.path("tasuki-entry.toml").exists());
}

#[test]
fn a_node_file_that_was_cut_off_can_be_had_again() {
    let shell = Shell::with_deployment();
    // The record of one board has some 600 bytes, its node file more than 1000.
    shell.killed_writing(1000, "node add tokyo-1 --address a:443 --lone");

    assert!(!shell.path("tokyo-1.node.toml").exists());
    assert_eq!(shell.open().record().nodes.len(), 1);
    shell.done("node renew tokyo-1");
    assert_eq!(shell.node_file("tokyo-1.node.toml").generation, 2);
}

#[test]
fn a_roll_killed_in_the_middle_can_be_run_again() {
    let shell = Shell::with_deployment();
    shell.killed_writing(200, "ca roll");
    assert!(shell.path("deployment/ca-2.key.pem").exists());
    assert_eq!(shell.open().record().ca, [1]);

    shell.done("ca roll");

    assert_eq!(shell.open().record().ca, [1, 3]);
    shell.done("entry --address a:443");
    assert_eq!(shell.entry().ca.len(), 2);
}

#[test]
fn two_runs_do_not_clash() {
    let shell = Shell::with_deployment();
    let open = shell.open();

    let said = shell.refused("node add tokyo-1 --address a:443");
    assert!(said.contains("another `tasuki`"), "{said}");

    drop(open);
    shell.done("node add tokyo-1 --address a:443");
}

#[test]
fn a_damaged_record_is_told_line_by_line() {
    let shell = Shell::with_deployment();
    let damaged = shell
        .read("deployment/deployment.toml")
        .replace("ca = [1]", "ca = []")
        .replace("name = \"Lab\"", "name = \"\"");
    std::fs::write(shell.path("deployment/deployment.toml"), damaged).expect("writes");

    let said = shell.refused("node list");

    assert!(said.contains("backup"), "{said}");
    assert!(said.contains("line 4: name"), "{said}");
    assert!(said.contains("ca: must name one or two"), "{said}");
}
