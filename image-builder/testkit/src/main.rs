//! `tasuki-vm`: boots an image in QEMU, for people and for `cargo xtask`.
//!
//! Its standard output is the board's serial console; it ends with the machine, or by Ctrl-C.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use image_builder::workplace::Workplace;
use image_testkit::{Accelerator, Disk, Forward, Machine, Setup};

/// Longer than anybody looks at a machine.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Boots an image in QEMU and shows its serial console.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The board, a file in boards/ without its ending
    #[arg(long, value_name = "NAME")]
    board: String,
    /// The card: a file that `tasuki card flash` has written. The board writes to it
    #[arg(long, value_name = "FILE")]
    disk: PathBuf,
    /// The card is locked
    #[arg(long)]
    read_only: bool,
    /// A port of this machine's loopback that leads to one of the board's
    #[arg(long, value_name = "HERE:BOARD", value_parser = forward)]
    forward: Vec<Forward>,
    /// The board reaches what this machine reaches
    #[arg(long)]
    outside: bool,
    /// Let the processor carry out the board's instructions
    #[arg(long)]
    kvm: bool,
    /// Show QEMU's arguments
    #[arg(long, short)]
    verbose: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let workplace = Workplace::new(None, None, arguments.verbose)?;
    let board = workplace.board(&arguments.board)?;
    let mut disk = Disk::file(&arguments.disk);
    disk.read_only = arguments.read_only;
    let mut setup = Setup::new(board, disk);
    setup.forwards = arguments.forward;
    setup.isolated = !arguments.outside;
    if arguments.kvm {
        setup.accelerator = Accelerator::Kvm;
    }
    let show = |text: &str| {
        // Without anybody who looks the machine goes on.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        let _ = io::stdout().lock().flush();
    };
    let mut machine = Machine::start_showing(&workplace.machines()?, &setup, show)?;
    machine.wait(FOREVER)
}

fn forward(text: &str) -> Result<Forward, String> {
    let (here, guest) = text
        .split_once(':')
        .ok_or("has to be two ports, as 8443:443")?;
    let port = |text: &str| text.parse().map_err(|_| format!("{text} is no port"));
    Ok(Forward {
        here: port(here)?,
        guest: port(guest)?,
    })
}
