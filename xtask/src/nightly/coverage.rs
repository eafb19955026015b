//! How much of the product's files each fuzz target reaches with what has been found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Night, Part, fuzz};

const ASK_LIMIT: Duration = Duration::from_secs(30);

/// The compiler's own reader of its coverage maps: another version would not understand them.
const COMPONENT: &str = "llvm-tools";

pub(super) struct Coverage;

impl Part for Coverage {
    fn name(&self) -> &'static str {
        "coverage"
    }

    fn what(&self) -> &'static str {
        "how much of the decoders the fuzzers reach with what they have found"
    }

    fn inputs(&self) -> &'static [&'static str] {
        fuzz::INPUTS
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        fuzz::targets(night)
    }

    /// Says for each file of ours how many percent of its regions the target reaches.
    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let (package, target) = fuzz::split(unit)?;
        let tool = llvm_cov(night)?;
        fuzz::cargo_fuzz(night, package, "coverage", "none")?
            .arg(target)
            .args(fuzz::corpora(night, package, target)?)
            .output(night.rest())?;
        let triple = host(night)?;
        let program = night.root.join(format!(
            "target/{triple}/coverage/{triple}/release/{target}"
        ));
        let profile = night
            .root
            .join(package)
            .join(format!("coverage/{target}/coverage.profdata"));
        let summary = night
            .shell
            .call(tool)
            .args(["export", "-summary-only", "-instr-profile"])
            .args([profile, program])
            .output(night.rest())?;
        let files = percentages(&summary, night.root)?;
        if files.is_empty() {
            bail!("{target} reaches no file of ours");
        }
        Ok(format!("regions reached: {}", files.join(", ")))
    }
}

/// The compiler's `llvm-cov`, which rustup installs first if need be.
fn llvm_cov(night: &Night<'_>) -> Result<PathBuf> {
    let sysroot = night
        .call("rustc")
        .args(["--print", "sysroot"])
        .output(ASK_LIMIT)?;
    let path = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host(night)?)
        .join("bin/llvm-cov");
    if !path.exists() {
        let install = night.call("rustup").args(["component", "add", COMPONENT]);
        install
            .output(night.rest())
            .context("coverage needs rustup component add llvm-tools")?;
    }
    Ok(path)
}

fn host(night: &Night<'_>) -> Result<String> {
    let version = night.call("rustc").arg("-vV").output(ASK_LIMIT)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

/// `file 93 %` for each file under `root` that was reached and is no fuzz target, by its path.
fn percentages(summary: &str, root: &Path) -> Result<Vec<String>> {
    let summary: Value = serde_json::from_str(summary)?;
    let files = summary
        .pointer("/data/0/files")
        .and_then(Value::as_array)
        .context("llvm-cov gave no files")?;
    let mut reached = Vec::new();
    for file in files {
        let name = file.get("filename").and_then(Value::as_str);
        let regions = file.pointer("/summary/regions");
        let (Some(name), Some(regions)) = (name, regions) else {
            continue;
        };
        let number = |key: &str| regions.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        // A module that another crate includes is named by a way through that crate.
        let place = fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
        let Some(ours) = ours(&place, root) else {
            continue;
        };
        if number("covered") > 0.0 {
            reached.push(format!("{} {:.0} %", ours.display(), number("percent")));
        }
    }
    reached.sort();
    Ok(reached)
}

fn ours<'a>(file: &'a Path, root: &Path) -> Option<&'a Path> {
    let path = file.strip_prefix(root).ok()?;
    let is_product = ["protocol/src", "relay/src"]
        .iter()
        .any(|folder| path.starts_with(folder));
    let is_simulation = path
        .components()
        .any(|part| part.as_os_str() == "simulation");
    (is_product && !is_simulation).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ours_that_were_reached_are_named_with_their_share() {
        let file = |name: &str, covered: u32| {
            format!(
                r#"{{"filename":"{name}","summary":{{"regions":{{"covered":{covered},"percent":{covered}.4}}}}}}"#
            )
        };
        let files = [
            file("/r/relay/src/data/flow.rs", 93),
            file("/r/relay/src/data/leg.rs", 0),
            file("/r/relay/src/data/simulation/mod.rs", 50),
            file("/elsewhere/relay/src/lib.rs", 50),
            file("/r/protocol/src/claim.rs", 100),
        ];
        let summary = format!(r#"{{"data":[{{"files":[{}]}}]}}"#, files.join(","));

        let found = percentages(&summary, Path::new("/r")).unwrap();

        assert_eq!(
            found,
            ["protocol/src/claim.rs 100 %", "relay/src/data/flow.rs 93 %"]
        );
    }
}
