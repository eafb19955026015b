//! A board serves whatever has become of its data.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Result, ensure};
use image_testkit::{Disk, Machine};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::OLD;
use crate::card::Card;
use crate::lab::{Lab, SERVING, first_seed, said};

/// What the screen says of data that is not on the card.
const MEMORY_ONLY: &str = "claims are kept in memory only";
/// A card with 100 MiB for data.
const SMALL: u64 = 1124 << 20;
/// How much of the partition is made noise: the file system's head and all of its tables.
const NOISE: usize = 64 << 20;

#[test]
#[ignore = "boots a board three times: cargo xtask nightly board"]
fn a_board_serves_with_good_data_with_noise_and_on_a_locked_card() -> Result<()> {
    let lab = Lab::open()?;
    let path = lab.card("card.img", OLD)?;
    let disk = Disk::file(&path);

    let good = serving(&lab, disk.clone())?;
    ensure!(!good.console().text().contains(MEMORY_ONLY), said(&good));
    // Its plug is pulled: the next boot finds a file system in use.
    drop(good);

    let locked = serving(&lab, disk.clone().read_only())?;
    ensure!(locked.console().text().contains(MEMORY_ONLY), said(&locked));
    drop(locked);

    fill(&path, Card::open(&path, &lab.tools)?.place("data")?.start)?;
    let noise = serving(&lab, disk)?;
    ensure!(noise.console().text().contains(MEMORY_ONLY), said(&noise));
    Ok(())
}

#[test]
#[ignore = "boots a board twice: cargo xtask nightly board"]
fn a_board_serves_with_full_data() -> Result<()> {
    const DONE: &str = "the card is full";
    let lab = Lab::open()?;
    let path = lab.card("card.img", OLD)?;
    // Little room to fill behind the slots.
    File::options().write(true).open(&path)?.set_len(SMALL)?;
    let unit = format!(
        "[Unit]\nAfter=tasuki-relay.service\n[Service]\nStandardOutput=file:/dev/console\n\
         ExecStart=/bin/sh -c 'cat /dev/zero > /var/lib/tasuki/fill; sync; echo {DONE}'\n"
    );
    let setup = lab
        .setup(Disk::file(&path))?
        .credential("systemd.extra-unit.fill.service", unit.as_bytes())
        .credential(
            "systemd.unit-dropin.multi-user.target",
            b"[Unit]\nWants=fill.service\n",
        );
    let filling = lab.boot(setup)?;
    filling.console().wait_for(DONE)?;
    drop(filling);

    let full = serving(&lab, Disk::file(&path))?;
    ensure!(full.console().text().contains(MEMORY_ONLY), said(&full));
    Ok(())
}

/// A machine that shakes hands, and whose screen says that it serves, with all warnings.
fn serving(lab: &Lab, disk: Disk) -> Result<Machine> {
    let mut machine = lab.machine(disk)?;
    lab.served_by(&mut machine)?;
    // Warnings come behind both.
    machine
        .console()
        .wait_for_all(&[SERVING, "Multi-User System"])?;
    let when = machine.console().first(SERVING).unwrap_or_default();
    eprintln!("serving {:.0} s after power-on", when.as_secs_f64());
    Ok(machine)
}

/// Fills the beginning of a partition with what is no file system.
fn fill(card: &Path, from: u64) -> Result<()> {
    let mut noise = vec![0; NOISE];
    StdRng::seed_from_u64(first_seed()).fill_bytes(&mut noise);
    let file = File::options().write(true).open(card)?;
    Ok(file.write_all_at(&noise, from)?)
}
