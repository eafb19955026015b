//! Counting a program's instructions with valgrind's callgrind: the same on a busy machine as on an
//! idle one.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

pub(crate) const PROGRAM: &str = "valgrind";

/// What stands before a command to have each of its threads counted; the counts go to this folder,
/// where the counted program must be allowed to write.
pub(crate) fn command(folder: &Path) -> Vec<OsString> {
    let mut out = OsString::from("--callgrind-out-file=");
    out.push(folder.join("callgrind.out"));
    vec![
        PROGRAM.into(),
        "--quiet".into(),
        "--tool=callgrind".into(),
        "--separate-threads=yes".into(),
        out,
    ]
}

/// Instructions of a program that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Of the one thread that ever was in the function.
    pub(crate) thread: u64,
    /// Of all threads.
    pub(crate) all: u64,
}

/// Reads the profiles that were left in this folder; `function` is part of a function's name.
pub(crate) fn counts(folder: &Path, function: &str) -> anyhow::Result<Counts> {
    let (mut chosen, mut all) = (Vec::new(), 0);
    for number in 1.. {
        let path = folder.join(format!("callgrind.out-{number:02}"));
        if !path.is_file() {
            break;
        }
        let text = fs::read_to_string(&path)?;
        let count = total(&text).with_context(|| format!("{} has no total", path.display()))?;
        all += count;
        if text.contains(function) {
            chosen.push(count);
        }
    }
    let [thread] = chosen[..] else {
        bail!(
            "{} threads were in {function}, not one (in {})",
            chosen.len(),
            folder.display()
        );
    };
    Ok(Counts { thread, all })
}

/// A profile may have several parts, each with its total (`callgrind` manual, file format).
fn total(text: &str) -> Option<u64> {
    let totals = text
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    totals
        .map(|total| total.trim().parse::<u64>().ok())
        .reduce(|sum, part| Some(sum? + part?))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_all_parts_are_added() {
        assert_eq!(
            total("events: Ir\ntotals: 120\n\npart: 2\ntotals: 3\n"),
            Some(123)
        );
        assert_eq!(total("events: Ir\n"), None);
        assert_eq!(total("totals: many\n"), None);
    }

    #[test]
    fn one_thread_is_told_by_its_function() {
        let folder = tempfile::tempdir().unwrap();
        assert!(counts(folder.path(), "work").is_err(), "no profile");
        let threads = [(1, "main", 10), (2, "worker::work", 20), (3, "main", 5)];
        for (number, function, count) in threads {
            let path = folder.path().join(format!("callgrind.out-{number:02}"));
            fs::write(path, format!("fn=(1) {function}\n0 1\ntotals: {count}\n")).unwrap();
        }

        let (thread, all) = (20, 35);
        let found = counts(folder.path(), "work").unwrap();
        assert_eq!(found, Counts { thread, all });
        assert!(counts(folder.path(), "play").is_err(), "no thread");
        assert!(counts(folder.path(), "main").is_err(), "two threads");
    }
}
