//! Thousands of hosts come back at once: after their board was away, and after the network before
//! it was. In the second wave sessions run beside them, which must not notice.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::exec::Interrupt;
use crate::load::{Attempt, Herd, Load, Placement, Way};
use crate::progress::Progress;
use crate::report::{Faults, Latency, Origin, Recorder};
use crate::scenario::Scenario;
use crate::subject::Subject;
use crate::sys;
use crate::verdict::{self, Outcome, Verdict};

/// How soon everybody has to be back.
const BACK_GOAL_S: f64 = 10.0;

/// How long is waited for them.
const PATIENCE: Duration = Duration::from_secs(120);

/// Attempts are counted in slices of this length.
const SLICE_MS: u128 = 100;

/// Of the first attempts, the share that may fall into one slice. Evenly over the second that an
/// agent waits at most it would be a tenth.
const SLICE_SHARE_MAX: f64 = 0.25;

/// How late one attempt in a hundred may begin for the load side's own slowness, in milliseconds: a
/// quarter of a slice. Later ones come in bunches that no host has made.
const LATE_MAX_MS: f64 = 25.0;

/// Descriptors beside those of hosts and sessions.
const DESCRIPTORS_SPARE: u64 = 200;

/// How often it is looked whether everybody is back.
const LOOK: Duration = Duration::from_millis(10);

/// What came back, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    pub name: String,
    pub hosts: u32,
    /// From the moment when the board could be reached again until the last host was linked.
    pub back_s: Option<f64>,
    /// Attempts that met a board: those that began from that moment on, and those that succeeded.
    pub attempts: usize,
    /// Those of them that came to nothing, and the first few reasons.
    pub failed: usize,
    pub told: Vec<String>,
    /// Attempts that began in each tenth of a second, from the moment when the links were lost.
    pub begun: Vec<u32>,
    /// From an attempt's beginning to its link.
    pub median_link_ms: f64,
    /// How late one attempt in a hundred began, by the load side's fault.
    pub late_ms: f64,
}

/// What was seen, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StormReport {
    pub origin: Origin,
    pub settings: String,
    pub waves: Vec<Wave>,
    /// Sessions beside the last wave, and what became of them.
    pub sessions: u32,
    pub latency: Latency,
    /// How late the load side sent their messages.
    pub lag: Latency,
    pub faults: Faults,
    pub verdict: Verdict,
}

/// What a storm is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) hosts: u32,
    pub(crate) seed: u64,
    /// What the sessions beside it carry.
    pub(crate) sessions: Scenario,
    pub(crate) placement: Placement,
}

/// What was seen, before it is judged.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) settings: String,
    pub(crate) waves: Vec<Wave>,
    pub(crate) latency: Latency,
    pub(crate) lag: Latency,
    pub(crate) faults: Faults,
}

/// Runs both waves.
///
/// # Errors
/// The hosts do not even come the first time, or the board does not start again.
pub(crate) fn run(mut subject: Subject, plan: &Plan, stop: &Interrupt) -> anyhow::Result<Seen> {
    let needed = DESCRIPTORS_SPARE + u64::from(plan.hosts) + 3 * u64::from(plan.sessions.sessions);
    let allowed = sys::raise_descriptors().context("cannot ask for more descriptors")?;
    anyhow::ensure!(
        needed <= allowed,
        "this storm needs {needed} descriptors, this process may have {allowed}: raise its limit \
         (ulimit -Hn) or take fewer hosts"
    );
    let Way::Tasuki { entry, .. } = &subject.way else {
        anyhow::bail!("{} has no links", subject.name);
    };
    let entry = (**entry).clone();
    let mut progress = Progress::new("storm");
    let runtime = {
        let _pinned = sys::pin(&plan.placement.cpus)?;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?
    };
    let mut herd = Herd::new(entry.clone(), plan.seed)?;
    let mut waves = Vec::new();

    let began = Instant::now();
    {
        let _entered = runtime.enter();
        herd.add(0..plan.hosts)?;
    }
    let back = wait(&herd, plan.hosts, began, &mut progress, stop)?;
    waves.push(wave(
        "a fleet comes for the first time",
        plan.hosts,
        (began, began),
        back,
        &herd.attempts(),
    ));
    anyhow::ensure!(
        back.is_some(),
        "not every host could link: {:?}",
        waves[0].told
    );

    let lost = Instant::now();
    subject.kill()?;
    subject.start_again(stop)?;
    let open = Instant::now();
    let back = wait(&herd, plan.hosts, open, &mut progress, stop)?;
    waves.push(wave(
        "the board was killed and started again",
        plan.hosts,
        (lost, open),
        back,
        &herd.attempts(),
    ));

    let load = Load::start(&plan.sessions, Way::tasuki(entry), &plan.placement)?;
    let third = beside(&load, &herd, plan, &mut progress, stop);
    let tally = load.finish()?;
    waves.push(third?);
    let settings = subject.settings.clone();
    drop(herd);
    runtime.shutdown_background();
    Ok(Seen {
        settings,
        waves,
        latency: tally.latency.latency(),
        lag: tally.lag.latency(),
        faults: tally.faults,
    })
}

