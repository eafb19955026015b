//! What one session does and when, drawn from the scenario; pure.

use rand::Rng;
use rand::rngs::StdRng;

use crate::scenario::{Range, Scenario, Traffic};

const SECOND: f64 = 1e9;

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both directions at once.
    Close,
    /// The client's direction first, the host's so many nanoseconds later.
    HalfClose { linger: u64 },
    /// The client resets.
    Abort,
}

/// Draws what sessions do. Each has its own source of randomness, so that what one of them meets
/// does not change what another one does.
pub(crate) struct Plan<'a> {
    scenario: &'a Scenario,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        Self { scenario }
    }

    /// Time until the next message of this traffic; `None` when there is none.
    pub(crate) fn gap(traffic: &Traffic, random: &mut StdRng) -> Option<u64> {
        if traffic.per_second <= 0.0 {
            return None;
        }
        // Never zero, of which there is no logarithm.
        let chance: f64 = 1.0 - random.r#gen::<f64>();
        Some(nanoseconds(-chance.ln() / traffic.per_second))
    }

    /// Time until this session ends, and how; `None` when it lasts.
    pub(crate) fn ending(&self, random: &mut StdRng) -> Option<(u64, Ending)> {
        let churn = self.scenario.churn.as_ref()?;
        let lifetime = draw(&churn.lifetime_s, random);
        let chance: f64 = random.r#gen();
        let ending = if chance < churn.half_close_share {
            let linger = draw(&churn.linger_s, random);
            Ending::HalfClose { linger }
        } else if chance < churn.half_close_share + churn.abort_share {
            Ending::Abort
        } else {
            Ending::Close
        };
        Some((lifetime, ending))
    }

    /// Whether this session's client stalls from time to time.
    pub(crate) fn stalls(&self, random: &mut StdRng) -> bool {
        let stall = self.scenario.stall.as_ref();
        stall.is_some_and(|stall| random.r#gen::<f64>() < stall.share)
    }

    /// Time until such a client stalls again.
    pub(crate) fn stall_gap(&self, random: &mut StdRng) -> Option<u64> {
        let stall = self.scenario.stall.as_ref()?;
        Some(draw(&stall.every_s, random))
    }

    /// How long it stalls.
    pub(crate) fn stall_pause(&self, random: &mut StdRng) -> Option<u64> {
        let stall = self.scenario.stall.as_ref()?;
        Some(draw(&stall.pause_s, random))
    }
}

fn draw(seconds: &Range<f64>, random: &mut StdRng) -> u64 {
    nanoseconds(seconds.draw(random))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a scenario's times are positive and at most a day; what is longer saturates"
)]
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * SECOND) as u64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn telework() -> Scenario {
        Scenario::telework().unwrap()
    }

    #[test]
    fn gaps_are_as_long_as_the_rate_says_on_average() {
        let mut random = StdRng::seed_from_u64(1);
        let down = telework().down;
        let total: u64 = (0..20_000)
            .map(|_| Plan::gap(&down, &mut random).unwrap())
            .sum();
        let average_ms = total / 20_000 / 1_000_000;

        assert!((48..=52).contains(&average_ms), "{average_ms} ms");
    }

    #[test]
    fn no_rate_is_no_message() {
        let mut random = StdRng::seed_from_u64(1);
        let silent = Traffic {
            per_second: 0.0,
            bytes: Range::One(1),
        };

        assert_eq!(Plan::gap(&silent, &mut random), None);
    }

    #[test]
    fn endings_come_in_their_shares() {
        let scenario = telework();
        let plan = Plan::new(&scenario);
        let mut random = StdRng::seed_from_u64(1);
        let endings: Vec<_> = (0..10_000)
            .map(|_| plan.ending(&mut random).unwrap())
            .collect();
        let count = |wanted: fn(&Ending) -> bool| {
            endings.iter().filter(|(_, ending)| wanted(ending)).count()
        };
        let halves = count(|ending| matches!(ending, Ending::HalfClose { .. }));
        let aborts = count(|ending| matches!(ending, Ending::Abort));

        assert!((2_800..=3_200).contains(&halves), "{halves}");
        assert!((400..=600).contains(&aborts), "{aborts}");
        let lifetimes = 60_000_000_000..=600_000_000_000;
        assert!(endings.iter().all(|(after, _)| lifetimes.contains(after)));
    }

    #[test]
    fn without_churn_and_stalls_a_session_just_lasts() {
        let scenario = Scenario {
            churn: None,
            stall: None,
            ..telework()
        };
        let plan = Plan::new(&scenario);
        let mut random = StdRng::seed_from_u64(1);

        assert_eq!(plan.ending(&mut random), None);
        assert!(!plan.stalls(&mut random));
    }
}
