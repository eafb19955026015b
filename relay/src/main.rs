//! `tasuki-relay`: reads its arguments, then serves or answers one question.

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::Parser;
use tasuki_relay::cli::{self, Arguments, Command, ConfigPath};
use tasuki_relay::config::Config;
use tasuki_relay::shutdown::{self, Signals};
use tasuki_relay::{logging, startup};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let done = match &arguments.command {
        Command::Run(path) => run(path),
        Command::Question(question) => cli::answer(question),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "tasuki-relay: {error:#}");
            cli::exit_code(&error)
        }
    }
}

fn run(path: &ConfigPath) -> anyhow::Result<()> {
    let config = Config::load(&path.config, SystemTime::now())?;
    logging::start()?;
    // Counted now: later the files that tell it are closed to us.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let prepared = startup::prepare(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control plane's threads")?;
    runtime.block_on(async {
        let signals = Signals::take().context("cannot take signals")?;
        let running = startup::run(prepared)?;
        shutdown::serve_until_signal(running, signals).await;
        Ok(())
    })
}

/// Help and version are no mistakes; anything else is one of usage (64, as in `sysexits.h`).
fn usage(error: &clap::Error) -> ExitCode {
    // As above.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(64)
    } else {
        ExitCode::SUCCESS
    }
}
