//! Says whether a relay held; pure, so that old reports can be judged again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::report::comparison::OURS;
use crate::report::{Faults, Latency, Measure, Ratio, Round, Sample};
use crate::scenario::Allow;
use crate::statistics::Interval;
use crate::{number, statistics};

/// Share of the time that a load thread may run. Beyond it, messages wait for the load side.
const BUSY_MAX: f64 = 0.9;

/// How late the load side may be with one message in a hundred, in milliseconds.
const LAG_P99_MAX_MS: f64 = 5.0;

/// Rounds that a ratio needs for its interval to mean something.
const ROUNDS_MIN: usize = 5;

/// How far the upper end of an interval may lie above a goal.
const GOAL_SLACK: f64 = 1.05;

/// Samples that a slope needs.
const SAMPLES_MIN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    Fail,
    /// The load side was what was measured.
    Void,
}

/// The outcome, and why: every rule that was looked at, those that were broken first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub outcome: Outcome,
    pub reasons: Vec<String>,
}

/// What one rule found.
enum Finding {
    Kept(String),
    Broken(String),
    /// The load side cannot tell.
    Unsure(String),
}

impl Finding {
    fn is_trouble(&self) -> bool {
        !matches!(self, Self::Kept(_))
    }

    fn within(self, place: &str) -> Self {
        let place = |text| format!("{place}: {text}");
        match self {
            Self::Kept(text) => Self::Kept(place(text)),
            Self::Broken(text) => Self::Broken(place(text)),
            Self::Unsure(text) => Self::Unsure(place(text)),
        }
    }
}

impl Verdict {
    fn of(findings: Vec<Finding>) -> Self {
        let (mut broken, mut unsure, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for finding in findings {
            match finding {
                Finding::Kept(text) => kept.push(text),
                Finding::Broken(text) => broken.push(text),
                Finding::Unsure(text) => unsure.push(text),
            }
        }
        // A byte that was lost is lost, however busy the load side was.
        let outcome = match (broken.is_empty(), unsure.is_empty()) {
            (false, _) => Outcome::Fail,
            (true, false) => Outcome::Void,
            (true, true) => Outcome::Pass,
        };
        let reasons = [broken, unsure, kept].concat();
        Self { outcome, reasons }
    }
}

/// Judges one round of a soak.
pub fn soak(round: &Round, allow: &Allow) -> Verdict {
    let saturated = saturation(round);
    let mut findings = integrity(&round.faults);
    findings.push(if round.messages == 0 {
        Finding::Broken("no message arrived in the measured time".to_owned())
    } else {
        Finding::Kept(format!("{} messages arrived", round.messages))
    });
    findings.extend(growth(
        &round.samples,
        "memory, in KiB",
        allow.memory_growth_kib,
        |sample| number::float(sample.memory_bytes) / 1_024.0,
    ));
    findings.extend(growth(
        &round.samples,
        "descriptors",
        allow.descriptor_growth,
        |sample| number::float(sample.descriptors),
    ));
    // Late messages of a load side that is late itself say nothing about the relay.
    if saturated.is_empty() {
        findings.extend(latency(&round.latency, allow.latency_p99_ms));
    }
    findings.extend(saturated);
    Verdict::of(findings)
}

/// What our relay needs of something beside its peers, and what it may need.
#[derive(Debug, Clone)]
pub struct Comparison<'a> {
    pub what: String,
    pub ratios: &'a [Ratio],
    /// By family of peers.
    pub goals: &'a BTreeMap<String, f64>,
}

