//! Reads a board file and the files that it inherits from.
//!
//! The most general file is applied first, each further one over it. A list of packages or modules
//! grows; everything else is replaced.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::file::reader::{FromToml, Problems, Table, read};

use super::{
    Architecture, Board, Boot, Chain, Disk, Hardware, Kernel, Network, Raw, Relay, Scheme,
};

/// More generations than anybody can keep in mind.
const INHERIT_MAX: usize = 8;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
const SECTOR: u64 = 512;

/// Why a board cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error("there is no board '{name}'; there are: {}", .known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{file}:\n{problems}")]
    Wrong { file: String, problems: Problems },
    #[error("{file}: inherit: more than {INHERIT_MAX} generations, or a circle")]
    Inherit { file: String },
    #[error("{file}: missing here and in what it inherits: {}", .keys.join(", "))]
    Missing {
        file: String,
        keys: Vec<&'static str>,
    },
}

/// What a file and its ancestors have said so far.
#[derive(Default)]
struct Draft {
    inherit: Option<String>,
    title: Option<String>,
    architecture: Option<Architecture>,
    chain: Option<Chain>,
    boot_package: Option<String>,
    firmware: Option<Vec<String>>,
    raw: Vec<Raw>,
    device_trees: Option<Vec<String>>,
    consoles: Option<Vec<String>>,
    arguments: Vec<String>,
    kernel_package: Option<String>,
    initramfs_modules: Vec<String>,
    modules: Vec<String>,
    scheme: Option<Scheme>,
    first: Option<u64>,
    config: Option<u64>,
    boot: Option<u64>,
    root: Option<u64>,
    hash: Option<u64>,
    interface: Option<String>,
    led: Option<String>,
    watchdog: Option<String>,
    watchdog_seconds: Option<u64>,
    memory: Option<u64>,
    cpus: Option<usize>,
    workers: Option<usize>,
    rps_cpus: Option<Vec<usize>>,
    sessions: Option<usize>,
    hosts: Option<usize>,
    socket_buffer: Option<u64>,
}

