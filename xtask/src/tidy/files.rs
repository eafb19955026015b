//! The files of the repository, as tidy sees them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::exec::Shell;

const LIST_LIMIT: Duration = Duration::from_secs(30);

/// A file by its path from the repository's top, with `/` between the parts.
pub(super) struct File {
    pub(super) path: String,
    /// Empty for a file that is not text.
    pub(super) text: String,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines with their numbers, counted from one.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

/// Every file that git tracks, or would track with `git add`.
pub(super) fn tracked(shell: &Shell, root: &Path) -> Result<Vec<File>> {
    let list = shell
        .call("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .dir(root)
        .output(LIST_LIMIT)
        .context("tidy asks git which files belong to the repository")?;
    let mut files = Vec::new();
    for path in list.split_terminator('\0') {
        let place = root.join(path);
        // A tracked file may be deleted and not yet committed.
        if place.is_file() {
            let bytes = std::fs::read(&place)
                .with_context(|| format!("cannot read {}", place.display()))?;
            let text = String::from_utf8(bytes).unwrap_or_default();
            files.push(File {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}
