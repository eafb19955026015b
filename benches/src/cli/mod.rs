//! The command line: one file a command, and what they share.

mod cost;
mod idle;
mod instructions;
mod peers;
mod report;
mod soak;
mod storm;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::load::Placement;
use crate::report::Measure;
use crate::scenario::{Scenario, ScenarioError};
use crate::subject::RelayOptions;
use crate::verdict::{Outcome, Verdict};
use crate::wire::Site;

/// EX_USAGE of sysexits.h.
const EXIT_USAGE: u8 = 64;
const EXIT_FAIL: u8 = 1;
const EXIT_VOID: u8 = 3;

/// Load threads at most: one for each CPU of a large machine.
const THREADS_MAX: u64 = 64;

/// Loads a relay, measures it, and says whether it holds.
#[derive(Debug, Parser)]
#[command(
    name = "tasuki-bench",
    version,
    after_help = "Exit status: 0 pass, 1 fail or error, 3 void (the load side was too slow to \
        tell), 64 wrong arguments.\ndocs/BENCHMARKS.md says what is measured and how."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carry many sessions for a long time, verify every byte, and judge
    Soak(soak::Arguments),
    /// Compare our relay with others, in rounds that take turns
    Peers(peers::Arguments),
    /// The same with a few hosts that send as fast as they can: CPU time for each GiB
    Bulk(peers::Arguments),
    /// The same with sessions that hardly last: CPU time for each that is set up
    Setups(peers::Arguments),
    /// Gather hosts and sessions that say nothing: memory of each
    Idle(idle::Arguments),
    /// Let thousands of hosts come back at once
    Storm(storm::Arguments),
    /// Count the relay's own instructions for each message, under valgrind
    Instructions(instructions::Arguments),
    /// Make one HTML page of a report
    Report(report::Arguments),
    /// Yen per user per month, from a soak that passed
    Cost(cost::Arguments),
}

/// What load to make.
#[derive(Debug, Args)]
struct LoadArguments {
    /// What load to make; without it, the one that is built in
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Sessions at a time, instead of the scenario's
    #[arg(long, value_name = "N")]
    sessions: Option<u32>,
    /// Seconds that are measured, instead of the scenario's
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Where all randomness comes from, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl LoadArguments {
    fn scenario(
        &self,
        built_in: fn() -> Result<Scenario, ScenarioError>,
    ) -> Result<Scenario, ScenarioError> {
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::read(path)?,
            None => built_in()?,
        };
        scenario.sessions = self.sessions.unwrap_or(scenario.sessions);
        scenario.duration_s = self.duration.unwrap_or(scenario.duration_s);
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.check()?;
        Ok(scenario)
    }
}

/// Where both sides run.
#[derive(Debug, Args)]
struct Where {
    /// CPUs of the relay, as "0" or "0,1"; without it, all
    #[arg(long, value_name = "CPUS", value_delimiter = ',')]
    relay_cpus: Vec<usize>,
    /// CPUs of the load side
    #[arg(long, value_name = "CPUS", value_delimiter = ',')]
    load_cpus: Vec<usize>,
    /// Threads that carry the load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=THREADS_MAX))]
    load_threads: u64,
}

/// How our relay is set up.
#[derive(Debug, Args)]
struct Ours {
    /// Threads of our relay's data plane
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Folder of tasuki-relay and tasuki [default: where this program is]
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

impl Ours {
    fn folder(&self) -> Result<PathBuf> {
        programs(self.programs.as_deref())
    }

    fn options(&self, cpus: &[usize], sessions: u32, batching: bool) -> Result<RelayOptions> {
        Ok(RelayOptions {
            programs: self.folder()?,
            site: Site::loopback(),
            cpus: cpus.to_vec(),
            workers: self.workers,
            sessions,
            batching,
            memory_budget: None,
            counted: false,
        })
    }
}

impl Where {
    fn placement(&self) -> Result<Placement> {
        Ok(Placement {
            cpus: self.load_cpus.clone(),
            threads: usize::try_from(self.load_threads)?,
        })
    }
}

/// The folder of our other programs.
fn programs(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(programs) = named {
        return Ok(programs.to_owned());
    }
    let here = std::env::current_exe().context("where this program is")?;
    let folder = here.parent().context("this program lies nowhere")?;
    Ok(folder.to_owned())
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    match run(std::env::args_os(), &mut io::stdout().lock()) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "tasuki-bench: {error:#}");
            ExitCode::from(EXIT_FAIL)
        }
    }
}

/// Runs one command; `out` gets its results.
fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write) -> Result<ExitCode> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            error.print()?;
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return Ok(ExitCode::from(code));
        }
    };
    match arguments.command {
        Command::Soak(soak) => soak::run(&soak, out),
        Command::Peers(peers) => peers::run(&peers, Measure::Message, out),
        Command::Bulk(bulk) => peers::run(&bulk, Measure::Gib, out),
        Command::Setups(setups) => peers::run(&setups, Measure::Session, out),
        Command::Idle(idle) => idle::run(&idle, out),
        Command::Instructions(count) => instructions::run(&count, out),
        Command::Storm(storm) => storm::run(&storm, out),
        Command::Report(report) => report::run(&report, out),
        Command::Cost(cost) => cost::run(&cost, out),
    }
}

/// Writes the report, if a place was named.
fn save(report: &impl Serialize, place: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    if let Some(path) = place {
        crate::report::write(report, path)?;
        writeln!(out, "report: {}", path.display())?;
    }
    Ok(())
}

/// Says the verdict, and makes an exit status of it.
fn conclude(verdict: &Verdict, out: &mut dyn Write) -> Result<ExitCode> {
    for reason in &verdict.reasons {
        writeln!(out, "  {reason}")?;
    }
    let (word, code) = match verdict.outcome {
        Outcome::Pass => ("PASS", 0),
        Outcome::Fail => ("FAIL", EXIT_FAIL),
        Outcome::Void => ("VOID", EXIT_VOID),
    };
    writeln!(out, "verdict: {word}")?;
    Ok(ExitCode::from(code))
}
