//! The operating system: the only module that names nix.
//!
//! [`System`] is a board, or a folder that looks like one: then nothing is mounted or set, and
//! everything else is the same. Each function says which manual page has its rules.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use first_stage::partition;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::mount::{MsFlags, mount, umount};
use nix::net::if_::InterfaceFlags;
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use nix::unistd::{sethostname, syncfs};

/// For opening a device that nobody else in the kernel uses: not mounted, not part of the running
/// system (open(2), `O_EXCL`).
pub const ALONE: i32 = libc::O_EXCL;
/// Held while a file system is writable.
const LOCK: &str = "/run/tasuki/lock";

/// A board, or a folder that stands for one.
#[derive(Debug, Clone)]
pub struct System {
    root: PathBuf,
}

impl System {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A path of the board.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn is_real(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Lets `change` write to a file system that is mounted read-only; afterwards everything is on
    /// the disk and the file system is read-only again (mount(2), syncfs(2)).
    ///
    /// # Errors
    /// The file system cannot be written to, or `change` fails.
    pub fn writable<T>(
        &self,
        mount_point: &Path,
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if !self.is_real() {
            return change();
        }
        // Another of these programs must not make it read-only halfway.
        let lock = fs::File::create(self.at(LOCK))?;
        lock.lock()?;
        remount(mount_point, MsFlags::empty())?;
        let done = change();
        let synced = fs::File::open(mount_point).and_then(|folder| Ok(syncfs(&folder)?));
        let closed = remount(mount_point, MsFlags::MS_RDONLY);
        let done = done?;
        synced.and(closed).map(|()| done)
    }

    /// Mounts a FAT partition read-only (mount(2)).
    ///
    /// Linux renames on FAT by making an empty file, giving it the old one's contents, and removing
    /// that. Here each of the three is on its way to the disk before the next begins (`MS_DIRSYNC`);
    /// otherwise the first and last go together, and until the second follows there is no file.
    /// Remounting cannot ask for that.
    pub fn mount_fat(&self, label: &str, mount_point: &Path) -> io::Result<()> {
        if !self.is_real() {
            return Ok(());
        }
        fs::create_dir_all(mount_point)?;
        let device = self.at("/dev/disk/by-partlabel").join(label);
        let flags = plain_flags() | MsFlags::MS_RDONLY | MsFlags::MS_DIRSYNC;
        let none: Option<&str> = None;
        Ok(mount(
            Some(&device),
            mount_point,
            Some("vfat"),
            flags,
            none,
        )?)
    }

    /// Mounts an ext4 partition; errors make it read-only (mount(2), ext4(5)).
    pub fn mount_ext4(&self, label: &str, mount_point: &Path) -> io::Result<()> {
        if !self.is_real() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let device = self.at("/dev/disk/by-partlabel").join(label);
        let as_asked = |flags, options| {
            let kind = Some("ext4");
            mount(Some(&device), mount_point, kind, flags, Some(options))
        };
        let mounted = match as_asked(plain_flags(), "errors=remount-ro") {
            // A card that is locked, or that its controller has locked: what is on it can still be
            // read, but for what its journal has.
            Err(Errno::EACCES | Errno::EROFS) => {
                as_asked(plain_flags() | MsFlags::MS_RDONLY, "noload")
            }
            other => other,
        };
        Ok(mounted?)
    }

    /// Unmounts (umount(2)).
    pub fn unmount(&self, mount_point: &Path) -> io::Result<()> {
        if self.is_real() {
            umount(mount_point)?;
        }
        Ok(())
    }

    /// Mounts memory over a folder (tmpfs(5)).
    pub fn mount_memory(&self, mount_point: &Path, mib: u32) -> io::Result<()> {
        if !self.is_real() {
            return Ok(());
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let options = format!("size={mib}m,mode=0755");
        Ok(mount(
            Some("tmpfs"),
            mount_point,
            Some("tmpfs"),
            flags,
            Some(options.as_str()),
        )?)
    }

    /// Gives the machine its name (sethostname(2)).
    pub fn set_host_name(&self, name: &str) -> io::Result<()> {
        if self.is_real() {
            sethostname(name)?;
        }
        Ok(())
    }

    /// Sets the clock (`clock_settime(2)`); `seconds` since 1970.
    pub fn set_clock(&self, seconds: u64) -> io::Result<()> {
        if self.is_real() {
            let time = TimeSpec::from_duration(Duration::from_secs(seconds));
            clock_settime(ClockId::CLOCK_REALTIME, time)?;
        }
        Ok(())
    }

    /// Names of the disks with a partition of that label, if they are more than one: a board that was
    /// written to its card and to its eMMC cannot tell by labels which of them is meant.
    pub fn rivals(&self, label: &str) -> Option<String> {
        let found = partition::list(&self.at("/sys/class/block")).unwrap_or_default();
        let disks = found.into_iter().filter(|it| it.label == label);
        let names: BTreeSet<String> = disks
            .filter_map(|it| Some(it.disk.file_name()?.to_string_lossy().into_owned()))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        (names.len() > 1).then(|| names.join(" and "))
    }

    /// Opens a terminal to write on: it neither becomes this process's own nor makes it wait
    /// (open(2), `O_NOCTTY`, `O_NONBLOCK`).
    pub fn open_terminal(&self, path: &str) -> io::Result<fs::File> {
        let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        OpenOptions::new()
            .append(true)
            .custom_flags(flags.bits())
            .open(self.at(path))
    }

    /// Addresses that others can use, without those of this machine only (getifaddrs(3)).
    pub fn addresses(&self) -> Vec<IpAddr> {
        let Ok(interfaces) = getifaddrs() else {
            return Vec::new();
        };
        interfaces
            .filter(|it| !it.flags.contains(InterfaceFlags::IFF_LOOPBACK))
            .filter_map(|it| {
                let address = it.address?;
                let ipv4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
                ipv4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
            })
            .filter(|it| !matches!(it, IpAddr::V6(it) if it.is_unicast_link_local()))
            .collect()
    }
}

/// Bytes that a folder's file system still takes (statvfs(3)).
pub fn room(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found
        .blocks_available()
        .saturating_mul(found.fragment_size()))
}

/// A file that nobody else sees, and that is gone with its last user or a power cut (open(2),
/// `O_TMPFILE`).
pub fn nameless_file(folder: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(folder)
}

/// Forgets what memory holds of a file or device, so that reading asks the card itself
/// (`posix_fadvise(2)`).
pub fn forget_cached(file: &fs::File) -> io::Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

/// Nothing on a card is a program or a device.
fn plain_flags() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME
}

fn remount(mount_point: &Path, more: MsFlags) -> io::Result<()> {
    let none: Option<&str> = None;
    let flags = MsFlags::MS_REMOUNT | plain_flags() | more;
    Ok(mount(none, mount_point, none, flags, none)?)
}

/// Seconds since 1970; a clock before that is as good as 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Now, as RFC 3339 has it, in whole seconds.
pub fn timestamp() -> String {
    let now = i64::try_from(seconds(SystemTime::now())).unwrap_or_default();
    Timestamp::from_second(now).unwrap_or_default().to_string()
}