/// The network before the hosts fails, while sessions run elsewhere.
fn beside(
    load: &Load,
    herd: &Herd,
    plan: &Plan,
    progress: &mut Progress,
    stop: &Interrupt,
) -> anyhow::Result<Wave> {
    load.ramp(Duration::from_secs_f64(plan.sessions.ramp_s))?;
    let until = Instant::now() + PATIENCE;
    while !load.is_up() && Instant::now() < until {
        stop.sleep(LOOK)?;
    }
    stop.sleep(Duration::from_secs_f64(plan.sessions.warm_up_s))?;
    load.begin();
    let lost = Instant::now();
    herd.cut();
    // They notice one after the other, within a moment.
    while herd.linked() == plan.hosts && lost.elapsed() < PATIENCE {
        stop.sleep(Duration::from_millis(1))?;
    }
    let back = wait(herd, plan.hosts, lost, progress, stop)?;
    let rest = Duration::from_secs_f64(plan.sessions.duration_s);
    stop.sleep(rest.saturating_sub(lost.elapsed()))?;
    load.end();
    let name = "every link was cut, sessions went on";
    Ok(wave(name, plan.hosts, (lost, lost), back, &herd.attempts()))
}

/// Waits until everybody is linked; tells how long it took.
fn wait(
    herd: &Herd,
    hosts: u32,
    since: Instant,
    progress: &mut Progress,
    stop: &Interrupt,
) -> anyhow::Result<Option<Duration>> {
    while since.elapsed() < PATIENCE {
        if herd.linked() >= hosts {
            return Ok(Some(since.elapsed()));
        }
        progress.show(|| format!("{} of {hosts} linked", herd.linked()));
        stop.sleep(LOOK)?;
    }
    Ok(None)
}

/// `lost` is when the links were gone, `open` when the board could be reached again.
fn wave(
    name: &str,
    hosts: u32,
    (lost, open): (Instant, Instant),
    back: Option<Duration>,
    attempts: &[Attempt],
) -> Wave {
    let mut begun = Vec::new();
    for attempt in attempts {
        let slice = attempt.began.saturating_duration_since(lost).as_millis() / SLICE_MS;
        let slice = usize::try_from(slice).unwrap_or(usize::MAX).min(10_000);
        if begun.len() <= slice {
            begun.resize(slice + 1, 0);
        }
        begun[slice] += 1;
    }
    // Nobody can reach a board that is not there; the first do a moment before we know.
    let met = |it: &&Attempt| it.began >= open || it.outcome.is_ok();
    let counted: Vec<&Attempt> = attempts.iter().filter(met).collect();
    let mut late = Recorder::new();
    for attempt in attempts {
        late.record(attempt.began.saturating_duration_since(attempt.due));
    }
    let failures = counted.iter().filter_map(|it| it.outcome.as_ref().err());
    let mut times: Vec<f64> = counted
        .iter()
        .filter(|it| it.outcome.is_ok())
        .map(|it| 1e3 * (it.ended - it.began).as_secs_f64())
        .collect();
    times.sort_by(f64::total_cmp);
    Wave {
        name: name.to_owned(),
        hosts,
        back_s: back.map(|back| back.as_secs_f64()),
        attempts: counted.len(),
        failed: failures.clone().count(),
        told: failures.take(5).cloned().collect(),
        begun,
        median_link_ms: times.get(times.len() / 2).copied().unwrap_or_default(),
        late_ms: late.latency().ms(0.99).unwrap_or_default(),
    }
}

