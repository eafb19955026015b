//! Whether the packages that images are pinned to can still be had, for checks that build images.
//!
//! Debian's mirrors forget old versions after weeks. A release stops then; a check goes on with
//! today's versions in a scratch copy of the locks, and says so. Must never write to `boards/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec::{Call, Shell};
use crate::report;

const LIMIT: Duration = Duration::from_secs(3600);
/// Exit code of `tasuki` for a package that is nowhere to be had.
const GONE: i32 = 69;

/// Fetches what the locks name; if that cannot be, locks anew in a scratch copy.
pub(crate) fn provide(shell: &Shell, root: &Path) -> Result<()> {
    provide_with(root, |words| {
        let words = ["run", "--quiet", "-p", "image-builder", "--", "image"]
            .iter()
            .chain(words);
        shell.call("cargo").args(words).dir(root)
    })
}

/// The scratch copy of the locks, if the pins were gone when [`provide`] last looked.
pub(crate) fn scratch_copy(root: &Path) -> Option<PathBuf> {
    Some(scratch(root)).filter(|folder| folder.exists())
}

fn scratch(root: &Path) -> PathBuf {
    root.join("target/locks")
}

fn provide_with<'s>(root: &Path, tasuki: impl Fn(&[&str]) -> Call<'s>) -> Result<()> {
    let scratch = scratch(root);
    if scratch.exists() {
        fs::remove_dir_all(&scratch)
            .with_context(|| format!("cannot remove {}", scratch.display()))?;
    }
    let finished = tasuki(&["lock", "fetch"]).finish(LIMIT)?;
    if finished.status.success() {
        return Ok(());
    }
    if finished.status.code() != Some(GONE) {
        bail!("{}", finished.stderr.trim_end());
    }
    report::say(&format!(
        "{}\n\n\
         ***** PINNED PACKAGES ARE GONE. This check goes on with TODAY'S VERSIONS, locked in {}.\n\
         ***** What it builds is NOT what the repository's locks say. Run `tasuki image lock \
         update`, review, and commit.\n",
        finished.stderr.trim_end(),
        scratch.display()
    ));
    let place = scratch.to_string_lossy().into_owned();
    tasuki(&["lock", "update", "--to", &place]).run(LIMIT)?;
    tasuki(&["--locks", &place, "lock", "check"]).run(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs with a shell script in place of `tasuki`; returns what that was asked for, and whether
    /// there is a scratch copy.
    fn asked(script: &str) -> (Result<()>, String, bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let shell = Shell::new(false).expect("a shell");
        let script = format!("echo \"$*\" >> asked; {script}");
        fs::create_dir_all(folder.path().join("target/locks/stale")).expect("a folder");

        let done = provide_with(folder.path(), |words| {
            let call = shell.call("/bin/sh").args(["-c", &script, "tasuki"]);
            call.args(words).dir(folder.path())
        });

        let asked = fs::read_to_string(folder.path().join("asked")).expect("was asked");
        let asked = asked.replace(&folder.path().display().to_string(), "ROOT");
        (done, asked, scratch(folder.path()).is_dir())
    }

    #[test]
    fn pins_that_can_be_had_are_used() {
        let (done, asked, scratch) = asked("true");

        assert!(done.is_ok(), "{done:?}");
        assert_eq!(asked, "lock fetch\n");
        assert!(!scratch, "an earlier run's is gone");
    }

    #[test]
    fn pins_that_are_gone_are_locked_anew_in_a_scratch_copy() {
        let (done, asked, scratch) =
            asked("case \"$*\" in *fetch) exit 69;; *update*) mkdir -p \"$4\";; esac");

        assert!(done.is_ok(), "{done:?}");
        assert_eq!(
            asked,
            "lock fetch\nlock update --to ROOT/target/locks\n--locks ROOT/target/locks lock check\n"
        );
        assert!(scratch);
    }

    #[test]
    fn any_other_trouble_stops() {
        let (done, asked, _) = asked("echo why >&2; exit 1");

        assert!(done.expect_err("is told").to_string().contains("why"));
        assert_eq!(asked, "lock fetch\n");
    }
}
