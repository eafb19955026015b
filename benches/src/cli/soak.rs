//! `tasuki-bench soak`: many sessions, every byte verified, a verdict.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{LoadArguments, Ours, Where, conclude, save};
use crate::exec::Interrupt;
use crate::report::{FORMAT, Measure, Origin, Report};
use crate::round;
use crate::scenario::Scenario;
use crate::subject::Subject;
use crate::verdict;
use crate::wire::Site;

/// The ceiling needs no longer time than this.
const CEILING_S: f64 = 10.0;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki-bench soak --relay-cpus 0 --load-cpus 1 --out soak.json\n  \
        tasuki-bench soak --sessions 100 --duration 30\n  \
        tasuki-bench soak --entry tasuki-entry.toml --duration 3600")]
pub(super) struct Arguments {
    #[command(flatten)]
    load: LoadArguments,
    /// Load the boards of this deployment instead of a relay on this machine
    #[arg(long, value_name = "FILE", conflicts_with_all = ["relay_cpus", "workers"])]
    entry: Option<PathBuf>,
    #[command(flatten)]
    ours: Ours,
    #[command(flatten)]
    place: Where,
    /// Write the report there, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Arguments {
    fn subject(&self, scenario: &Scenario, stop: &Interrupt) -> Result<Subject> {
        let mut subject = self.relay(scenario, stop)?;
        let agents = scenario.agents.min(scenario.sessions);
        if agents > 0 {
            let (entry, cpus) = (self.entry.as_deref(), &self.place.load_cpus);
            subject.add_agents(agents, entry, &self.ours.folder()?, cpus, stop)?;
        }
        Ok(subject)
    }

    fn relay(&self, scenario: &Scenario, stop: &Interrupt) -> Result<Subject> {
        if let Some(entry) = &self.entry {
            return Subject::board(entry);
        }
        let cpus = &self.place.relay_cpus;
        let options = self
            .ours
            .options(cpus, scenario.sessions, scenario.batching)?;
        Subject::relay(&options, stop)
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode> {
    let stop = Interrupt::listen()?;
    let scenario = arguments.load.scenario(Scenario::telework)?;
    let placement = arguments.place.placement()?;
    let origin = Origin::here();
    writeln!(out, "seed {}", scenario.seed)?;

    let ceiling = Scenario {
        duration_s: scenario.duration_s.min(CEILING_S),
        ..scenario.clone()
    };
    let ceiling = round::run(
        &ceiling,
        Subject::direct(&Site::loopback())?,
        &placement,
        &stop,
    )?;
    writeln!(out, "{}", round::summary(&ceiling, Measure::Message))?;
    let subject = arguments.subject(&scenario, &stop)?;
    let round = round::run(&scenario, subject, &placement, &stop)?;
    writeln!(out, "{}", round::summary(&round, Measure::Message))?;
    for fault in &round.faults.told {
        writeln!(out, "  {fault}")?;
    }

    let verdict = verdict::soak(&round, &scenario.allow);
    let report = Report {
        format: FORMAT,
        origin,
        scenario,
        measure: Measure::Message,
        ratios: Vec::new(),
        delays: Vec::new(),
        rounds: vec![ceiling, round],
        verdict,
    };
    save(&report, arguments.out.as_deref(), out)?;
    conclude(&report.verdict, out)
}