/// Names of all boards in `folder`: the files that have a title.
pub fn names(folder: &Path) -> Result<Vec<String>, BoardError> {
    let unreadable = |source| BoardError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(name), Some("toml")) = (name, path.extension().and_then(|end| end.to_str())) {
            let text = fs::read_to_string(&path).map_err(|source| BoardError::Read {
                path: path.clone(),
                source,
            })?;
            if text.lines().any(|line| line.starts_with("title =")) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Reads the board `name` from `folder`.
pub fn load(folder: &Path, name: &str) -> Result<Board, BoardError> {
    let file = format!("{name}.toml");
    if !folder.join(&file).is_file() {
        let known = names(folder)?;
        let name = name.to_owned();
        return Err(BoardError::Unknown { name, known });
    }
    let mut generations = vec![];
    let mut next = Some(file.clone());
    while let Some(file) = next {
        if generations.len() == INHERIT_MAX {
            return Err(BoardError::Inherit { file });
        }
        let path = folder.join(&file);
        let text = fs::read_to_string(&path).map_err(|source| BoardError::Read { path, source })?;
        let mut alone = Draft::default();
        apply(&file, &text, &mut alone)?;
        next = alone.inherit.map(|parent| format!("{parent}.toml"));
        generations.push((file, text));
    }
    let mut draft = Draft::default();
    for (file, text) in generations.iter().rev() {
        apply(file, text, &mut draft)?;
    }
    finish(name, draft).map_err(|keys| BoardError::Missing { file, keys })
}

/// Lays what a file says over `draft`.
fn apply(file: &str, text: &str, draft: &mut Draft) -> Result<(), BoardError> {
    read(text, |top| {
        take(top, draft);
        Some(())
    })
    .map_err(|problems| BoardError::Wrong {
        file: file.to_owned(),
        problems,
    })
}

fn set<T: FromToml>(place: &mut Option<T>, table: &mut Table<'_>, key: &'static str) {
    if let Some(value) = table.optional(key) {
        *place = Some(value);
    }
}

/// A number of `unit` bytes.
fn size(place: &mut Option<u64>, table: &mut Table<'_>, key: &'static str, unit: u64) {
    if let Some(number) = table.optional::<u64>(key) {
        match number.checked_mul(unit) {
            Some(bytes) => *place = Some(bytes),
            None => table.reject(key, "is larger than any disk"),
        }
    }
}

fn extend(place: &mut Vec<String>, table: &mut Table<'_>, key: &'static str) {
    place.extend(table.optional::<Vec<String>>(key).unwrap_or_default());
}

fn take(top: &mut Table<'_>, draft: &mut Draft) {
    set(&mut draft.inherit, top, "inherit");
    set(&mut draft.title, top, "title");
    set(&mut draft.architecture, top, "architecture");
    top.table("boot", |boot| {
        set(&mut draft.chain, boot, "chain");
        set(&mut draft.boot_package, boot, "package");
        set(&mut draft.firmware, boot, "firmware");
        set(&mut draft.device_trees, boot, "device_trees");
        set(&mut draft.consoles, boot, "consoles");
        extend(&mut draft.arguments, boot, "arguments");
        draft.raw.extend(boot.tables("raw", take_raw));
        Some(())
    });
    top.table("kernel", |kernel| {
        set(&mut draft.kernel_package, kernel, "package");
        extend(&mut draft.initramfs_modules, kernel, "initramfs_modules");
        extend(&mut draft.modules, kernel, "modules");
        Some(())
    });
    top.table("disk", |disk| {
        set(&mut draft.scheme, disk, "scheme");
        size(&mut draft.first, disk, "first_mib", MIB);
        size(&mut draft.config, disk, "config_mib", MIB);
        size(&mut draft.boot, disk, "boot_mib", MIB);
        size(&mut draft.root, disk, "root_mib", MIB);
        size(&mut draft.hash, disk, "hash_mib", MIB);
        Some(())
    });
    top.table("network", |network| {
        set(&mut draft.interface, network, "interface");
        Some(())
    });
    top.table("hardware", |hardware| {
        set(&mut draft.led, hardware, "led");
        set(&mut draft.watchdog, hardware, "watchdog");
        set(&mut draft.watchdog_seconds, hardware, "watchdog_seconds");
        size(&mut draft.memory, hardware, "memory_mib", MIB);
        set(&mut draft.cpus, hardware, "cpus");
        Some(())
    });
    top.table("relay", |relay| {
        set(&mut draft.workers, relay, "workers");
        set(&mut draft.rps_cpus, relay, "rps_cpus");
        set(&mut draft.sessions, relay, "sessions");
        set(&mut draft.hosts, relay, "hosts");
        size(&mut draft.socket_buffer, relay, "socket_buffer_kib", KIB);
        Some(())
    });
}

fn take_raw(raw: &mut Table<'_>) -> Option<Raw> {
    let path = raw.required("path");
    let mut offset = None;
    size(&mut offset, raw, "sector", SECTOR);
    if offset.is_none() {
        raw.reject("sector", "missing; expected a sector of 512 bytes");
    }
    Some(Raw {
        path: path?,
        offset: offset?,
    })
}

/// Takes what has to be there, and remembers the keys of what is not.
struct Required(Vec<&'static str>);

impl Required {
    fn take<T>(&mut self, key: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.0.push(key);
        }
        value
    }
}

fn finish(name: &str, draft: Draft) -> Result<Board, Vec<&'static str>> {
    let mut required = Required(Vec::new());
    let board = complete(name, draft, &mut required);
    board.ok_or(required.0)
}

