//! The story of the first stage, from mounting `/proc` to becoming `systemd`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::command_line::{self, CommandLineError, RootHash, Wish};
use crate::log::Log;
use crate::mapper::{self, Order, Target};
use crate::partition::{self, Partition};
use crate::slot::Slot;
use crate::superblock::{self, Superblock};
use crate::sys::{self, DeviceMapper};

const MODULES: &str = "/modules";
const SYSROOT: &str = "/sysroot";
const INIT: &str = "/usr/lib/systemd/systemd";

/// A slow card takes seconds to answer; after this long it will not.
const DISK_LIMIT: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Until systemd feeds the watchdog; more than the disk and the delay before a restart may take.
const WATCHDOG_SECONDS: i32 = 60;

/// Why this slot does not start, in words for the console.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("cannot {action}: {error}")]
    Kernel { action: String, error: io::Error },
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    #[error(
        "no slot on any disk has the root hash that the command line asks for, after waiting {} s: \
         {seen}",
        DISK_LIMIT.as_secs()
    )]
    NoSlot { seen: String },
}

/// What a slot consists of, once its root hash has been compared.
#[derive(Debug)]
pub struct Found {
    pub slot: Slot,
    pub data: PathBuf,
    pub hash: PathBuf,
    pub superblock: Superblock,
}

/// Runs to the end of the first stage; returns only if something failed.
pub fn run(log: &mut Log) -> Result<std::convert::Infallible, BootError> {
    for (kind, place, options) in [
        ("devtmpfs", "/dev", "mode=0755"),
        ("proc", "/proc", ""),
        ("sysfs", "/sys", ""),
        ("tmpfs", "/run", "mode=0755"),
    ] {
        sys::mount_virtual(kind, place, options).or_say(|| format!("mount {place}"))?;
    }
    let line = fs::read_to_string("/proc/cmdline").or_say(|| "read the command line".to_owned())?;
    let wish = command_line::parse(&line)?;
    let count = load_modules(log)?;
    log.notice(format_args!("{count} modules loaded"));
    let found = wait_for_slot(&wish)?;
    log.notice(format_args!(
        "slot {} on {}",
        found.slot,
        found.data.display()
    ));
    let root = open_root(&found, &wish.root)?;
    sys::mount_root(&root, SYSROOT, "erofs").or_say(|| "mount the root".to_owned())?;
    leave_word(found.slot).or_say(|| "write below /run".to_owned())?;
    for place in ["/dev", "/proc", "/sys", "/run"] {
        let below = format!("{SYSROOT}{place}");
        sys::move_mount(place, &below).or_say(|| format!("move {place} into the root"))?;
    }
    // Memory that nobody could ever reach again.
    fs::remove_dir_all(MODULES).or_say(|| format!("remove {MODULES}"))?;
    sys::switch_root(SYSROOT).or_say(|| "switch to the root".to_owned())?;
    log.notice(format_args!("root verified, starting {INIT}"));
    Err(sys::become_program(Path::new(INIT))).or_say(|| format!("start {INIT}"))
}

/// Loads what the image builder listed, in its order: the watchdog first, which from then on resets
/// a board that hangs.
fn load_modules(log: &mut Log) -> Result<usize, BootError> {
    let order = Path::new(MODULES).join("order");
    let order = fs::read_to_string(order).or_say(|| "read the list of modules".to_owned())?;
    let mut watched = false;
    let load = |name: &str| {
        let module = File::open(Path::new(MODULES).join(name));
        let loaded = module.and_then(|module| sys::load_module(&module));
        watched = watched || watch(log);
        loaded
    };
    let (loaded, complaints) = load_each(&order, load);
    for complaint in complaints {
        log.notice(complaint);
    }
    Ok(loaded)
}

/// Loads each module of the list, unless one that it needs is missing: its name, and their names,
/// are a line. Returns how many there are now, and what went wrong.
fn load_each(order: &str, mut load: impl FnMut(&str) -> io::Result<bool>) -> (usize, Vec<String>) {
    let (mut loaded, mut missing, mut complaints) = (0, Vec::new(), Vec::new());
    for line in order.lines() {
        let mut names = line.split(' ');
        let name = names.next().unwrap_or_default();
        if names.any(|need| missing.contains(&need)) {
            missing.push(name);
            continue;
        }
        match load(name) {
            Ok(true) => loaded += 1,
            Ok(false) => missing.push(name),
            // What cannot do without this module says so better than this could.
            Err(error) => {
                missing.push(name);
                complaints.push(format!("module {name} does not load: {error}"));
            }
        }
    }
    (loaded, complaints)
}

