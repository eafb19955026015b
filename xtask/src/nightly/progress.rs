//! Which units of a part are done: a file in the cache, a line for each, added as it passes.
//!
//! The file is named by what the part tests, so that a change of it begins anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::cache;

/// What was done before this run, and where to add to it.
pub(super) struct Progress {
    path: PathBuf,
    done: BTreeMap<String, String>,
    file: Mutex<File>,
}

impl Progress {
    pub(super) fn open(part: &str, key: u64, restart: bool) -> Result<Self> {
        Self::open_in(&cache::folder("nightly")?, part, key, restart)
    }

    /// Only the newest key of a part is kept.
    pub(super) fn open_in(folder: &Path, part: &str, key: u64, restart: bool) -> Result<Self> {
        let name = format!("{part}.{key:016x}");
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let other = entry.file_name().to_string_lossy().into_owned();
            let same_part = other.rsplit_once('.').is_some_and(|(it, _)| it == part);
            if same_part && (restart || other != name) {
                fs::remove_file(entry.path())?;
            }
        }
        let path = folder.join(name);
        let text = if path.exists() {
            fs::read_to_string(&path)?
        } else {
            String::new()
        };
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            path,
            done: parse(&text),
            file: Mutex::new(file),
        })
    }

    /// What came of a unit that passed before.
    pub(super) fn result(&self, unit: &str) -> Option<&str> {
        self.done.get(unit).map(String::as_str)
    }

    /// The unit has passed.
    pub(super) fn record(&self, unit: &str, result: &str) -> Result<()> {
        let line = format!("{unit}\t{}\n", result.replace('\n', " "));
        let mut file = self.file.lock().ok().context("a lane panicked")?;
        file.write_all(line.as_bytes())
            .context("cannot write down what is done")
    }

    /// Everything has passed: the next run begins anew.
    pub(super) fn forget(self) -> Result<()> {
        fs::remove_file(self.path).context("cannot forget what is done")
    }
}

/// A last line without its end was cut off, and counts as not done.
fn parse(text: &str) -> BTreeMap<String, String> {
    let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    whole
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(unit, result)| (unit.to_owned(), result.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_and_another_key_forget_what_was_done() {
        let dir = tempfile::tempdir().unwrap();
        let open = |key, restart| Progress::open_in(dir.path(), "part", key, restart).unwrap();

        open(1, false).record("unit", "two\nlines").unwrap();
        assert_eq!(open(1, false).result("unit"), Some("two lines"));
        assert_eq!(open(1, true).result("unit"), None);

        open(1, false).record("unit", "fine").unwrap();
        assert_eq!(open(2, false).result("unit"), None);
        assert_eq!(
            open(1, false).result("unit"),
            None,
            "only the newest is kept"
        );
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_count() {
        let done = parse("a\tfine\nb\tfi");

        assert_eq!(done.into_keys().collect::<Vec<_>>(), ["a"]);
    }
}