/// Says whether everybody came back in time, nobody in vain, and no session noticed. Where the load
/// side was late itself, only a lost byte is surely the relay's. The first wave is not judged: hosts
/// that nobody knows shake hands from the very beginning, which is as dear for the load side.
pub fn judge(waves: &[Wave], faults: &Faults, lag: &Latency, optimised: bool) -> Verdict {
    let waves = waves.get(1..).unwrap_or_default();
    let (mut broken, mut kept) = (Vec::new(), Vec::new());
    let late = verdict::is_late(lag) || waves.iter().any(|wave| wave.late_ms > LATE_MAX_MS);
    if late {
        broken.push("the load side was late: give it a CPU of its own".to_owned());
    }
    let mut hold = |holds: bool, text: String| {
        if holds { &mut kept } else { &mut broken }.push(text);
    };
    for wave in waves {
        let name = &wave.name;
        match wave.back_s {
            Some(back) => hold(
                back <= BACK_GOAL_S,
                format!(
                    "{name}: {} hosts linked in {back:.1} s, goal {BACK_GOAL_S}",
                    wave.hosts
                ),
            ),
            None => hold(false, format!("{name}: not all {} hosts came", wave.hosts)),
        }
        let first = wave.told.first().map(|it| format!(" ({it})"));
        hold(
            wave.failed == 0,
            format!(
                "{name}: {} of {} attempts failed{}",
                wave.failed,
                wave.attempts,
                first.unwrap_or_default()
            ),
        );
        let most = wave.begun.iter().copied().max().unwrap_or_default();
        let share = f64::from(most) / f64::from(wave.hosts.max(1));
        hold(
            share <= SLICE_SHARE_MAX,
            format!(
                "{}: the busiest tenth of a second saw {:.0}% of the hosts, {:.0}% allowed",
                wave.name,
                100.0 * share,
                100.0 * SLICE_SHARE_MAX
            ),
        );
    }
    let total = faults.total();
    hold(total == 0, format!("sessions beside it: {total} faults"));
    let outcome = if total > 0 {
        Outcome::Fail
    } else if late || !optimised {
        Outcome::Void
    } else if broken.is_empty() {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    broken.append(&mut kept);
    Verdict {
        outcome,
        reasons: broken,
    }
}

/// A wave in one line for a person.
pub(crate) fn summary(wave: &Wave) -> String {
    let back = wave
        .back_s
        .map_or_else(|| "never".to_owned(), |back| format!("{back:.2} s"));
    format!(
        "{}: {} hosts, all back {back}, {} attempts, {} failed, a link takes {:.1} ms, {:.0} links/s",
        wave.name,
        wave.hosts,
        wave.attempts,
        wave.failed,
        wave.median_link_ms,
        f64::from(wave.hosts) / wave.back_s.unwrap_or(f64::INFINITY),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(begun: Vec<u32>) -> Wave {
        Wave {
            name: "wave".into(),
            hosts: 100,
            back_s: Some(3.0),
            attempts: 100,
            failed: 0,
            told: Vec::new(),
            begun,
            median_link_ms: 2.0,
            late_ms: 1.0,
        }
    }

    /// The load side, late by so many milliseconds.
    fn lag(ms: u64) -> Latency {
        let mut recorder = Recorder::new();
        recorder.record(Duration::from_millis(ms));
        recorder.latency()
    }

    fn outcome(wave: Wave, faults: &Faults) -> Outcome {
        judge(&[seen(vec![100]), wave], faults, &lag(1), true).outcome
    }

    #[test]
    fn a_storm_passes_when_all_come_back_in_time_and_spread() {
        let good = seen(vec![10; 10]);

        assert_eq!(outcome(good.clone(), &Faults::default()), Outcome::Pass);
        let good = [good];
        let judge = |lag: &Latency, optimised| judge(&good, &Faults::default(), lag, optimised);
        assert_eq!(judge(&lag(1), false).outcome, Outcome::Void);
        assert_eq!(judge(&lag(50), true).outcome, Outcome::Void);
        let late = Wave {
            late_ms: 26.0,
            ..good[0].clone()
        };
        assert_eq!(outcome(late, &Faults::default()), Outcome::Void);
    }

    #[test]
    fn each_rule_can_be_broken() {
        let good = seen(vec![10; 10]);
        let faults = Faults {
            cut: 1,
            ..Faults::default()
        };
        let late = Wave {
            back_s: Some(10.1),
            ..good.clone()
        };
        let never = Wave {
            back_s: None,
            ..good.clone()
        };
        let failed = Wave {
            failed: 1,
            ..good.clone()
        };

        assert_eq!(outcome(good.clone(), &faults), Outcome::Fail);
        for bad in [late, never, failed, seen(vec![26, 74])] {
            assert_eq!(outcome(bad, &Faults::default()), Outcome::Fail);
        }
    }

    #[test]
    fn attempts_on_a_board_that_is_away_are_no_failures() {
        let lost = Instant::now();
        let at = |ms| lost + Duration::from_millis(ms);
        let attempt = |began, outcome: Result<u32, String>| Attempt {
            due: at(began - 10),
            began: at(began),
            ended: at(began + 4),
            outcome,
        };
        let attempts = [
            attempt(50, Err("nobody there".into())),
            attempt(195, Ok(1)),
            attempt(250, Ok(2)),
            attempt(260, Err("refused".into())),
        ];

        let wave = wave("w", 2, (lost, at(200)), None, &attempts);

        assert_eq!((wave.attempts, wave.failed), (3, 1));
        assert_eq!(wave.told, ["refused"]);
        assert_eq!(wave.begun, [1, 1, 2]);
        assert!((wave.late_ms - 10.0).abs() < 0.1, "{}", wave.late_ms);
        assert!((wave.median_link_ms - 4.0).abs() < 1e-6);
    }
}
