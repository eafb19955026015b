//! Scenarios: what load to make, as data.
//!
//! Everything random in a run is drawn from the scenario's seed, so that a run can be made again.

mod range;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use range::Range;

/// Descriptors of a session on the load side: two legs, the host's link, and room to spare.
const SESSIONS_MAX: u32 = 6_000;

/// Pairs of agents: each is two processes.
const AGENTS_MAX: u32 = 64;

/// A day: longer runs are several runs.
const SECONDS_MAX: f64 = 86_400.0;

/// By satellite, and a half.
const ROUND_TRIP_MAX_MS: f64 = 1_000.0;

/// What one write may offer; larger ones are bulk, and have a command of their own.
const MESSAGE_MAX: u32 = 1 << 20;

/// Telework as it is measured in the field: 20 screen updates a second down, 5 inputs up.
const TELEWORK: &str = include_str!("../../scenarios/telework.toml");

/// The same without what only some peers can bear, and with our goals beside them.
const PEERS: &str = include_str!("../../scenarios/peers.toml");

/// As fast as it goes.
const BULK: &str = include_str!("../../scenarios/bulk.toml");

/// Sessions that hardly last.
const SETUPS: &str = include_str!("../../scenarios/setups.toml");

/// What load to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// All that is random comes from it.
    pub seed: u64,
    /// Sessions at a time.
    pub sessions: u32,
    /// Time over which sessions are set up evenly.
    pub ramp_s: f64,
    /// Time after that, before anything is measured.
    pub warm_up_s: f64,
    /// Time that is measured.
    pub duration_s: f64,
    /// Hosts send as fast as it is taken, in writes of `down.bytes`, whatever the rate says. What
    /// is measured then is the cost of a byte: there is no time at which one was meant to leave.
    #[serde(default)]
    pub bulk: bool,
    /// Our relay lets small messages wait for each other.
    #[serde(default = "yes")]
    pub batching: bool,
    /// Time that a byte takes from an agent to the subject and back, drawn for each connection;
    /// without it there is no distance.
    pub round_trip_ms: Option<Range<f64>>,
    /// Of the sessions of a soak, the first so many are those of real agents.
    #[serde(default)]
    pub agents: u32,
    /// From host to client.
    pub down: Traffic,
    /// From client to host.
    pub up: Traffic,
    /// Without it sessions last to the end.
    pub churn: Option<Churn>,
    /// Without it all readers read.
    pub stall: Option<Stall>,
    #[serde(default)]
    pub allow: Allow,
    /// By family of peers: most of its CPU time, by the measure of the command, that our relay may
    /// need.
    #[serde(default)]
    pub goals: BTreeMap<String, f64>,
    /// By family of peers: most of the delay that it adds to half of the messages that our relay may
    /// add.
    #[serde(default)]
    pub delay_goals: BTreeMap<String, f64>,
}

/// One direction of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Messages on average; the gaps between them are exponential.
    pub per_second: f64,
    /// Size of a message.
    pub bytes: Range<u32>,
}

/// Sessions that end, each followed by a new one of the same host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    pub lifetime_s: Range<f64>,
    /// Share of the ends in which the client ends first and the host goes on.
    #[serde(default)]
    pub half_close_share: f64,
    /// How long the host goes on.
    #[serde(default = "no_time")]
    pub linger_s: Range<f64>,
    /// Share of the ends in which the client resets.
    #[serde(default)]
    pub abort_share: f64,
}

/// Clients that stop reading for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Share of the sessions.
    pub share: f64,
    /// Time that such a client reads between two pauses.
    pub every_s: Range<f64>,
    pub pause_s: Range<f64>,
}

/// What a relay may show and still pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    /// Growth of its memory over the measured time, by its slope.
    pub memory_growth_kib: f64,
    /// The same of its descriptors.
    pub descriptor_growth: f64,
    /// Latency of 99 of 100 messages; unbounded without it.
    pub latency_p99_ms: Option<f64>,
}

impl Default for Allow {
    fn default() -> Self {
        Self {
            memory_growth_kib: 4_096.0,
            descriptor_growth: 16.0,
            latency_p99_ms: None,
        }
    }
}

fn yes() -> bool {
    true
}

