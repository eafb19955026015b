//! Parts that are tests of ours: those that `cargo test` ignores because they take long, and those
//! that do more when an environment variable says so.
//!
//! Every test is a unit of its own. Its name, output and panic are cargo's.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Night, Part};
use crate::exec::Call;

/// Long tests of one test program.
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The package, as cargo knows it.
    pub(super) package: &'static str,
    /// The test program, in the package's `tests` folder.
    pub(super) program: &'static str,
    /// Tests whose names begin with one of these; those that `cargo test` ignores are run as well.
    pub(super) prefixes: &'static [&'static str],
    /// But with none of these: they are another part's.
    pub(super) without: &'static [&'static str],
    /// What the tests are told.
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// Whether they need the speed of a release build.
    pub(super) release: bool,
    /// The files and folders that decide how they end.
    pub(super) inputs: &'static [&'static str],
}

impl Part for Suite {
    fn name(&self) -> &'static str {
        self.name
    }

    fn what(&self) -> &'static str {
        self.what
    }

    fn inputs(&self) -> &'static [&'static str] {
        self.inputs
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        let words = ["--list", "--format=terse", "--include-ignored"];
        let list = self.cargo(night, &words).output_shown(night.rest())?;
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let begins = |name: &str, with: &[&str]| with.iter().any(|prefix| name.starts_with(prefix));
        let ours = |name: &&str| begins(name, self.prefixes) && !begins(name, self.without);
        Ok(names.filter(ours).map(str::to_owned).collect())
    }

    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let words = [unit, "--exact", "--include-ignored", "--nocapture"];
        let began = night.rest();
        let said = self.cargo(night, &words).output_shown(night.rest())?;
        let passed = said
            .lines()
            .find_map(|line| line.strip_prefix("test result: ok. "))
            .context("cargo test gave no result")?;
        if !passed.starts_with("1 passed") {
            bail!("no such test was run");
        }
        let taken: Duration = began.saturating_sub(night.rest());
        Ok(format!("passed, {:.0} s", taken.as_secs_f64()))
    }
}

impl Suite {
    fn cargo<'a>(&self, night: &Night<'a>, words: &[&str]) -> Call<'a> {
        let release = self.release.then_some("--release");
        let mut call = night
            .call("cargo")
            .args(["test", "--quiet", "--locked", "--package", self.package])
            .args(["--test", self.program])
            .args(release)
            .arg("--")
            .args(words);
        for (name, value) in self.variables {
            call = call.env(name, value);
        }
        call
    }
}
