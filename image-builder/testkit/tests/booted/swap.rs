//! A dead board is replaced: another one with the same node file, a new card, an empty store.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use image_testkit::{Disk, Machine};

use crate::OLD;
use crate::agents::{Client, Echo, Host, free_port};
use crate::lab::{Lab, SERVING};

/// What hosts are promised.
const BACK: Duration = Duration::from_secs(30);

#[test]
#[ignore = "boots two boards: cargo xtask nightly board"]
fn a_spare_with_the_same_node_file_and_an_empty_card_has_its_hosts_back() -> Result<()> {
    let port = free_port()?;
    let lab = Lab::at(&format!("127.0.0.1:{port}"))?;
    let first = board(&lab, "first.img", port)?;
    let echo = Echo::start()?;
    let host = Host::start(&lab, echo.address())?;
    host.wait_for_link()?;
    Client::session(&lab, b"before")?;
    // Its claim lies on that card, and in the host's own folder.
    drop(first);

    let spare = board(&lab, "spare.img", port)?;
    let since = Instant::now();
    host.wait_for_link()?;
    let taken = since.elapsed();
    Client::session(&lab, b"after")?;

    eprintln!("back {:.1} s after the spare serves", taken.as_secs_f64());
    ensure!(taken < BACK, "too late: {:.1} s", taken.as_secs_f64());
    spare.console().wait_for("1 hosts").map(drop)
}

/// A board with a new card, behind the port that agents dial; it serves.
fn board(lab: &Lab, card: &str, port: u16) -> Result<Machine> {
    let mut setup = lab.setup(Disk::file(&lab.card(card, OLD)?))?;
    setup.forwards[0].here = port;
    let mut machine = lab.boot(setup)?;
    lab.served_by(&mut machine)?;
    machine.console().wait_for(SERVING)?;
    Ok(machine)
}
