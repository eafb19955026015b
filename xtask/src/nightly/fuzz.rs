//! Made-up bytes for everything that takes bytes from strangers, under the address sanitizer.
//!
//! Each target of each fuzz package is a unit; all of them share the part's time equally. Another
//! unit each says how much of our files the target reaches with what it has found.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::{Night, Part, coverage};
use crate::cache::{self, Tool};
use crate::exec::Call;
use crate::report;

const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// The fuzz targets' own packages; they are no members of the workspace.
const PACKAGES: [&str; 2] = ["protocol/fuzz", "relay/fuzz"];

/// Targets that run side by side.
const LANES: u32 = 2;

/// What the name of a unit ends with that measures a target's coverage.
const COVERAGE: &str = " coverage";

/// What is kept of the part's time for building, once with the sanitizer and once for coverage.
const MARGIN: Duration = Duration::from_secs(900);

pub(super) struct Fuzz;

impl Part for Fuzz {
    fn name(&self) -> &'static str {
        "fuzz"
    }

    fn what(&self) -> &'static str {
        "made-up bytes for every decoder, under the address sanitizer"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["protocol/src", "protocol/fuzz", "relay/src", "relay/fuzz"]
    }

    fn fills_time(&self) -> bool {
        true
    }

    fn lanes(&self) -> usize {
        usize::try_from(LANES).expect("a small number")
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        let mut units = Vec::new();
        for package in PACKAGES {
            report::say(&format!("building {package}, under the address sanitizer"));
            cargo_fuzz(night, package, "build", "address")?.output(night.rest())?;
            units.extend(units_of(package, &night.root.join(package))?);
        }
        let coverage = units.iter().map(|unit| format!("{unit}{COVERAGE}"));
        Ok(units.iter().cloned().chain(coverage).collect())
    }

    /// New inputs go to the cache, so that the committed corpus grows on purpose only.
    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let coverage = unit.strip_suffix(COVERAGE);
        let (package, target) = coverage
            .unwrap_or(unit)
            .rsplit_once('/')
            .context("not a target")?;
        let found = cache::folder(&format!("fuzz/{target}"))?;
        let committed = night.root.join(package).join("corpus").join(target);
        if coverage.is_some() {
            let call = cargo_fuzz(night, package, "coverage", "none")?
                .arg(target)
                .args([found, committed]);
            return coverage::report(night, package, target, call);
        }
        let seconds = share(night)?.as_secs();
        let run = cargo_fuzz(night, package, "run", "address")?
            .arg(target)
            .arg(found)
            .arg(committed)
            .args(["--", "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-max_total_time={seconds}"))
            .finish(night.rest())?;
        if !run.status.success() {
            bail!("{}\nthe input lies in {package}/artifacts", run.stderr);
        }
        let inputs = run
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .context("the fuzzer gave no number of inputs")?;
        Ok(format!("{} inputs in {seconds} s, fine", inputs.trim()))
    }
}

/// How long each target runs.
fn share(night: &Night<'_>) -> Result<Duration> {
    let mut targets = 0;
    for package in PACKAGES {
        targets += units_of(package, &night.root.join(package))?.len();
    }
    let rounds = u32::try_from(targets)?.div_ceil(LANES);
    let margin = MARGIN.min(night.length / 4);
    Ok((night.length - margin) / rounds)
}

fn cargo_fuzz<'a>(
    night: &Night<'a>,
    package: &str,
    word: &str,
    sanitizer: &str,
) -> Result<Call<'a>> {
    let tools = CARGO_FUZZ
        .folder(night.shell)
        .context("cargo-fuzz is not there")?;
    Ok(night
        .shell
        .call(tools.join("cargo-fuzz"))
        .args([
            "fuzz",
            word,
            "--fuzz-dir",
            package,
            "--sanitizer",
            sanitizer,
        ])
        .dir(night.root)
        // The sanitizer is not stable yet; the toolchain is the same.
        .env("RUSTC_BOOTSTRAP", "1"))
}

/// The fuzz targets of a package in `folder`, as `package/target`.
fn units_of(package: &str, folder: &Path) -> Result<Vec<String>> {
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: toml::Table = text.parse()?;
    manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .map(|program| program.get("name").and_then(toml::Value::as_str))
        .map(|name| {
            Ok(format!(
                "{package}/{}",
                name.ok_or_else(|| anyhow!("no name"))?
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_programs_of_the_fuzz_package() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("Cargo.toml");
        fs::write(&manifest, "[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n").unwrap();

        assert_eq!(units_of("p", dir.path()).unwrap(), ["p/a", "p/b"]);
    }
}