/// Starts the watchdog; whether there is one by now.
fn watch(log: &mut Log) -> bool {
    match sys::start_watchdog(WATCHDOG_SECONDS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        Ok(()) => log.notice("watchdog started"),
        Err(error) => log.notice(format_args!("the watchdog does not take its time: {error}")),
    }
    true
}

fn wait_for_slot(wish: &Wish) -> Result<Found, BootError> {
    let deadline = Instant::now() + DISK_LIMIT;
    loop {
        let partitions = partition::list(Path::new("/sys/class/block"))
            .or_say(|| "look for partitions".to_owned())?;
        match find_slot(&partitions, wish) {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() >= deadline => return Err(BootError::NoSlot { seen }),
            Err(_) => thread::sleep(LOOK_AGAIN),
        }
    }
}

/// The slot whose hash tree has the wanted root hash, or what is there instead.
pub fn find_slot(partitions: &[Partition], wish: &Wish) -> Result<Found, String> {
    let mut seen = Vec::new();
    for slot in Slot::BOTH {
        if wish.slot.is_some_and(|wanted| wanted != slot) {
            continue;
        }
        for hash in partitions.iter().filter(|p| p.label == slot.verity_label()) {
            let data = partitions
                .iter()
                .find(|p| p.label == slot.root_label() && p.disk == hash.disk);
            match (data, superblock_with(&hash.device, &wish.root)) {
                (Some(data), Ok(superblock)) => {
                    return Ok(Found {
                        slot,
                        data: data.device.clone(),
                        hash: hash.device.clone(),
                        superblock,
                    });
                }
                (None, _) => seen.push(format!("{} has no {}", hash.label, slot.root_label())),
                (_, Err(why)) => seen.push(format!("{} {why}", hash.label)),
            }
        }
    }
    if seen.is_empty() {
        let labels: Vec<&str> = partitions.iter().map(|p| p.label.as_str()).collect();
        seen.push(format!("there are [{}]", labels.join(", ")));
    }
    Err(seen.join("; "))
}

fn superblock_with(hash: &Path, root: &RootHash) -> Result<Superblock, String> {
    let (superblock, top) = File::open(hash)
        .map_err(Into::into)
        .and_then(|mut device| superblock::read(&mut device))
        .map_err(|error| error.to_string())?;
    if superblock.has_root(&top, root) {
        Ok(superblock)
    } else {
        Err("has another root hash".to_owned())
    }
}

/// Sets up dm-verity and returns its device.
fn open_root(found: &Found, root: &RootHash) -> Result<PathBuf, BootError> {
    let (data, hash) = (found.data.to_string_lossy(), found.hash.to_string_lossy());
    let target = Target::verity(&data, &hash, &found.superblock, root);
    let mapper = DeviceMapper::open().or_say(|| "open device-mapper".to_owned())?;
    let mut device = None;
    for order in [Order::Create, Order::Load(&target), Order::Resume] {
        let answer = mapper
            .carry_out(order)
            .or_say(|| format!("set up dm-verity ({order:?})"))?;
        device = mapper::minor(&answer);
    }
    Ok(format!("/dev/dm-{}", device.unwrap_or_default()).into())
}

/// Tells the real system which slot it is.
fn leave_word(slot: Slot) -> io::Result<()> {
    fs::create_dir_all("/run/tasuki")?;
    fs::write("/run/tasuki/slot", format!("{slot}\n"))
}

/// Puts what was tried before what went wrong.
trait OrSay<T> {
    fn or_say(self, action: impl FnOnce() -> String) -> Result<T, BootError>;
}

impl<T> OrSay<T> for io::Result<T> {
    fn or_say(self, action: impl FnOnce() -> String) -> Result<T, BootError> {
        self.map_err(|error| BootError::Kernel {
            action: action(),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_missing_module_is_needed_for_is_not_tried_and_only_faults_are_told() {
        let order =
            "bus.ko\nstorage.ko lib.ko bus.ko\nlib.ko\nbroken.ko lib.ko\nnet.ko broken.ko\n";
        let mut tried = Vec::new();

        let (loaded, complaints) = load_each(order, |name| {
            tried.push(name.to_owned());
            match name {
                "bus.ko" => Ok(false),
                "broken.ko" => Err(io::ErrorKind::InvalidData.into()),
                _ => Ok(true),
            }
        });

        assert_eq!(tried, ["bus.ko", "lib.ko", "broken.ko"]);
        assert_eq!(loaded, 1);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("module broken.ko does not load: "));
    }
}
