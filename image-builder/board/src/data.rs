//! The data partition: claims, the last good node file, the last known time.
//!
//! A board serves without it: if it is missing, full, read-only or failing, memory takes its
//! place, with a copy of whatever can still be read. Hosts bring their claims along anyway.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::file;
use crate::places::{self, Topic};
use crate::sys::System;

/// More than the relay writes at once: below it, the relay's store would fail soon.
const PROBE: usize = 256 * 1024;
/// What memory may hold of a broken partition; a store of 10,000 claims has some 4 MiB.
const COPY_MAX: u64 = 32 * 1024 * 1024;
const MEMORY_MIB: u32 = 64;
/// Files and folders to copy; a board has a dozen. A damaged file system may lead in a circle.
const ENTRIES_MAX: usize = 1_024;

/// Mounts the data partition and looks whether it takes what the board writes; else puts memory in
/// its place.
///
/// # Errors
/// Not even memory is to be had.
pub fn check(system: &System) -> Result<Option<String>> {
    let place = system.at(places::DATA);
    fs::create_dir_all(&place).context("cannot make the data folder")?;
    let trouble = match mounted(system, &place) {
        Ok(()) => probe(&place).err().map(|error| {
            format!("data: the card takes no more data ({error}); claims are kept in memory only")
        }),
        Err(error) => Some(format!(
            "data: there is no data partition ({error}); claims are kept in memory only"
        )),
    };
    Topic::Data.warn(system, trouble.as_deref())?;
    if trouble.is_some() {
        let saved = read_all(&place);
        system
            .mount_memory(&place, MEMORY_MIB)
            .context("cannot keep data in memory")?;
        restore(&place, saved).context("cannot copy what the card still holds")?;
    }
    Ok(trouble)
}

/// Mounts the partition, unless it is. Not a unit's work: `StateDirectory=` would make the relay
/// require that unit, and then the relay would not start without it.
fn mounted(system: &System, place: &Path) -> io::Result<()> {
    if is_mount_point(place)? {
        return Ok(());
    }
    system.mount_ext4("data", place)
}

/// Whether something is mounted there: it is on another device than the folder above.
fn is_mount_point(place: &Path) -> io::Result<bool> {
    let above = place.parent().unwrap_or(place);
    Ok(fs::metadata(place)?.dev() != fs::metadata(above)?.dev())
}

/// Writes as much as the relay would, waits for the disk, and removes it again.
fn probe(place: &Path) -> io::Result<()> {
    let path = place.join("probe");
    let written = file::replace(&path, &vec![0x55; PROBE], 0o600);
    file::remove(&path)?;
    written
}

struct Saved {
    path: PathBuf,
    metadata: fs::Metadata,
    /// None: a folder.
    bytes: Option<Vec<u8>>,
}

/// What can be read, folders before their files, up to a bound.
fn read_all(place: &Path) -> Vec<Saved> {
    let mut saved = Vec::new();
    let mut left = COPY_MAX;
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let room = ENTRIES_MAX.saturating_sub(saved.len());
        for path in entries.flatten().map(|entry| entry.path()).take(room) {
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(path.clone());
                saved.push(Saved {
                    path,
                    metadata,
                    bytes: None,
                });
            } else if metadata.is_file() && metadata.len() <= left {
                left -= metadata.len();
                // A file that cannot be read any more is left out.
                if let Ok(bytes) = fs::read(&path) {
                    saved.push(Saved {
                        path,
                        metadata,
                        bytes: Some(bytes),
                    });
                }
            }
        }
    }
    saved
}

fn restore(place: &Path, saved: Vec<Saved>) -> io::Result<()> {
    for Saved {
        path,
        metadata,
        bytes,
    } in saved
    {
        debug_assert!(path.starts_with(place));
        match bytes {
            None => fs::create_dir_all(&path)?,
            Some(bytes) => fs::write(&path, bytes)?,
        }
        // Nothing there runs with its owner's rights, and the unit may not say so.
        let mode = metadata.mode() & 0o777;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        chown(&path, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_leaves_nothing_behind_and_fails_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        probe(folder.path()).expect("takes it");
        assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 0);

        // /dev/full is no folder; /proc takes no files.
        assert!(probe(Path::new("/proc/self")).is_err());
    }

    #[test]
    fn a_missing_partition_is_told_and_what_was_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let claims = system.at(places::DATA).join("relay/claims.redb");
        file::replace(&claims, b"claims", 0o600).expect("writes");

        let trouble = check(&system).expect("checks");

        assert!(trouble.expect("is told").contains("no data partition"));
        assert!(Topic::Data.is_set(&system));
        assert_eq!(fs::read(&claims).expect("is there"), b"claims");
    }

    #[test]
    fn what_can_be_read_is_copied_with_its_owner_and_mode() {
        let from = tempfile::tempdir().expect("a folder");
        let file = from.path().join("relay/claims.redb");
        file::replace(&file, b"claims", 0o640).expect("writes");
        // Only root can give a file away, as on a board.
        let owner = match chown(&file, Some(12_345), None) {
            Ok(()) => 12_345,
            Err(_) => fs::metadata(&file).expect("is there").uid(),
        };
        let saved = read_all(from.path());
        fs::remove_dir_all(from.path().join("relay")).expect("removes");

        restore(from.path(), saved).expect("writes");

        assert_eq!(fs::read(&file).expect("is back"), b"claims");
        let metadata = fs::metadata(&file).expect("is back");
        assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o640, owner));
    }
}
