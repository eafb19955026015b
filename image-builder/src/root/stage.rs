//! Puts a part of a tree on the workstation's disk, for a tool that reads folders.
//!
//! Owners are lost there and times are today's: only the tool's answer may go into an image.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{Kind, Tree};

/// Writes everything below `top` into `folder`, which exists.
pub fn stage(tree: &Tree, top: &str, folder: &Path) -> io::Result<()> {
    for (path, entry) in tree.below(top) {
        let place = folder.join(
            path.strip_prefix(top)
                .unwrap_or(path)
                .trim_start_matches('/'),
        );
        match &entry.kind {
            Kind::Folder => fs::create_dir(&place)?,
            Kind::Link(target) => symlink(target, &place)?,
            Kind::File(content) => {
                fs::write(&place, content)?;
                // Only whether it is a program matters to a tool.
                let mode = if entry.mode & 0o111 == 0 {
                    0o644
                } else {
                    0o755
                };
                fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}
