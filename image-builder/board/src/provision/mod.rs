//! Provisioning: makes a board what its node file says, at every boot, before network and relay.
//!
//! [`choice`] and [`network`] decide; this file reads, writes and never fails for what a person
//! wrote: a bad card is told on the console, by the LED and in `CONFIG/ERROR.txt`, and the board
//! goes on with the last good node file. The operator's files are never written to.

pub mod choice;
pub mod network;

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::error_file::{self, Section};
use crate::file;
use crate::places::{self, Board, Topic};
use crate::sys::System;
use crate::watch::view::uptime;

use self::choice::{CardFile, Choice, choose, error_lines, is_node_file};

/// More node files than this on a card are not looked at.
const FILES_MAX: usize = 16;
/// A node file has some 3 KiB.
const FILE_MAX: u64 = 64 * 1024;

/// What is said of two disks with our partitions.
pub const RIVALS: &str = "both hold a Tasuki system, and the board cannot tell them apart: take one \
                          out, or erase it";

/// Provisions. What is wrong with the card is told by `tell`, a line each.
///
/// # Errors
/// The image or `/run` is broken.
pub fn run(system: &System, now: SystemTime, mut tell: impl FnMut(&str)) -> Result<()> {
    let board = Board::load(system)?;
    let last_good = fs::read_to_string(system.at(places::LAST_GOOD_NODE)).ok();
    let config = system.at(places::CONFIG);
    let card = read_card(&config).map_err(|error| error.to_string());
    let mut choice = choose(card, last_good.as_deref(), now);
    if let Some(disks) = system.rivals("CONFIG") {
        choice.problems.insert(0, format!("{disks} {RIVALS}"));
    }
    let uptime = uptime(system).to_string();
    file::replace(&system.at(places::PROVISIONED), uptime.as_bytes(), 0o644)?;
    choice.problems.iter().for_each(|problem| tell(problem));
    let warning = choice.problems.first().map(|first| {
        let more = match choice.problems.len() {
            1 => String::new(),
            count => format!(" (and {} more; see CONFIG/ERROR.txt)", count - 1),
        };
        format!("node file: {first}{more}")
    });
    Topic::NodeFile.warn(system, warning.as_deref())?;
    apply(system, &board, &choice)?;
    keep(system, &choice, &mut tell)?;
    if let Err(error) = error_file::set(system, Section::NodeFile, &error_lines(&choice)) {
        tell(&format!(
            "cannot write CONFIG/{}: {error}",
            error_file::NAME
        ));
    }
    Ok(())
}

/// Every file on the card that looks like a node file, in the order of names.
fn read_card(config: &Path) -> io::Result<Vec<CardFile>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(config)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_node_file(&name) && paths.len() < FILES_MAX {
            paths.push((name, entry.path()));
        }
    }
    paths.sort();
    let files = paths.into_iter().map(|(name, path)| CardFile {
        name,
        text: read_text(&path),
    });
    Ok(files.collect())
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = file::read_at_most(path, FILE_MAX).map_err(|error| error.to_string())?;
    String::from_utf8(bytes)
        .map_err(|_| "is not text in UTF-8; save it with that encoding".to_owned())
}

/// Puts into `/run` what network, relay and log go by.
fn apply(system: &System, board: &Board, choice: &Choice) -> Result<()> {
    let folder = system.at(places::NETWORK);
    for name in network::NAMES {
        file::remove(&folder.join(name))?;
    }
    for place in [places::NODE, places::LOG_HOST, places::SSH_KEY] {
        file::remove(&system.at(place))?;
    }
    // A board without a node file still asks for an address, so that a person sees it alive.
    let chosen = choice.chosen.as_ref();
    let setup = chosen.map(|it| it.node.setup.clone()).unwrap_or_default();
    for (name, text) in network::files(&setup.network, &board.interface) {
        file::replace(&folder.join(name), text.as_bytes(), 0o644)
            .context("cannot write the network's configuration")?;
    }
    let Some(chosen) = chosen else {
        return Ok(());
    };
    // The unit's group is the relay's; nobody else may read it.
    file::replace(&system.at(places::NODE), chosen.text.as_bytes(), 0o640)
        .context("cannot write the relay's node file")?;
    if let Some(host) = &setup.network.log_host {
        let line = format!("{host}\n");
        file::replace(&system.at(places::LOG_HOST), line.as_bytes(), 0o644)?;
    }
    if let Some(key) = &setup.network.ssh_key {
        let line = format!("{key}\n");
        file::replace(&system.at(places::SSH_KEY), line.as_bytes(), 0o600)?;
    }
    system
        .set_host_name(chosen.node.name.as_str())
        .context("cannot name the machine")
}

/// Keeps a new node file as the last good one. Without a disk the card's still serves.
fn keep(system: &System, choice: &Choice, tell: &mut impl FnMut(&str)) -> Result<()> {
    let Some(chosen) = choice.chosen.as_ref().filter(|chosen| chosen.is_new) else {
        return Ok(());
    };
    let place = system.at(places::LAST_GOOD_NODE);
    if let Err(error) = file::replace(&place, chosen.text.as_bytes(), 0o600) {
        let text = format!("data: the node file cannot be kept on the card: {error}");
        tell(&text);
        Topic::Data.warn(system, Some(&text))?;
    }
    Ok(())
}
