//! Images of boards, for what boots them: built by `tasuki image build`, again only when what goes
//! into them has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache;
use crate::exec::Shell;

/// From nothing: compilers at work for the relay, packages from a mirror.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// What an image is made of, and what makes it.
pub(crate) const INPUTS: [&str; 7] = [
    "boards",
    "systemd",
    "image-builder",
    "relay",
    "protocol",
    "Cargo.toml",
    "Cargo.lock",
];

/// The folder of a board's release, as `tasuki` builds it.
///
/// # Errors
///
/// It cannot be built.
pub(crate) fn release(shell: &Shell, root: &Path, tasuki: &Path, board: &str) -> Result<PathBuf> {
    let folder = root.join("target/images").join(board);
    let note = folder.join("inputs");
    let key = format!("{:016x}", cache::key(shell, root, &INPUTS, None)?);
    if fs::read_to_string(&note).is_ok_and(|built| built == key) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    shell
        .call(tasuki)
        .args(["image", "build", "--board", board, "--out"])
        .arg(&folder)
        .dir(root)
        .output(BUILD_LIMIT)?;
    fs::write(&note, key).with_context(|| format!("cannot write {}", note.display()))?;
    Ok(folder)
}
