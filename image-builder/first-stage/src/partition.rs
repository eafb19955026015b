//! Partitions as sysfs shows them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A partition with a label.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    pub label: String,
    /// Below `/dev`.
    pub device: PathBuf,
    /// The folder of the disk that it is on; two of one disk have the same.
    pub disk: PathBuf,
}

/// All partitions with a label below `/sys/class/block`, in the order of their names.
pub fn list(class: &Path) -> io::Result<Vec<Partition>> {
    let mut places: Vec<PathBuf> = fs::read_dir(class)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    places.sort();
    // A device may go while one looks at it.
    Ok(places.iter().filter_map(|place| read(place)).collect())
}

fn read(place: &Path) -> Option<Partition> {
    let uevent = fs::read_to_string(place.join("uevent")).ok()?;
    let value = |name: &str| {
        uevent
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    Some(Partition {
        label: value("PARTNAME")?.to_owned(),
        device: Path::new("/dev").join(value("DEVNAME")?),
        disk: fs::canonicalize(place).ok()?.parent()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_devices_and_disks_are_found() {
        let sys = tempfile::tempdir().unwrap();
        let (class, disk) = (sys.path().join("class"), sys.path().join("vda"));
        for (name, text) in [
            ("vda2", "DEVNAME=vda2\nPARTN=2\nPARTNAME=verity-a\n"),
            ("vda1", "DEVNAME=vda1\nPARTN=1\nPARTNAME=root-a\n"),
            ("vda3", "DEVNAME=vda3\nPARTN=3\n"),
        ] {
            fs::create_dir_all(disk.join(name)).unwrap();
            fs::write(disk.join(name).join("uevent"), text).unwrap();
        }
        fs::create_dir_all(&class).unwrap();
        for name in ["vda1", "vda2", "vda3"] {
            std::os::unix::fs::symlink(disk.join(name), class.join(name)).unwrap();
        }

        let found = list(&class).unwrap();

        let disk = fs::canonicalize(disk).unwrap();
        let expected =
            [("root-a", "/dev/vda1"), ("verity-a", "/dev/vda2")].map(|(label, device)| Partition {
                label: label.to_owned(),
                device: device.into(),
                disk: disk.clone(),
            });
        assert_eq!(found, expected);
    }
}
