//! `tasuki-desktop`: one RDP session on standard input and output, which shows this desktop.
//!
//! `tasuki-host run --desktop` starts one for each session, and joins it with the tunnel. Whatever
//! goes wrong in here ends this process, and with it this session only.
//! `server` speaks RDP, `channel` its part for copied text, `windows` is the PC that it shows,
//! `certificate` what it shows of itself, `host` what the host is told, `memory` how much it may
//! use.

mod certificate;
mod channel;
mod host;
mod memory;
mod server;
mod windows;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const ABOUT: &str = "Shares the desktop of whoever is logged on, as an RDP server on standard \
    input and output. tasuki-host run --desktop starts it; nobody has to.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "tasuki-desktop", version, about = ABOUT)]
struct Arguments {
    /// Its RDP certificate, with the key; made if it is not there.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Let text that is copied on one PC be pasted on the other.
    #[arg(long)]
    clipboard: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "Session broke");
            ExitCode::FAILURE
        }
    }
}

/// The host puts it into its own log, with the time.
/// What IronRDP says below errors may hold what somebody has typed.
fn log() {
    let levels = Targets::new()
        .with_default(Level::ERROR)
        .with_target("tasuki_desktop", Level::INFO);
    tracing_subscriber::registry()
        .with(levels)
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(false)
                .with_target(false)
                .without_time(),
        )
        .init();
}

fn run(arguments: &Arguments) -> Result<()> {
    let acceptor = certificate::acceptor(&arguments.certificate)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let result = runtime.block_on(server::serve(acceptor, arguments.clipboard));
    // Somebody may still be waiting for standard input.
    runtime.shutdown_background();
    result
}
