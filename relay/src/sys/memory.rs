//! How much memory there is, and how much is left before the kernel begins to kill.
//!
//! Both bounds count: the machine's (`proc_meminfo(5)`) and that of the control group that systemd
//! may have put the relay into (`MemoryMax=`), in the first version of control groups and the
//! second. The files are opened at the start, because a confined relay cannot open them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The longest of these files has some 2 KiB.
const FILE_MAX: usize = 8 * 1024;

/// Where the kernel tells it.
#[derive(Debug, Default)]
pub struct Memory {
    machine: Option<File>,
    group: Option<Group>,
}

/// A control group's accounts.
#[derive(Debug)]
struct Group {
    limit: File,
    usage: File,
    stat: File,
    /// Pages of files that can be dropped at once, as `stat` calls them.
    droppable: &'static str,
}

impl Memory {
    /// Opens what there is of it.
    pub fn open() -> Self {
        Self {
            machine: File::open("/proc/meminfo").ok(),
            group: Group::open(),
        }
    }

    /// Bytes that there are; nothing where nobody tells.
    pub fn total(&self) -> Option<u64> {
        let machine = self.machine_field("MemTotal:");
        let group = self.group.as_ref().and_then(Group::limit);
        machine.into_iter().chain(group).min()
    }

    /// Bytes that can be had; nothing where nobody tells.
    pub fn available(&self) -> Option<u64> {
        let machine = self.machine_field("MemAvailable:");
        let group = self.group.as_ref().and_then(Group::available);
        machine.into_iter().chain(group).min()
    }

    fn machine_field(&self, name: &str) -> Option<u64> {
        let kilobytes = field(&text(self.machine.as_ref()?).ok()?, name)?;
        Some(kilobytes * 1024)
    }
}

impl Group {
    fn open() -> Option<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let path_of = |controllers: &str| {
            groups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let path = rest.strip_prefix(controllers)?.strip_prefix(":/")?;
                Some(PathBuf::from(path))
            })
        };
        let files = |root: &str, path: PathBuf, limit: &str, usage: &str, droppable| {
            let folder = Path::new(root).join(path);
            Some(Self {
                limit: File::open(folder.join(limit)).ok()?,
                usage: File::open(folder.join(usage)).ok()?,
                stat: File::open(folder.join("memory.stat")).ok()?,
                droppable,
            })
        };
        let (first, second) = (path_of("memory"), path_of(""));
        first
            .and_then(|path| {
                let (limit, usage) = ("memory.limit_in_bytes", "memory.usage_in_bytes");
                let root = "/sys/fs/cgroup/memory";
                files(root, path, limit, usage, "total_inactive_file")
            })
            .or_else(|| {
                let (limit, usage) = ("memory.max", "memory.current");
                files("/sys/fs/cgroup", second?, limit, usage, "inactive_file")
            })
    }

    /// Nothing where there is none ("max").
    fn limit(&self) -> Option<u64> {
        text(&self.limit).ok()?.trim().parse().ok()
    }

    fn available(&self) -> Option<u64> {
        let limit = self.limit()?;
        let usage: u64 = text(&self.usage).ok()?.trim().parse().ok()?;
        let droppable = field(&text(&self.stat).ok()?, self.droppable).unwrap_or(0);
        Some(limit.saturating_sub(usage.saturating_sub(droppable)))
    }
}

/// What the kernel says now, from the beginning.
fn text(file: &File) -> io::Result<String> {
    let mut bytes = vec![0; FILE_MAX];
    let length = file.read_at(&mut bytes, 0)?;
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        (words.next() == Some(name)).then_some(())?;
        words.next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_some_left() {
        let available = Memory::open().available();

        assert!(available.is_some_and(|bytes| bytes > 0), "{available:?}");
        assert!(Memory::open().total() > available);
        assert_eq!(Memory::default().available(), None);
        assert_eq!(Memory::default().total(), None);
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "inactive_file_x 1\ninactive_file 2\nMemAvailable:   3 kB\n";

        assert_eq!(field(text, "inactive_file"), Some(2));
        assert_eq!(field(text, "MemAvailable:"), Some(3));
        assert_eq!(field(text, "Mem"), None);
    }
}
