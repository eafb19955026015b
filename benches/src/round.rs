//! One round: a load on a subject, from the first session to the last byte.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::exec::{Interrupt, Program};
use crate::load::{Load, Placement, Tally};
use crate::number::float;
use crate::progress::Progress;
use crate::report::{Latency, Measure, Round, Sample};
use crate::sample::Watch;
use crate::scenario::Scenario;
use crate::subject::Subject;

/// Most samples of a round, and the least time between two.
const SAMPLES: u32 = 600;
const SAMPLE_PAUSE: Duration = Duration::from_millis(200);

/// Samples that a short round has at least.
const SAMPLES_SHORT: u32 = 20;

/// How long the last session may take to be set up.
const SETUP_PATIENCE: Duration = Duration::from_secs(60);

/// Runs the scenario on the subject, which ends with it.
pub(crate) fn run(
    scenario: &Scenario,
    subject: Subject,
    placement: &Placement,
    stop: &Interrupt,
) -> anyhow::Result<Round> {
    let Subject {
        name,
        family,
        settings,
        mut way,
        program,
        helpers,
        folder,
        ..
    } = subject;
    let mut progress = Progress::new(&name);
    let line = scenario
        .round_trip_ms
        .map(|time| way.lengthen(time, scenario.seed, &placement.cpus))
        .transpose()?;
    let load = Load::start(scenario, way, placement)?;
    let seen = watch(scenario, &load, program.as_ref(), &mut progress, stop);
    progress.show(|| "ending".to_owned());
    // Also when something went wrong: threads end before the subject does.
    let tally = load.finish()?;
    let seen = seen?;
    drop((line, helpers, program, folder));
    Ok(assemble((name, family), settings, seen, tally))
}

/// What was seen from outside.
struct Seen {
    sessions: u64,
    measured: Duration,
    samples: Vec<Sample>,
}

fn watch(
    scenario: &Scenario,
    load: &Load,
    program: Option<&Program>,
    progress: &mut Progress,
    stop: &Interrupt,
) -> anyhow::Result<Seen> {
    let mut watch = program
        .map(|program| Watch::new(program.id()))
        .transpose()?;
    progress.show(|| format!("setting up {} sessions", scenario.sessions));
    load.ramp(Duration::from_secs_f64(scenario.ramp_s))?;
    let up_by = Instant::now() + SETUP_PATIENCE;
    while !load.is_up() && Instant::now() < up_by {
        stop.sleep(Duration::from_millis(20))?;
        progress.show(|| format!("{} of {} sessions", load.going().live, scenario.sessions));
    }
    stop.sleep(Duration::from_secs_f64(scenario.warm_up_s))?;

    let duration = Duration::from_secs_f64(scenario.duration_s);
    let pause = (duration / SAMPLES)
        .max(SAMPLE_PAUSE)
        .min(duration / SAMPLES_SHORT);
    let mut samples = Vec::new();
    let sessions = load.going().live;
    let mut look = |at: Duration| -> anyhow::Result<()> {
        if let Some(watch) = &mut watch {
            samples.push(watch.look(at.as_secs_f64())?);
        }
        Ok(())
    };
    let began = Instant::now();
    look(Duration::ZERO)?;
    load.begin();
    let mut looks = 1;
    while began.elapsed() < duration {
        let due = pause * looks;
        stop.sleep(due.min(duration).saturating_sub(began.elapsed()))?;
        // The last look is the one at the end.
        if due < duration {
            look(began.elapsed())?;
        }
        looks += 1;
        progress.show(|| {
            let going = load.going();
            format!(
                "{:.0} of {:.0} s, {} sessions, {} messages, {} faults",
                began.elapsed().as_secs_f64(),
                scenario.duration_s,
                going.live,
                going.messages,
                going.faults
            )
        });
    }
    load.end();
    look(began.elapsed()).context("at the end of the measured time")?;
    Ok(Seen {
        sessions,
        measured: began.elapsed(),
        samples,
    })
}

fn assemble(
    (subject, family): (String, String),
    settings: String,
    seen: Seen,
    tally: Tally,
) -> Round {
    let ends = (seen.samples.first(), seen.samples.last());
    Round {
        subject,
        family,
        number: 0,
        settings,
        sessions: seen.sessions,
        begun: tally.begun,
        measured_s: seen.measured.as_secs_f64(),
        messages: tally.messages,
        bytes: tally.bytes,
        latency: tally.latency.latency(),
        lag: tally.lag.latency(),
        load_busy: tally.busy,
        cpu: if let (Some(first), Some(last)) = ends {
            Some(last.cpu.since(first.cpu))
        } else {
            None
        },
        samples: seen.samples,
        ends: tally.ends,
        faults: tally.faults,
    }
}

/// A round in one line for a person.
pub(crate) fn summary(round: &Round, measure: Measure) -> String {
    let name = format!("{:<16} {:>5} sessions", round.subject, round.sessions);
    let faults = round.faults.total();
    let cost = round
        .cost(measure)
        .map_or_else(|| "-".to_owned(), |cost| format!("{cost:.3}"));
    match measure {
        Measure::Message => {
            let ms = |latency: &Latency, quantile| {
                let ms = latency.ms(quantile);
                ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"))
            };
            format!(
                "{name} {:>9.0} messages/s  p50 {} ms  p99 {} ms  CPU {cost} us/message  load \
                 side: {:.0}% busy, lag p99 {} ms  faults {faults}",
                float(round.messages) / round.measured_s,
                ms(&round.latency, 0.5),
                ms(&round.latency, 0.99),
                100.0 * round.load_busy,
                ms(&round.lag, 0.99),
            )
        }
        Measure::Gib => format!(
            "{name} {:>7.2} Gbit/s  CPU {cost} s/GiB  load side: {:.0}% busy  faults {faults}",
            float(round.bytes) * 8e-9 / round.measured_s,
            100.0 * round.load_busy,
        ),
        Measure::Session => format!(
            "{name} {:>7.1} set up/s  CPU {cost} ms/session  load side: {:.0}% busy  faults {faults}",
            float(round.begun) / round.measured_s,
            100.0 * round.load_busy,
        ),
    }
}

#[cfg(test)]
mod tests;
