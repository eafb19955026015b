//! `tasuki-bench peers`, `bulk` and `setups`: our relay beside others, round by round.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{LoadArguments, Ours, Where, conclude, save};
use crate::exec::Interrupt;
use crate::load::Placement;
use crate::peer::Peer;
use crate::report::comparison::{self, OURS};
use crate::report::{FORMAT, Measure, Origin, Report};
use crate::round;
use crate::scenario::Scenario;
use crate::subject::{RelayOptions, Setting, Subject};
use crate::verdict::{self, Comparison};
use crate::wire::Site;

/// Rounds at most: half a day of the shortest.
const ROUNDS_MAX: u64 = 1_000;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki-bench peers --relay-cpus 0 --load-cpus 1 --out peers.json\n  \
        tasuki-bench peers --peers nginx,haproxy-splice --sessions 500 --rounds 7")]
pub(super) struct Arguments {
    /// Peers to measure [default: all that are installed and carry so many sessions]
    #[arg(long, value_name = "PEERS", value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Our relay once more with another setting: batching=true, batching=false, memory_budget=512M
    #[arg(long, value_name = "SETTING")]
    beside: Vec<Setting>,
    /// Rounds; each measures every subject once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=ROUNDS_MAX))]
    rounds: u64,
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    ours: Ours,
    #[command(flatten)]
    place: Where,
    /// Lay a wire between relay and load side, so that each does its own work; takes root
    #[arg(long)]
    wire: bool,
    /// Write the report there, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Who takes part.
#[derive(Debug, Clone, Copy)]
enum Entrant {
    Direct,
    Ours,
    /// Our relay with another setting, which counts as a peer.
    Changed(Setting),
    Peer(Peer),
}

impl Arguments {
    fn entrants(&self, sessions: u32, out: &mut dyn Write) -> Result<Vec<Entrant>> {
        let mut entrants = vec![Entrant::Direct, Entrant::Ours];
        entrants.extend(self.beside.iter().copied().map(Entrant::Changed));
        if !self.peers.is_empty() {
            entrants.extend(self.peers.iter().copied().map(Entrant::Peer));
            return Ok(entrants);
        }
        for peer in Peer::value_variants() {
            let name = peer.name();
            if !peer.is_installed() {
                writeln!(out, "left out: {name} is not installed")?;
            } else if self.wire && peer.has_helper() {
                writeln!(out, "left out: {name} is not made for a wire")?;
            } else if peer.sessions_max() < sessions {
                let most = peer.sessions_max();
                writeln!(out, "left out: {name} carries {most} sessions at most")?;
            } else {
                entrants.push(Entrant::Peer(*peer));
            }
        }
        Ok(entrants)
    }

    fn site(&self) -> Result<Site> {
        if !self.wire {
            return Ok(Site::loopback());
        }
        let named = self.peers.iter().find(|peer| peer.has_helper());
        if let Some(peer) = named {
            bail!("{} is not made for a wire: leave it out", peer.name());
        }
        Site::wire(&self.place.relay_cpus, &self.place.load_cpus)
    }

    fn options(&self, scenario: &Scenario, site: &Site) -> Result<RelayOptions> {
        let cpus = &self.place.relay_cpus;
        let (sessions, batching) = (scenario.sessions, scenario.batching);
        Ok(RelayOptions {
            site: site.clone(),
            ..self.ours.options(cpus, sessions, batching)?
        })
    }

    fn start(
        &self,
        entrant: Entrant,
        scenario: &Scenario,
        (site, placement): (&Site, &Placement),
        stop: &Interrupt,
    ) -> Result<Subject> {
        let cpus = &self.place.relay_cpus;
        match entrant {
            Entrant::Direct => Subject::direct(site),
            Entrant::Ours => Subject::relay(&self.options(scenario, site)?, stop),
            Entrant::Changed(setting) => {
                let options = self.options(scenario, site)?.with(setting);
                let name = format!("{OURS} {setting}");
                Ok(Subject {
                    family: name.clone(),
                    name,
                    ..Subject::relay(&options, stop)?
                })
            }
            Entrant::Peer(peer) => peer.start(scenario.sessions, cpus, placement, site, stop),
        }
    }
}

pub(super) fn run(
    arguments: &Arguments,
    measure: Measure,
    out: &mut dyn Write,
) -> Result<ExitCode> {
    let stop = Interrupt::listen()?;
    let scenario = arguments.load.scenario(match measure {
        Measure::Message => Scenario::peers,
        Measure::Gib => Scenario::bulk,
        Measure::Session => Scenario::setups,
    })?;
    let placement = arguments.place.placement()?;
    let site = arguments.site()?;
    let origin = Origin::here();
    writeln!(out, "seed {}", scenario.seed)?;
    let mut entrants = arguments.entrants(scenario.sessions, out)?;

    let mut random = StdRng::seed_from_u64(scenario.seed);
    let mut rounds = Vec::new();
    for number in 0..usize::try_from(arguments.rounds)? {
        // Nobody always follows the same one.
        entrants.shuffle(&mut random);
        for entrant in &entrants {
            let subject = arguments.start(*entrant, &scenario, (&site, &placement), &stop)?;
            let mut round = round::run(&scenario, subject, &placement, &stop)?;
            round.number = number;
            writeln!(out, "{}", round::summary(&round, measure))?;
            for fault in &round.faults.told {
                writeln!(out, "  {fault}")?;
            }
            rounds.push(round);
        }
    }

    let ratios = comparison::ratios(&rounds, measure, scenario.seed);
    let delays = match measure {
        Measure::Message => comparison::delays(&rounds, scenario.seed),
        // Nothing has a time at which it was meant to leave.
        Measure::Gib | Measure::Session => Vec::new(),
    };
    let comparisons = [
        Comparison {
            what: format!("CPU for each {}", measure.name()),
            ratios: &ratios,
            goals: &scenario.goals,
        },
        Comparison {
            what: "delay added to the middle message".to_owned(),
            ratios: &delays,
            goals: &scenario.delay_goals,
        },
    ];
    for comparison in &comparisons {
        for ratio in comparison.ratios {
            writeln!(
                out,
                "{}, ours beside {}'s: {:.3} ({:.3} to {:.3}, {} rounds)",
                comparison.what,
                ratio.family,
                ratio.interval.estimate,
                ratio.interval.low,
                ratio.interval.high,
                ratio.rounds
            )?;
        }
    }
    let verdict = verdict::peers(&rounds, &comparisons, (measure, origin.optimised));
    let report = Report {
        format: FORMAT,
        origin,
        scenario,
        measure,
        rounds,
        ratios,
        delays,
        verdict,
    };
    save(&report, arguments.out.as_deref(), out)?;
    conclude(&report.verdict, out)
}
