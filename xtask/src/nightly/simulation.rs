//! Ten thousand seeds for each simulation of the relay.
//!
//! The seeds follow from what is simulated: a change is met by new ones, and a part that was
//! stopped goes on with its own. One that fails is printed with the command that replays it.

use anyhow::{Context, Result, bail};

use super::{Night, Part};
use crate::exec::Call;

const SEEDS: u64 = 10_000;
const SEEDS_PER_UNIT: u64 = 500;

/// The tests that take seeds, by name.
const SIMULATIONS: [&str; 2] = ["data::simulation", "control::simulation"];

pub(super) struct Simulation;

impl Part for Simulation {
    fn name(&self) -> &'static str {
        "simulation"
    }

    fn what(&self) -> &'static str {
        "10,000 seeds for the session core, and as many for control"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["relay/src", "relay/testkit", "protocol/src", "Cargo.lock"]
    }

    fn lanes(&self) -> usize {
        2
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        cargo_test(night).arg("--no-run").run(night.rest())?;
        let first = first_seed(night.key);
        let ranges = (0..SEEDS / SEEDS_PER_UNIT).map(|chunk| {
            let from = first + chunk * SEEDS_PER_UNIT;
            format!("{from}..{}", from + SEEDS_PER_UNIT)
        });
        Ok(ranges
            .flat_map(|range| SIMULATIONS.map(|name| format!("{name} {range}")))
            .collect())
    }

    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let (name, seeds) = unit.split_once(' ').context("not a range of seeds")?;
        let test = cargo_test(night)
            .args(["--", "--exact", "--nocapture"])
            .arg(format!("{name}::tests::every_seed_keeps_every_promise"))
            .env("TASUKI_SIM_SEEDS", seeds)
            .finish(night.rest())?;
        if !test.status.success() {
            bail!("{}\n{}", test.stdout, test.stderr);
        }
        if !test.stdout.contains("test result: ok. 1 passed") {
            bail!("there is no such simulation");
        }
        Ok("fine".to_owned())
    }
}

fn cargo_test<'a>(night: &Night<'a>) -> Call<'a> {
    night
        .call("cargo")
        .args(["test", "--quiet", "--locked", "--package", "relay", "--lib"])
        // Twice as fast, checks of arithmetic and of the code's own assertions included.
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
}

/// Far from the seeds that every commit plays, and the same for the same inputs.
fn first_seed(key: u64) -> u64 {
    (key >> 16) * SEEDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_inputs_mean_other_seeds() {
        let ours = first_seed(0x1234_0000)..first_seed(0x1234_0000) + SEEDS;

        assert!(ours.end <= first_seed(0x1235_0000));
        assert!(first_seed(u64::MAX).checked_add(SEEDS).is_some());
    }
}
