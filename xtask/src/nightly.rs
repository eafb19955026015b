//! `cargo xtask nightly PART`: what takes too long for every commit.
//!
//! Each part is bounded in time and prints its verdict last.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::cache::{self, Tool};
use crate::exec::{Call, Shell};
use crate::report;

const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// The fuzz targets' own package; it is no member of the workspace.
const FUZZ: &str = "protocol/fuzz";

/// Building all targets with the sanitizer, before the first one runs.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// How much longer than asked a target may run: it finishes its last input.
const OVERTIME: Duration = Duration::from_secs(120);

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Feed every decoder of the protocol with made-up bytes, under the address sanitizer.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        seconds: u64,
        /// Run this target only.
        #[arg(long)]
        target: Option<String>,
    },
}

pub(crate) fn run(shell: &Shell, root: &Path, options: &Options) -> Result<()> {
    match &options.part {
        Part::Fuzz { seconds, target } => fuzz(shell, root, *seconds, target.as_deref()),
    }
}

fn fuzz(shell: &Shell, root: &Path, seconds: u64, only: Option<&str>) -> Result<()> {
    let mut targets = targets(&root.join(FUZZ).join("Cargo.toml"))?;
    targets.retain(|target| only.is_none_or(|only| only == target));
    if targets.is_empty() {
        bail!("there is no such fuzz target in {FUZZ}");
    }
    let mut broken = Vec::new();
    report::say("building, under the address sanitizer");
    cargo_fuzz(shell, root, "build")?.output(BUILD_LIMIT)?;
    for target in &targets {
        match fuzz_target(shell, root, target, seconds)? {
            Verdict::Clean { inputs } => report::say(&format!("{target}: {inputs} inputs, fine")),
            Verdict::Broken { why } => {
                report::say(&format!("{target}: BROKEN\n{why}"));
                broken.push(target.as_str());
            }
        }
    }
    if !broken.is_empty() {
        bail!(
            "fuzz: inputs that break {}; they lie in {FUZZ}/artifacts",
            broken.join(", ")
        );
    }
    report::say(&format!(
        "fuzz: {} targets, {seconds} s each, nothing found",
        targets.len()
    ));
    Ok(())
}

enum Verdict {
    Clean { inputs: String },
    Broken { why: String },
}

/// Runs one target. New inputs go to the cache, so that the committed corpus grows on purpose only.
fn fuzz_target(shell: &Shell, root: &Path, target: &str, seconds: u64) -> Result<Verdict> {
    let found = cache::folder(&format!("fuzz/{target}"))?;
    let committed = root.join(FUZZ).join("corpus").join(target);
    let run = cargo_fuzz(shell, root, "run")?
        .arg(target)
        .arg(found)
        .arg(committed)
        .args(["--", "-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-max_total_time={seconds}"))
        .finish(Duration::from_secs(seconds) + OVERTIME)?;
    if !run.status.success() {
        return Ok(Verdict::Broken { why: run.stderr });
    }
    let inputs = run
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .context("the fuzzer gave no number of inputs")?;
    Ok(Verdict::Clean {
        inputs: inputs.trim().to_owned(),
    })
}

fn cargo_fuzz<'a>(shell: &'a Shell, root: &Path, word: &str) -> Result<Call<'a>> {
    let tools = CARGO_FUZZ
        .folder(shell)
        .context("cargo-fuzz is not there")?;
    Ok(shell
        .call(tools.join("cargo-fuzz"))
        .args(["fuzz", word, "--fuzz-dir", FUZZ, "--sanitizer", "address"])
        .dir(root)
        // The sanitizer is not stable yet; the toolchain is the same.
        .env("RUSTC_BOOTSTRAP", "1"))
}

/// The names of a package's fuzz targets.
fn targets(manifest: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: toml::Table = text.parse()?;
    let programs = manifest.get("bin").and_then(toml::Value::as_array);
    let name = |program: &toml::Value| Some(program.get("name")?.as_str()?.to_owned());
    Ok(programs.into_iter().flatten().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_programs_of_the_fuzz_package() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("Cargo.toml");
        fs::write(&manifest, "[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n").unwrap();

        assert_eq!(targets(&manifest).unwrap(), ["a", "b"]);
    }
}
