//! Which devices may be overwritten: none that anything of this workstation stands on.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys;

/// A device or file that may be overwritten, opened.
#[derive(Debug)]
pub struct Target {
    pub file: File,
    pub path: PathBuf,
    /// What a person may know it by, as `SanDisk Ultra, 29.7 GiB`.
    pub description: String,
    /// Bytes; `None` for a file, which grows.
    pub size: Option<u64>,
}

/// Why a device is left alone.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{path} is {what}, not a card; give a whole card, a loop device or a file")]
    Kind { path: String, what: &'static str },
    #[error("{path} is a partition; give the whole card, {disk}")]
    Partition { path: String, disk: String },
    #[error("{path} is in use: {what}. If it really is the card, unmount it first")]
    InUse { path: String, what: String },
    #[error("cannot open {path}: {error}")]
    Open { path: String, error: io::Error },
    #[error("cannot tell whether {path} is in use: {error}")]
    Unknown { path: String, error: io::Error },
}

impl Target {
    /// Opens `path`, after all that speaks against it.
    pub fn open(path: &Path) -> Result<Self, TargetError> {
        let shown = path.display().to_string();
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::file(path),
            Err(error) => return Err(TargetError::Open { path: shown, error }),
        };
        let kind = match fs::metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) => return Err(TargetError::Open { path: shown, error }),
        };
        if kind.is_file() {
            return Self::file(&path);
        }
        if !kind.is_block_device() {
            let what = if kind.is_dir() {
                "a folder"
            } else {
                "something else"
            };
            return Err(TargetError::Kind { path: shown, what });
        }
        Self::device(path)
    }

    fn file(path: &Path) -> Result<Self, TargetError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            // A node file may come into it, and that is a secret.
            .mode(0o600)
            .truncate(false)
            .open(path)
            .map_err(|error| TargetError::Open {
                path: path.display().to_string(),
                error,
            })?;
        Ok(Self {
            file,
            path: path.to_owned(),
            description: "a file".to_owned(),
            size: None,
        })
    }

    fn device(path: PathBuf) -> Result<Self, TargetError> {
        let shown = path.display().to_string();
        let name = path.file_name().unwrap_or_default();
        let unknown = |error| TargetError::Unknown {
            path: shown.clone(),
            error,
        };
        let place = fs::canonicalize(Path::new("/sys/class/block").join(name)).map_err(unknown)?;
        if place.join("partition").exists() {
            let disk = place.parent().and_then(Path::file_name).unwrap_or_default();
            return Err(TargetError::Partition {
                path: shown,
                disk: format!("/dev/{}", disk.to_string_lossy()),
            });
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(unknown)?;
        let swaps = fs::read_to_string("/proc/swaps").map_err(unknown)?;
        if let Some(what) = use_of(&place, &mounts, &swaps).map_err(unknown)? {
            return Err(TargetError::InUse { path: shown, what });
        }
        let mut file = sys::open_alone(&path).map_err(|error| {
            let path = shown.clone();
            if error.kind() == io::ErrorKind::ResourceBusy {
                let what = "the kernel says that it is busy".to_owned();
                TargetError::InUse { path, what }
            } else {
                TargetError::Open { path, error }
            }
        })?;
        let size = file.seek(SeekFrom::End(0)).map_err(unknown)?;
        Ok(Self {
            file,
            description: describe(&place, size),
            path,
            size: Some(size),
        })
    }
}

/// What a disk or one of its partitions is used for, if for anything.
///
/// `place` is its folder in sysfs; `mounts` and `swaps` are `/proc/self/mountinfo` and
/// `/proc/swaps`.
fn use_of(place: &Path, mounts: &str, swaps: &str) -> io::Result<Option<String>> {
    for part in disk_and_partitions(place)? {
        let name = part.file_name().unwrap_or_default().to_string_lossy();
        let number = fs::read_to_string(part.join("dev"))?;
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(2);
            if fields.next() == Some(number.trim()) {
                let where_to = fields.nth(1).unwrap_or_default();
                return Ok(Some(format!("{name} is mounted on {where_to}")));
            }
        }
        let device = format!("/dev/{name}");
        if swaps
            .lines()
            .any(|line| line.split_whitespace().next() == Some(device.as_str()))
        {
            return Ok(Some(format!("{name} is swap space")));
        }
        if let Some(holder) = fs::read_dir(part.join("holders"))?.next() {
            let holder = holder?.file_name();
            let holder = holder.to_string_lossy();
            return Ok(Some(format!(
                "{name} is part of {holder} (LVM, RAID or encryption)"
            )));
        }
    }
    Ok(None)
}

fn disk_and_partitions(place: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![place.to_owned()];
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.join("partition").exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn describe(place: &Path, size: u64) -> String {
    let read = |name: &str| {
        let text = fs::read_to_string(place.join("device").join(name)).unwrap_or_default();
        text.trim().to_owned()
    };
    let mut words: Vec<String> = ["vendor", "model", "name"]
        .into_iter()
        .map(read)
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        words.push("a device without a name".to_owned());
    }
    let tenths = size / ((1 << 30) / 10);
    format!("{}, {}.{} GiB", words.join(" "), tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A disk of two partitions, as sysfs shows it.
    fn disk() -> (tempfile::TempDir, PathBuf) {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("sdx");
        for (folder, number) in [("", "8:0"), ("sdx1", "8:1"), ("sdx2", "8:2")] {
            let place = disk.join(folder);
            fs::create_dir_all(place.join("holders")).unwrap();
            fs::write(place.join("dev"), format!("{number}\n")).unwrap();
            if !folder.is_empty() {
                fs::write(place.join("partition"), "").unwrap();
            }
        }
        (sys, disk)
    }

    #[test]
    fn a_disk_that_nothing_stands_on_is_free() {
        let (_sys, disk) = disk();
        let mounts = "1 1 8:16 / / rw - ext4 /dev/sdb rw\n1 1 18:1 / /x rw - ext4 /dev/y rw\n";

        assert_eq!(
            use_of(&disk, mounts, "Filename\n/dev/sdx10 file\n").unwrap(),
            None
        );
    }

    #[test]
    fn mounts_swap_and_holders_of_any_partition_are_found() {
        let (_sys, disk) = disk();
        let found = |mounts: &str, swaps: &str| use_of(&disk, mounts, swaps).unwrap().unwrap();

        assert_eq!(
            found("22 1 8:2 / /media/card rw - vfat /dev/sdx2 rw\n", ""),
            "sdx2 is mounted on /media/card"
        );
        assert_eq!(
            found("", "Filename\n/dev/sdx1 partition\n"),
            "sdx1 is swap space"
        );
        fs::write(disk.join("sdx2/holders/dm-0"), "").unwrap();
        assert_eq!(
            found("", ""),
            "sdx2 is part of dm-0 (LVM, RAID or encryption)"
        );
    }

    #[test]
    fn folders_and_partitions_are_no_targets_and_a_new_file_is_one() {
        let folder = tempfile::tempdir().unwrap();

        let refused = Target::open(folder.path()).unwrap_err().to_string();
        let target = Target::open(&folder.path().join("new.img")).unwrap();

        assert!(refused.contains("is a folder, not a card"), "{refused}");
        assert_eq!(target.size, None);
        let mode = target.file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it may hold a node file");
    }
}