fn complete(name: &str, draft: Draft, required: &mut Required) -> Option<Board> {
    let title = required.take("title", draft.title);
    let architecture = required.take("architecture", draft.architecture);
    let chain = required.take("boot.chain", draft.chain);
    let boot_package = required.take("boot.package", draft.boot_package);
    let consoles = required.take("boot.consoles", draft.consoles);
    let kernel_package = required.take("kernel.package", draft.kernel_package);
    let scheme = required.take("disk.scheme", draft.scheme);
    let first = required.take("disk.first_mib", draft.first);
    let config = required.take("disk.config_mib", draft.config);
    let boot = required.take("disk.boot_mib", draft.boot);
    let root = required.take("disk.root_mib", draft.root);
    let hash = required.take("disk.hash_mib", draft.hash);
    let interface = required.take("network.interface", draft.interface);
    let watchdog_seconds = required.take("hardware.watchdog_seconds", draft.watchdog_seconds);
    let memory = required.take("hardware.memory_mib", draft.memory);
    let cpus = required.take("hardware.cpus", draft.cpus);
    let workers = required.take("relay.workers", draft.workers);
    let sessions = required.take("relay.sessions", draft.sessions);
    let hosts = required.take("relay.hosts", draft.hosts);
    let socket_buffer = required.take("relay.socket_buffer_kib", draft.socket_buffer);
    Some(Board {
        name: name.to_owned(),
        title: title?,
        architecture: architecture?,
        boot: Boot {
            chain: chain?,
            package: boot_package?,
            firmware: draft.firmware.unwrap_or_default(),
            raw: draft.raw,
            device_trees: draft.device_trees.unwrap_or_default(),
            consoles: consoles?,
            arguments: draft.arguments,
        },
        kernel: Kernel {
            package: kernel_package?,
            initramfs_modules: draft.initramfs_modules,
            modules: draft.modules,
        },
        disk: Disk {
            scheme: scheme?,
            first: first?,
            config: config?,
            boot: boot?,
            root: root?,
            hash: hash?,
        },
        network: Network {
            interface: interface?,
        },
        hardware: Hardware {
            led: draft.led,
            watchdog: draft.watchdog,
            watchdog_seconds: watchdog_seconds?,
            memory: memory?,
            cpus: cpus?,
        },
        relay: Relay {
            workers: workers?,
            rps_cpus: draft.rps_cpus.unwrap_or_default(),
            sessions: sessions?,
            hosts: hosts?,
            socket_buffer: socket_buffer?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boards() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards")
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn every_board_of_the_repository_is_complete() {
        let names = names(&boards()).unwrap();

        assert_eq!(names, ["rock64", "rockpro64", "rpi4", "virt", "vm-x86-64"]);
        for name in names {
            let board = load(&boards(), &name).unwrap();
            assert_eq!(board.name, name);
            let outside = board
                .relay
                .rps_cpus
                .iter()
                .any(|cpu| *cpu >= board.hardware.cpus);
            assert!(
                !outside && board.relay.workers <= board.hardware.cpus,
                "{name}"
            );
            // The relay's own memory budget is made for this and more.
            assert!(board.hardware.memory >= 1 << 30, "{name}");
        }
    }

    #[test]
    fn lists_of_modules_grow_and_everything_else_is_replaced() {
        let parent = "[boot]\nconsoles = [\"a\"]\n[kernel]\nmodules = [\"one\"]\n";
        let child = "inherit = \"p\"\n[boot]\nconsoles = [\"b\"]\n[kernel]\nmodules = [\"two\"]\n";

        let mut draft = Draft::default();
        apply("p", parent, &mut draft).unwrap();
        apply("c", child, &mut draft).unwrap();

        assert_eq!(draft.modules, ["one", "two"]);
        assert_eq!(draft.consoles, Some(vec!["b".to_owned()]));
    }

    #[test]
    fn every_mistake_is_told_with_file_line_and_key() {
        let folder = folder(&[(
            "x.toml",
            "title = \"X\"\n[boot]\nchian = \"u-boot\"\nchain = \"grub\"\n",
        )]);

        let error = load(folder.path(), "x").unwrap_err().to_string();

        assert!(error.starts_with("x.toml:\n"), "{error}");
        assert!(error.contains("line 3: boot.chian: unknown key"), "{error}");
        assert!(
            error.contains("line 4: boot.chain: 'grub': unknown"),
            "{error}"
        );
    }

    #[test]
    fn missing_keys_circles_and_strangers_are_refused() {
        let folder = folder(&[
            ("x.toml", "title = \"X\"\n"),
            ("a.toml", "inherit = \"b\"\n"),
            ("b.toml", "inherit = \"a\"\n"),
        ]);
        let text = |name| load(folder.path(), name).unwrap_err().to_string();

        assert!(
            text("x").contains("architecture, boot.chain"),
            "{}",
            text("x")
        );
        assert!(text("a").contains("circle"), "{}", text("a"));
        assert_eq!(text("rpi5"), "there is no board 'rpi5'; there are: x");
    }
}