fn no_time() -> Range<f64> {
    Range::One(0.0)
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("not a scenario: {0}")]
    Parse(#[from] toml::de::Error),
    #[error("{key} {must}")]
    Bounds { key: &'static str, must: String },
}

impl Scenario {
    /// The one that is built in.
    ///
    /// # Errors
    /// None, unless the file in the tree is wrong: a test reads it.
    pub fn telework() -> Result<Self, ScenarioError> {
        Self::parse(TELEWORK)
    }

    /// The one for comparisons.
    ///
    /// # Errors
    /// As above.
    pub fn peers() -> Result<Self, ScenarioError> {
        Self::parse(PEERS)
    }

    /// The one for bulk.
    ///
    /// # Errors
    /// As above.
    pub fn bulk() -> Result<Self, ScenarioError> {
        Self::parse(BULK)
    }

    /// The one for set-ups.
    ///
    /// # Errors
    /// As above.
    pub fn setups() -> Result<Self, ScenarioError> {
        Self::parse(SETUPS)
    }

    /// # Errors
    /// What is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether every value is one that the load side can make.
    ///
    /// # Errors
    /// The first value that is not.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let sessions = Range::One(self.sessions);
        within("sessions", sessions, 1, SESSIONS_MAX)?;
        within("agents", Range::One(self.agents), 0, AGENTS_MAX)?;
        within("ramp_s", Range::One(self.ramp_s), 0.0, SECONDS_MAX)?;
        within("warm_up_s", Range::One(self.warm_up_s), 0.0, SECONDS_MAX)?;
        within("duration_s", Range::One(self.duration_s), 0.1, SECONDS_MAX)?;
        if let Some(time) = self.round_trip_ms {
            within("round_trip_ms", time, 0.0, ROUND_TRIP_MAX_MS)?;
        }
        within("down.bytes", self.down.bytes, 1, MESSAGE_MAX)?;
        within("up.bytes", self.up.bytes, 1, MESSAGE_MAX)?;
        let rate = |rate| Range::One(rate);
        within("down.per_second", rate(self.down.per_second), 0.0, 1e6)?;
        within("up.per_second", rate(self.up.per_second), 0.0, 1e6)?;
        if let Some(churn) = &self.churn {
            within("churn.lifetime_s", churn.lifetime_s, 0.01, SECONDS_MAX)?;
            within("churn.linger_s", churn.linger_s, 0.0, SECONDS_MAX)?;
            let (half, abort) = (churn.half_close_share, churn.abort_share);
            within("churn.half_close_share", Range::One(half), 0.0, 1.0)?;
            within("churn.abort_share", Range::One(abort), 0.0, 1.0 - half)?;
        }
        if let Some(stall) = &self.stall {
            within("stall.share", Range::One(stall.share), 0.0, 1.0)?;
            within("stall.every_s", stall.every_s, 0.01, SECONDS_MAX)?;
            within("stall.pause_s", stall.pause_s, 0.01, SECONDS_MAX)?;
        }
        for (key, goals) in [("goals", &self.goals), ("delay_goals", &self.delay_goals)] {
            for goal in goals.values() {
                within(key, Range::One(*goal), 0.01, 100.0)?;
            }
        }
        Ok(())
    }
}

fn within<T: Copy + PartialOrd + std::fmt::Display>(
    key: &'static str,
    range: Range<T>,
    least: T,
    most: T,
) -> Result<(), ScenarioError> {
    if range.lies_within(least, most) {
        return Ok(());
    }
    Err(ScenarioError::Bounds {
        key,
        must: format!("must be {least} to {most}, a range with its lower end first"),
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn changed(from: &str, to: &str) -> Result<Scenario, ScenarioError> {
        assert!(TELEWORK.contains(from), "{from}");
        Scenario::parse(&TELEWORK.replace(from, to))
    }

    #[test]
    fn the_built_in_scenarios_are_some() {
        let telework = Scenario::telework().unwrap();

        assert_eq!(telework.sessions, 2_000);
        assert_eq!(telework.down.bytes, Range::Between([100, 1_400]));
        assert_eq!(telework.up.bytes, Range::One(20));
        assert!(Scenario::peers().unwrap().goals.contains_key("haproxy"));
        assert!(Scenario::bulk().unwrap().bulk);
        assert!(Scenario::setups().unwrap().churn.is_some());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = changed("seed = ", "speed = 1\nseed = ").unwrap_err();

        assert!(error.to_string().contains("speed"), "{error}");
    }

    #[test]
    fn values_have_bounds_and_reach_them() {
        for (sessions, fits) in [(0, false), (1, true), (6_000, true), (6_001, false)] {
            let text = format!("sessions = {sessions}");
            assert_eq!(changed("sessions = 2000", &text).is_ok(), fits, "{text}");
        }
        let backwards = changed("bytes = [100, 1400]", "bytes = [1400, 100]").unwrap_err();
        assert!(backwards.to_string().contains("down.bytes"), "{backwards}");
        let not_a_number = changed("ramp_s = 30", "ramp_s = nan");
        assert!(not_a_number.is_err());
        let shares = changed("abort_share = 0.05", "abort_share = 0.75");
        assert!(shares.is_err(), "more ends than there are");
    }

    #[test]
    fn a_range_gives_both_of_its_ends_and_nothing_else() {
        let mut random = StdRng::seed_from_u64(1);
        let range = Range::Between([3_u32, 5]);
        let drawn: std::collections::BTreeSet<_> =
            (0..100).map(|_| range.draw(&mut random)).collect();

        assert_eq!(drawn, [3, 4, 5].into());
        assert_eq!(Range::One(7_u32).draw(&mut random), 7);
    }

    #[test]
    fn a_scenario_survives_being_written_in_a_report() {
        let telework = Scenario::telework().unwrap();
        let text = serde_json::to_string(&telework).unwrap();

        assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), telework);
    }
}