/// Judges our relay beside its peers. A goal is met when the upper end of the ratio's interval lies
/// within 5% of it.
pub fn peers(
    rounds: &[Round],
    comparisons: &[Comparison<'_>],
    (measure, optimised): (Measure, bool),
) -> Verdict {
    let mut findings = Vec::new();
    if !optimised {
        findings.push(Finding::Unsure(
            "this is a debug build, and peers are not: build with --release".to_owned(),
        ));
    }
    for round in rounds {
        let name = format!("round {} of {}", round.number, round.subject);
        if round.family == OURS {
            findings.extend(
                integrity(&round.faults)
                    .into_iter()
                    .filter(Finding::is_trouble),
            );
        }
        if round.messages == 0 && round.family == OURS {
            findings.push(Finding::Broken(format!("{name}: no message arrived")));
        }
        // Bulk goes as fast as the load side can: it is always saturated, and nothing waits for it.
        if measure != Measure::Gib {
            let saturated = saturation(round).into_iter();
            findings.extend(saturated.map(|finding| finding.within(&name)));
        }
    }
    findings.extend(comparisons.iter().flat_map(compared));
    Verdict::of(findings)
}

/// What became of each goal.
fn compared(comparison: &Comparison<'_>) -> Vec<Finding> {
    let Comparison {
        what,
        ratios,
        goals,
    } = comparison;
    let found = goals.iter().map(|(family, goal)| {
        let ratio = ratios.iter().find(|ratio| ratio.family == *family);
        match ratio {
            None => Finding::Unsure(format!("{what}: {family} was not measured; goal {goal}")),
            Some(ratio) if ratio.rounds < ROUNDS_MIN => Finding::Unsure(format!(
                "{what} beside {family}: {} rounds are too few to tell, {ROUNDS_MIN} are not",
                ratio.rounds
            )),
            Some(ratio) => {
                let Interval {
                    estimate,
                    low,
                    high,
                } = ratio.interval;
                let text = format!(
                    "{what} beside {family}: {estimate:.3} ({low:.3} to {high:.3}), goal {goal}"
                );
                if high <= goal * GOAL_SLACK {
                    Finding::Kept(text)
                } else {
                    Finding::Broken(text)
                }
            }
        }
    });
    found.collect()
}

/// Why the load side, not the subject, is what a round has measured; empty when it is not.
fn saturation(round: &Round) -> Vec<Finding> {
    let mut findings = Vec::new();
    if round.load_busy > BUSY_MAX {
        findings.push(Finding::Unsure(format!(
            "the load side was saturated: a thread ran {:.0}% of the time, {:.0}% at most give a \
             verdict; use more --load-threads and CPUs, or less load",
            100.0 * round.load_busy,
            100.0 * BUSY_MAX
        )));
    }
    if is_late(&round.lag) {
        let lag = round.lag.ms(0.99).unwrap_or_default();
        findings.push(Finding::Unsure(format!(
            "the load side was late: one message in a hundred left {lag:.1} ms after its time, \
             {LAG_P99_MAX_MS} ms at most give a verdict; give it a CPU of its own"
        )));
    }
    findings
}

/// Whether one message in a hundred left later than a verdict allows.
pub fn is_late(lag: &Latency) -> bool {
    lag.ms(0.99).unwrap_or_default() > LAG_P99_MAX_MS
}

/// Whether a round's figures are the subject's.
pub fn is_saturated(round: &Round) -> bool {
    !saturation(round).is_empty()
}

fn integrity(faults: &Faults) -> Vec<Finding> {
    [
        (faults.lost, "streams with lost bytes"),
        (faults.repeated, "streams with repeated bytes"),
        (faults.foreign, "streams with foreign bytes"),
        (faults.cut, "sessions that did not end as meant"),
        (faults.setup, "sessions that could not be set up"),
    ]
    .into_iter()
    .map(|(count, what)| {
        let text = format!("{count} {what}");
        if count == 0 {
            Finding::Kept(text)
        } else {
            Finding::Broken(text)
        }
    })
    .collect()
}

fn growth(
    samples: &[Sample],
    what: &str,
    allowed: f64,
    value: impl Fn(&Sample) -> f64,
) -> Option<Finding> {
    let (first, last) = (samples.first()?, samples.last()?);
    if samples.len() < SAMPLES_MIN {
        let count = samples.len();
        return Some(Finding::Unsure(format!(
            "growth of {what}: {count} samples are too few to tell, {SAMPLES_MIN} are not; measure \
             for longer"
        )));
    }
    let points: Vec<_> = samples.iter().map(|it| (it.at_s, value(it))).collect();
    let grown = statistics::slope(&points)? * (last.at_s - first.at_s);
    let text = format!("growth of {what}: {grown:.1} by its slope, {allowed} allowed");
    Some(if grown <= allowed {
        Finding::Kept(text)
    } else {
        Finding::Broken(text)
    })
}

fn latency(latency: &Latency, allowed: Option<f64>) -> Option<Finding> {
    let (found, allowed) = (latency.ms(0.99)?, allowed?);
    let text = format!("latency of 99 in 100 messages: {found:.2} ms, {allowed} ms allowed");
    Some(if found <= allowed {
        Finding::Kept(text)
    } else {
        Finding::Broken(text)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{Cpu, Ends, Recorder};

    fn delays(ms: u64) -> Latency {
        let mut recorder = Recorder::new();
        recorder.record(Duration::from_millis(ms));
        recorder.latency()
    }

    fn sample(at: u32, memory_kib: u32, descriptors: u32) -> Sample {
        Sample {
            at_s: f64::from(at),
            memory_bytes: u64::from(memory_kib) * 1_024,
            descriptors: descriptors.into(),
            threads: 4,
            context_switches: 0,
            tcp_memory_bytes: 0,
            cpu: Cpu {
                user_s: 0.0,
                system_s: 0.0,
            },
        }
    }

    fn good() -> Round {
        Round {
            subject: "tasuki".to_owned(),
            family: "tasuki".to_owned(),
            number: 0,
            settings: String::new(),
            sessions: 10,
            begun: 10,
            measured_s: 100.0,
            messages: 1_000,
            bytes: 1_000_000,
            latency: delays(1),
            lag: delays(1),
            load_busy: 0.5,
            cpu: None,
            samples: (0..100).map(|at| sample(at, 9_000 + at % 3, 50)).collect(),
            ends: Ends::default(),
            faults: Faults::default(),
        }
    }

    fn allow() -> Allow {
        Allow {
            latency_p99_ms: Some(10.0),
            ..Allow::default()
        }
    }

    #[test]
    fn a_good_round_passes_and_says_what_was_looked_at() {
        let verdict = soak(&good(), &allow());

        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        assert_eq!(verdict.reasons.len(), 9, "{verdict:?}");
    }

    #[test]
    fn every_kind_of_fault_fails() {
        let faults: [fn(&mut Faults) -> &mut u64; 5] = [
            |faults| &mut faults.lost,
            |faults| &mut faults.repeated,
            |faults| &mut faults.foreign,
            |faults| &mut faults.cut,
            |faults| &mut faults.setup,
        ];
        for fault in faults {
            let mut round = good();
            *fault(&mut round.faults) = 1;
            let verdict = soak(&round, &allow());

            assert_eq!(verdict.outcome, Outcome::Fail);
            assert!(verdict.reasons[0].starts_with("1 "), "{verdict:?}");
        }
    }

    #[test]
    fn silence_fails() {
        let round = Round {
            messages: 0,
            ..good()
        };

        assert_eq!(soak(&round, &allow()).outcome, Outcome::Fail);
    }

    #[test]
    fn growth_fails_where_it_is_more_than_allowed() {
        for (per_sample, outcome) in [(41, Outcome::Pass), (42, Outcome::Fail)] {
            let mut round = good();
            // 99 steps: 4,059 and 4,158 KiB, of 4,096 allowed.
            round.samples = (0..100)
                .map(|at| sample(at, 9_000 + per_sample * at, 50))
                .collect();

            assert_eq!(soak(&round, &allow()).outcome, outcome, "{per_sample}");
        }
        let mut round = good();
        round.samples = (0..100).map(|at| sample(at, 9_000, 50 + at)).collect();
        assert_eq!(soak(&round, &allow()).outcome, Outcome::Fail);
    }

    #[test]
    fn too_few_samples_give_no_verdict() {
        let mut round = good();
        round.samples.truncate(9);

        assert_eq!(soak(&round, &allow()).outcome, Outcome::Void);
    }

    #[test]
    fn a_saturated_load_side_gives_no_verdict_about_latency() {
        let busy = Round {
            load_busy: 0.91,
            latency: delays(1_000),
            ..good()
        };
        let late = Round {
            lag: delays(6),
            ..good()
        };
        for round in [busy, late] {
            assert_eq!(soak(&round, &allow()).outcome, Outcome::Void);
            assert!(is_saturated(&round));
        }
        assert!(!is_saturated(&good()));
    }

    #[test]
    fn a_saturated_load_side_does_not_excuse_lost_bytes() {
        let mut round = good();
        round.load_busy = 1.0;
        round.faults.lost = 1;

        assert_eq!(soak(&round, &allow()).outcome, Outcome::Fail);
    }

    #[test]
    fn latency_has_a_bound_where_the_scenario_has_one() {
        let slow = Round {
            latency: delays(11),
            ..good()
        };

        assert_eq!(soak(&slow, &allow()).outcome, Outcome::Fail);
        assert_eq!(soak(&slow, &Allow::default()).outcome, Outcome::Pass);
    }

    fn ratio(rounds: usize, high: f64) -> [Ratio; 1] {
        [Ratio {
            family: "nginx".to_owned(),
            interval: Interval {
                estimate: high - 0.1,
                low: high - 0.2,
                high,
            },
            rounds,
        }]
    }

    const MESSAGES: (Measure, bool) = (Measure::Message, true);

    fn beside(ratios: &[Ratio]) -> Outcome {
        let goals = BTreeMap::from([("nginx".to_owned(), 0.8)]);
        let comparison = Comparison {
            what: "a thing".to_owned(),
            ratios,
            goals: &goals,
        };
        peers(&[good()], &[comparison], MESSAGES).outcome
    }

    #[test]
    fn a_goal_is_met_when_the_whole_interval_is_within_reach() {
        assert_eq!(beside(&ratio(5, 0.839)), Outcome::Pass);
        assert_eq!(beside(&ratio(5, 0.841)), Outcome::Fail);
    }

    #[test]
    fn a_goal_needs_its_peer_and_enough_rounds() {
        assert_eq!(beside(&[]), Outcome::Void);
        assert_eq!(beside(&ratio(4, 0.5)), Outcome::Void);
    }

    #[test]
    fn a_peers_faults_are_its_own_and_ours_are_ours() {
        let mut theirs = good();
        theirs.family = "nginx".to_owned();
        theirs.faults.cut = 1;
        assert_eq!(
            peers(&[theirs.clone()], &[], MESSAGES).outcome,
            Outcome::Pass
        );

        theirs.family = OURS.to_owned();
        assert_eq!(peers(&[theirs], &[], MESSAGES).outcome, Outcome::Fail);
    }

    #[test]
    fn a_saturated_round_or_a_debug_build_makes_a_comparison_void() {
        let mut busy = good();
        busy.load_busy = 0.95;

        let verdict = peers(&[good(), busy.clone()], &[], MESSAGES);
        assert_eq!(verdict.outcome, Outcome::Void);
        let bulk = peers(&[good(), busy], &[], (Measure::Gib, true));
        assert_eq!(bulk.outcome, Outcome::Pass, "bulk is always busy");
        let slow = peers(&[good()], &[], (Measure::Message, false));
        assert_eq!(slow.outcome, Outcome::Void, "a debug build");
    }
}
