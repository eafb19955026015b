//! `tasuki-vm`: boots an image in QEMU, for people and for `cargo xtask`.
//!
//! Its standard output is the board's serial console; it ends with the machine, or by Ctrl-C.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

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
    /// What the board's systemd is given by name: systemd.system-credentials(7)
    #[arg(long, value_name = "NAME=TEXT", value_parser = credential)]
    credential: Vec<(String, Vec<u8>)>,
    /// Who carries out the board's instructions [default: KVM where it works]
    #[arg(long, value_name = "kvm|tcg", value_parser = accelerator)]
    accelerator: Option<Accelerator>,
    /// Put the seconds since the start before each line
    #[arg(long)]
    times: bool,
    /// Show QEMU's arguments
    #[arg(long, short)]
    verbose: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "tasuki-vm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let workplace = Workplace::new(None, None, arguments.verbose)?;
    let tools = workplace.machines()?;
    let mut disk = Disk::file(&arguments.disk);
    disk.read_only = arguments.read_only;
    let mut setup = Setup::new(workplace.board(&arguments.board)?, disk);
    setup.forwards = arguments.forward;
    setup.isolated = !arguments.outside;
    setup.credentials = arguments.credential;
    setup.accelerator = match arguments.accelerator {
        Some(accelerator) => accelerator,
        None => Machine::best_accelerator(&tools, &setup),
    };
    let from = Instant::now();
    let mut at_line_start = arguments.times;
    let show = move |text: &str| {
        let mut out = io::stdout().lock();
        for line in text.split_inclusive('\n') {
            // Without anybody who looks the machine goes on.
            if at_line_start {
                let _ = write!(out, "{:9.3} | ", from.elapsed().as_secs_f64());
            }
            let _ = out.write_all(line.as_bytes());
            at_line_start = arguments.times && line.ends_with('\n');
        }
        let _ = out.flush();
    };
    let mut machine = Machine::start_showing(&tools, &setup, show)?;
    machine.wait(FOREVER)
}

fn credential(text: &str) -> Result<(String, Vec<u8>), &'static str> {
    let (name, value) = text.split_once('=').ok_or("has to be NAME=TEXT")?;
    Ok((name.to_owned(), value.into()))
}

fn accelerator(text: &str) -> Result<Accelerator, &'static str> {
    match text {
        "kvm" => Ok(Accelerator::Kvm),
        "tcg" => Ok(Accelerator::Tcg),
        _ => Err("has to be kvm or tcg"),
    }
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
