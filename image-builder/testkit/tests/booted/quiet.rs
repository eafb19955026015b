//! A card wears out by writing: a board that serves and has nothing new to keep writes nothing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use image_testkit::Disk;
use image_testkit::block::BlockServer;

use crate::OLD;
use crate::agents::{Client, Echo, Host, free_port};
use crate::lab::{Lab, SERVING};

/// Linux writes back within half a minute what the boot and the first claim have left in memory.
const WRITE_BACK: Duration = Duration::from_secs(60);
const LENGTH: Duration = Duration::from_secs(600);
const BETWEEN_SESSIONS: Duration = Duration::from_secs(5);

/// Counted by the card itself, not by the board.
#[test]
#[ignore = "takes more than ten minutes: cargo xtask nightly board"]
fn a_board_with_sessions_writes_nothing_to_its_card_in_ten_minutes() -> Result<()> {
    let port = free_port()?;
    let lab = Lab::at(&format!("127.0.0.1:{port}"))?;
    let path = lab.card("card.img", OLD)?;
    let card = BlockServer::start(&path, path.parent().unwrap_or(&path))?;
    let mut setup = lab.setup(Disk::nbd(card.socket()))?;
    setup.forwards[0].here = port;
    let mut machine = lab.boot(setup)?;
    lab.served_by(&mut machine)?;
    machine.console().wait_for(SERVING)?;
    let echo = Echo::start()?;
    let host = Host::start(&lab, echo.address())?;
    host.wait_for_link()?;
    Client::session(&lab, b"the first")?;
    thread::sleep(WRITE_BACK);

    let before = card.counts();
    let begin = Instant::now();
    let mut sessions = 0;
    while begin.elapsed() < LENGTH {
        Client::session(&lab, format!("session {sessions}").as_bytes())?;
        sessions += 1;
        thread::sleep(BETWEEN_SESSIONS);
    }
    let after = card.counts();

    eprintln!("{sessions} sessions; {before:?}, then {after:?}");
    ensure!(sessions > 10, "hardly a session got through");
    ensure!(before.writes > 0, "the first boot wrote nothing");
    ensure!(after.writes == before.writes, "the board wrote to its card");
    Ok(())
}
