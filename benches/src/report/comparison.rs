//! Our relay beside each peer, round by round; pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Measure, Ratio, Round};
use crate::statistics;

/// The family of our own relay, and that of no relay at all.
pub const OURS: &str = "tasuki";
pub const DIRECT: &str = "direct";

/// Our CPU time by this measure beside that of each family of peers.
pub fn ratios(rounds: &[Round], measure: Measure, seed: u64) -> Vec<Ratio> {
    compare(rounds, |round| round.cost(measure), seed)
}

/// What our relay adds to the delay of the middle message beside what each family adds: the round
/// without a relay is what both add to. Rounds in which somebody added nothing that could be
/// measured are left out.
pub fn delays(rounds: &[Round], seed: u64) -> Vec<Ratio> {
    let direct = rounds.iter().filter(|round| round.family == DIRECT);
    let direct: BTreeMap<usize, f64> = direct
        .filter_map(|round| Some((round.number, round.latency.ms(0.5)?)))
        .collect();
    let added = |round: &Round| {
        let added = round.latency.ms(0.5)? - direct.get(&round.number)?;
        (added > 0.0).then_some(added)
    };
    compare(rounds, added, seed)
}

/// A family's figure in a round is that of its best member there, so each round is compared with
/// the peer at its best.
fn compare(rounds: &[Round], cost: impl Fn(&Round) -> Option<f64>, seed: u64) -> Vec<Ratio> {
    let mut best: BTreeMap<(&str, usize), f64> = BTreeMap::new();
    for round in rounds {
        if let Some(cost) = cost(round) {
            let place = best.entry((&round.family, round.number)).or_insert(cost);
            *place = place.min(cost);
        }
    }
    let families: BTreeSet<&str> = best.keys().map(|(family, _)| *family).collect();
    let peers = families
        .into_iter()
        .filter(|family| ![OURS, DIRECT].contains(family));
    peers
        .filter_map(|family| {
            let theirs = best.iter().filter(|((its, _), _)| *its == family);
            let pairs: Vec<(f64, f64)> = theirs
                .filter_map(|((_, number), cost)| Some((*best.get(&(OURS, *number))?, *cost)))
                .collect();
            Some(Ratio {
                family: family.to_owned(),
                interval: statistics::ratio(&pairs, seed)?,
                rounds: pairs.len(),
            })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::{Cpu, Ends, Faults, Latency};

    pub(crate) fn round(family: &str, number: usize, cpu_us: u32) -> Round {
        Round {
            subject: family.to_owned(),
            family: family.to_owned(),
            number,
            settings: String::new(),
            sessions: 1,
            begun: 1,
            measured_s: 1.0,
            messages: 1_000_000,
            bytes: 1,
            latency: Latency::default(),
            lag: Latency::default(),
            load_busy: 0.0,
            cpu: Some(Cpu {
                user_s: f64::from(cpu_us),
                system_s: 0.0,
            }),
            samples: Vec::new(),
            ends: Ends::default(),
            faults: Faults::default(),
        }
    }

    #[test]
    fn each_family_is_taken_at_its_best_in_each_round() {
        let rounds = [
            round(OURS, 0, 8),
            round("haproxy", 0, 10),
            round("haproxy", 0, 16),
            round(OURS, 1, 16),
            round("haproxy", 1, 40),
            round("haproxy", 1, 20),
            round("nginx", 1, 32),
            Round {
                cpu: None,
                ..round(DIRECT, 1, 0)
            },
        ];
        let ratios = ratios(&rounds, Measure::Message, 1);

        let found: Vec<_> = ratios
            .iter()
            .map(|it| (it.family.as_str(), it.rounds))
            .collect();
        assert_eq!(found, [("haproxy", 2), ("nginx", 1)]);
        assert!((ratios[0].interval.estimate - 0.8).abs() < 1e-9);
        assert!((ratios[1].interval.estimate - 0.5).abs() < 1e-9);
    }

    #[test]
    fn delays_are_what_is_added_to_no_relay_at_all() {
        let delayed = |family, number, ms: f64| Round {
            latency: Latency {
                quantiles_us: vec![(0.5, ms * 1e3)],
                ..Latency::default()
            },
            ..round(family, number, 1)
        };
        let rounds = [
            delayed(DIRECT, 0, 1.0),
            delayed(OURS, 0, 2.0),
            delayed("haproxy", 0, 5.0),
            delayed("haproxy", 0, 3.0),
            // Faster than nothing: this round says nothing of it.
            delayed(DIRECT, 1, 1.0),
            delayed(OURS, 1, 0.5),
            delayed("haproxy", 1, 3.0),
        ];
        let delays = delays(&rounds, 1);

        assert_eq!(
            (delays[0].family.as_str(), delays[0].rounds),
            ("haproxy", 1)
        );
        assert!((delays[0].interval.estimate - 0.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_of_ours_is_no_ratio() {
        assert!(ratios(&[round("nginx", 0, 5)], Measure::Message, 1).is_empty());
    }

    #[test]
    fn bytes_are_compared_where_they_are_the_measure() {
        let ours = Round {
            bytes: 2 << 30,
            ..round(OURS, 0, 6)
        };
        let theirs = Round {
            bytes: 1 << 30,
            ..round("nginx", 0, 12)
        };
        let gib = ratios(&[ours.clone(), theirs], Measure::Gib, 1);

        assert!((ours.cpu_s_per_gib().unwrap() - 3.0).abs() < 1e-9);
        assert!((gib[0].interval.estimate - 0.25).abs() < 1e-9);
    }
}
