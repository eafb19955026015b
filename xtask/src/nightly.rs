//! `cargo xtask nightly PART`: what takes too long for every commit.
//!
//! Each part is bounded in time and prints its verdict last.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::cache::Tool;
use crate::exec::Shell;
use crate::report::{self, Steps};

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
    let tools = CARGO_FUZZ
        .folder(shell)
        .context("cargo-fuzz is not there")?;
    let cargo_fuzz = |word: &str| {
        shell
            .call(tools.join("cargo-fuzz"))
            .args(["fuzz", word, "--fuzz-dir", FUZZ, "--sanitizer", "address"])
            .dir(root)
            // The sanitizer is not stable yet; the toolchain is the same.
            .env("RUSTC_BOOTSTRAP", "1")
    };
    let mut steps = Steps::default();
    steps.loud("build", || cargo_fuzz("build").run(BUILD_LIMIT))?;
    let mut broken = Vec::new();
    for target in &targets {
        report::say(&format!("== {target}"));
        let limit = Duration::from_secs(seconds) + OVERTIME;
        let run = cargo_fuzz("run")
            .arg(target)
            .args(["--", "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-max_total_time={seconds}"));
        if let Err(error) = run.run(limit) {
            report::say(&format!("{target}: {error:#}"));
            broken.push(target.as_str());
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
