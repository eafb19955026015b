//! Rules about the tree that the compiler does not know.
//!
//! Each rule is one function over one file, or over the list of all files, and says what is wrong,
//! why, and what to do instead. `files` finds the files; `source` and `layout` have the rules.

mod files;
mod layout;
mod source;

use std::path::Path;

use anyhow::{Result, bail};

use crate::exec::Shell;
use crate::report;

use self::files::{File, tracked};

/// A broken rule, at a place a person can open.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    place: String,
    text: String,
}

impl Finding {
    fn at(file: &File, line: usize, text: impl Into<String>) -> Self {
        Self {
            place: format!("{}:{line}", file.path),
            text: text.into(),
        }
    }

    fn of(path: &str, text: impl Into<String>) -> Self {
        Self {
            place: path.to_owned(),
            text: text.into(),
        }
    }
}

/// What the rules found: errors fail, warnings are only shown.
#[derive(Default)]
struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// Checks every file that git knows or would add.
pub(crate) fn run(shell: &Shell, root: &Path) -> Result<()> {
    let files = tracked(shell, root)?;
    let found = check(&files);
    for warning in &found.warnings {
        report::say(&format!("warning: {}: {}", warning.place, warning.text));
    }
    for error in &found.errors {
        report::say(&format!("{}: {}", error.place, error.text));
    }
    if !found.errors.is_empty() {
        bail!("tidy: {} broken rules", found.errors.len());
    }
    report::say(&format!("tidy: {} files in order", files.len()));
    Ok(())
}

fn check(files: &[File]) -> Findings {
    let mut found = Findings::default();
    layout::check(files, &mut found);
    for file in files.iter().filter(|file| file.is_rust()) {
        source::check(file, &mut found);
    }
    found
}
