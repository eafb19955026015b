//! `tasuki-bench storm`: thousands of hosts come back at once.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Ours, Where, conclude, save};
use crate::exec::Interrupt;
use crate::report::Origin;
use crate::scenario::Scenario;
use crate::storm::{self, Plan, StormReport};
use crate::subject::Subject;

/// Room for the waves themselves; the sessions beside them go on for at least so long.
const SESSIONS_S: f64 = 10.0;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki-bench storm --relay-cpus 0 --load-cpus 1 --out storm.json\n  \
        tasuki-bench storm --hosts 500 --sessions 20")]
pub(super) struct Arguments {
    /// Hosts that come back
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    hosts: u32,
    /// Sessions with telework's load that must not notice
    #[arg(long, value_name = "N", default_value_t = 200)]
    sessions: u32,
    #[command(flatten)]
    ours: Ours,
    /// Where the hosts' keys come from
    #[arg(long, value_name = "N", default_value_t = 4)]
    seed: u64,
    #[command(flatten)]
    place: Where,
    /// Write the report there, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode> {
    let stop = Interrupt::listen()?;
    let origin = Origin::here();
    let sessions = Scenario {
        sessions: arguments.sessions,
        duration_s: SESSIONS_S,
        ..Scenario::peers()?
    };
    sessions.check()?;
    let cpus = &arguments.place.relay_cpus;
    let options = arguments
        .ours
        .options(cpus, sessions.sessions, sessions.batching)?;
    let plan = Plan {
        hosts: arguments.hosts,
        seed: arguments.seed,
        sessions,
        placement: arguments.place.placement()?,
    };
    let seen = storm::run(Subject::relay(&options, &stop)?, &plan, &stop)?;
    for wave in &seen.waves {
        writeln!(out, "{}", storm::summary(wave))?;
    }
    let ms = |quantile| seen.latency.ms(quantile).unwrap_or_default();
    writeln!(
        out,
        "{} sessions beside the last: p50 {:.3} ms  p99 {:.3} ms",
        arguments.sessions,
        ms(0.5),
        ms(0.99)
    )?;
    let verdict = storm::judge(&seen.waves, &seen.faults, &seen.lag, origin.optimised);
    let report = StormReport {
        origin,
        settings: seen.settings,
        waves: seen.waves,
        sessions: arguments.sessions,
        latency: seen.latency,
        lag: seen.lag,
        faults: seen.faults,
        verdict,
    };
    save(&report, arguments.out.as_deref(), out)?;
    conclude(&report.verdict, out)
}
