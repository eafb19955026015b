//! Whoever has the key that the node file names gets a root's shell on the board; nobody else does.
//! That nothing listens without a key is `inside`'s.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use image_testkit::{Disk, Machine};

use crate::OLD;
use crate::lab::{Lab, SERVING, said};

const SSH: u16 = 22;

#[test]
#[ignore = "boots a board twice: cargo xtask nightly board"]
fn the_node_files_key_lets_an_operator_in_and_nothing_else_does() -> Result<()> {
    let lab = Lab::open()?;
    for name in ["operator", "stranger"] {
        let key = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(lab.path(name))
            .status();
        let made = key.context("ssh-keygen is not there: apt install openssh-client")?;
        ensure!(made.success(), "ssh-keygen failed");
    }
    lab.renew_node(&["--ssh-key", &lab.path("operator.pub").to_string_lossy()])?;
    let card = lab.card("card.img", OLD)?;
    let mut board = boot(&lab, &card)?;

    // What a technician types.
    for (command, answer) in [
        ("tasuki-board status", SERVING),
        ("tasuki-board locate --minutes 1", ""),
        ("journalctl -n 5", ""),
    ] {
        let done = ssh(&lab, &mut board, "operator", "root", &[command])?;
        let told = String::from_utf8_lossy(&done.stdout);
        ensure!(
            done.status.success() && told.contains(answer),
            "{command}: {done:?}\n{}",
            said(&board)
        );
    }

    for (key, user, words, refusal) in [
        (
            "stranger",
            "root",
            &["true"][..],
            "Permission denied (publickey)",
        ),
        ("operator", "tasuki-relay", &["true"], "Permission denied"),
        // A way into the board is no way into the network behind it.
        ("operator", "root", &["-W", "127.0.0.1:9464"], "prohibited"),
    ] {
        let done = ssh(&lab, &mut board, key, user, words)?;
        let told = String::from_utf8_lossy(&done.stderr);
        ensure!(
            !done.status.success() && told.contains(refusal),
            "{key} {user} {words:?}: {done:?}"
        );
    }

    // Switched off and on, it is the same board.
    let known = fs::read(lab.path("known_hosts"))?;
    drop(board);
    let mut board = boot(&lab, &card)?;
    let done = ssh(
        &lab,
        &mut board,
        "operator",
        "root",
        &["tasuki-board status"],
    )?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(fs::read(lab.path("known_hosts"))? == known, "another key");
    Ok(())
}

fn boot(lab: &Lab, card: &Path) -> Result<Machine> {
    let setup = lab.setup(Disk::file(card))?.forward(0, SSH);
    let mut board = lab.boot(setup)?;
    lab.served_by(&mut board)?;
    // Everything that starts has started.
    board.console().wait_for("Multi-User System")?;
    Ok(board)
}

/// What comes of `ssh USER@BOARD WORDS`.
fn ssh(lab: &Lab, board: &mut Machine, key: &str, user: &str, words: &[&str]) -> Result<Output> {
    let address = board.address(SSH)?;
    let known = format!("UserKnownHostsFile={}", lab.path("known_hosts").display());
    let output = Command::new("ssh")
        .args(["-F", "none", "-o", &known])
        .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
        .args(["-o", "ConnectTimeout=60"])
        // The port is another one after each start.
        .args(["-o", "HostKeyAlias=board"])
        .args(["-o", "StrictHostKeyChecking=accept-new", "-i"])
        .arg(lab.path(key))
        .args(["-p", &address.port().to_string()])
        .arg(format!("{user}@{}", address.ip()))
        .args(words)
        .output();
    output.context("ssh is not there: apt install openssh-client")
}
