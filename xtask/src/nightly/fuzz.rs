//! Made-up bytes for everything that takes bytes from strangers, under the address sanitizer.
//!
//! Each target of each fuzz package is a unit; all of them share the part's time equally. The part
//! `coverage` says how much of our files each target reaches with what has been found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::{Night, Part};
use crate::cache::{self, Tool};
use crate::exec::Call;
use crate::report;

const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// The fuzz targets' own packages; they are no members of the workspace.
const PACKAGES: [&str; 2] = ["protocol/fuzz", "relay/fuzz"];

/// What decides what a target finds.
pub(super) const INPUTS: &[&str] = &["protocol/src", "protocol/fuzz", "relay/src", "relay/fuzz"];

/// Targets that run side by side.
const LANES: u32 = 2;

/// What is kept of the part's time for building with the sanitizer.
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
        INPUTS
    }

    fn fills_time(&self) -> bool {
        true
    }

    fn lanes(&self) -> usize {
        usize::try_from(LANES).expect("a small number")
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        for package in PACKAGES {
            report::say(&format!("building {package}, under the address sanitizer"));
            cargo_fuzz(night, package, "build", "address")?.output(night.rest())?;
        }
        targets(night)
    }

    /// New inputs go to the cache, so that the committed corpus grows on purpose only.
    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let (package, target) = split(unit)?;
        let seconds = share(night)?.as_secs();
        let run = cargo_fuzz(night, package, "run", "address")?
            .arg(target)
            .args(corpora(night, package, target)?)
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

/// Every fuzz target, as `package/target`.
pub(super) fn targets(night: &Night<'_>) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for package in PACKAGES {
        targets.extend(targets_of(package, &night.root.join(package))?);
    }
    Ok(targets)
}

/// The package and the name of a target.
pub(super) fn split(target: &str) -> Result<(&str, &str)> {
    target.rsplit_once('/').context("not a target")
}

/// What a target begins with: what fuzzers here have found, and the committed corpus.
pub(super) fn corpora(night: &Night<'_>, package: &str, target: &str) -> Result<[PathBuf; 2]> {
    let found = cache::folder(&format!("fuzz/{target}"))?;
    let committed = night.root.join(package).join("corpus").join(target);
    Ok([found, committed])
}

/// How long each target runs.
fn share(night: &Night<'_>) -> Result<Duration> {
    let rounds = u32::try_from(targets(night)?.len())?.div_ceil(LANES);
    let margin = MARGIN.min(night.length / 4);
    Ok((night.length - margin) / rounds)
}

pub(super) fn cargo_fuzz<'a>(
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
fn targets_of(package: &str, folder: &Path) -> Result<Vec<String>> {
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

        assert_eq!(targets_of("p", dir.path()).unwrap(), ["p/a", "p/b"]);
    }
}
