//! What outlives a build: cargo tools, each in a folder named by its exact version, and what the
//! fuzzers found interesting.
//!
//! It is `$XDG_CACHE_HOME/tasuki`, and may be deleted at any time.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::exec::Shell;
use crate::report;

const GIT_LIMIT: Duration = Duration::from_secs(60);
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);

/// A program from crates.io that the checks need.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// The folder that holds the program, which is built first when it is not there yet.
    pub(crate) fn folder(&self, shell: &Shell) -> Result<PathBuf> {
        let tools = home()?.join("tools");
        let root = tools.join(format!("{}-{}", self.name, self.version));
        if !root.exists() {
            report::say(&format!("building {} {}, once", self.name, self.version));
            self.install(shell, &tools, &root)?;
        }
        Ok(root.join("bin"))
    }

    /// Builds beside the final place and renames, so that a folder there is always complete.
    fn install(&self, shell: &Shell, tools: &Path, root: &Path) -> Result<()> {
        fs::create_dir_all(tools).with_context(|| format!("cannot make {}", tools.display()))?;
        let partial = tempfile::tempdir_in(tools)?;
        let target = partial.path().join("target");
        shell
            .call("cargo")
            .args(["install", "--quiet", "--locked", "--version"])
            .arg(format!("={}", self.version))
            .arg("--root")
            .arg(partial.path())
            .arg(self.name)
            .env("CARGO_TARGET_DIR", &target)
            // These tools run for seconds: minutes of optimising would never pay.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .run(INSTALL_LIMIT)?;
        fs::remove_dir_all(&target)?;
        fs::rename(partial.path(), root).context("cannot move the finished tool into place")?;
        Ok(())
    }
}

/// A folder of the cache, made if need be.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = home()?.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A number that changes with the files under `inputs`, known to git or not, and with `length`.
pub(crate) fn key(
    shell: &Shell,
    root: &Path,
    inputs: &[&str],
    length: Option<Duration>,
) -> Result<u64> {
    let git = |words: &[&str]| {
        let call = shell.call("git").args(words).arg("--").args(inputs);
        call.dir(root).output(GIT_LIMIT)
    };
    let mut hasher = DefaultHasher::new();
    git(&["ls-files", "--stage"])?.hash(&mut hasher);
    git(&["diff", "--binary"])?.hash(&mut hasher);
    let new = git(&["ls-files", "--others", "--exclude-standard", "-z"])?;
    for path in new.split_terminator('\0') {
        path.hash(&mut hasher);
        // Removed meanwhile: the next look sees another list.
        fs::read(root.join(path)).ok().hash(&mut hasher);
    }
    length.hash(&mut hasher);
    Ok(hasher.finish())
}

fn home() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
        _ => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("tasuki"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_each_file_that_git_does_not_ignore_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let shell = Shell::new(false).unwrap();
        let git = |words: &[&str]| shell.call("git").args(words).dir(root).output(GIT_LIMIT);
        let write = |path: &str, bytes: &[u8]| fs::write(root.join(path), bytes).unwrap();
        fs::create_dir(root.join("in")).unwrap();
        git(&["init", "--quiet"]).unwrap();
        write(".gitignore", b"ignored\n");
        write("in/known", b"\0 1");
        git(&["add", "."]).unwrap();
        let mut seen = Vec::new();
        let mut changed = |what: &str, expected: bool| {
            let key = key(&shell, root, &["in"], None).unwrap();
            assert_eq!(!seen.contains(&key), expected, "{what}");
            seen.push(key);
        };

        changed("the first", true);
        write("in/known", b"\0 2");
        changed("a changed file", true);
        git(&["add", "."]).unwrap();
        changed("the same, staged", true);
        write("in/new", b"1");
        changed("a new file", true);
        write("in/new", b"2");
        changed("a new file's bytes", true);
        write("in/ignored", b"1");
        write("beside", b"1");
        changed("files that do not count", false);
    }
}
