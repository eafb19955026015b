//! Which process was started by which.

use std::io;

use agent_windows::process;

/// Whether `process` is `root` or was started by it, by one that it has started, and so on.
pub(super) fn comes_from(process: u32, root: u32) -> io::Result<bool> {
    let all = process::all()?;
    let mut at = process;
    // Each step goes to an older process, so it ends; the number bounds it all the same.
    for _ in 0..all.len() {
        if at == root {
            return Ok(true);
        }
        let find = |id| all.iter().find(|other| other.id == id);
        let Some(parent) = find(at).and_then(|found| find(found.parent)) else {
            // What started it has ended.
            return Ok(false);
        };
        // A younger "parent" has been given the number of one that has ended.
        if process::began(parent.id)? > process::began(at)? {
            return Ok(false);
        }
        at = parent.id;
    }
    Ok(false)
}
