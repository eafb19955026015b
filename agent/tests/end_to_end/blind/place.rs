//! Every place of a relay where bytes can lie, read as they are.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, tee};

/// More than a pipe of the relay's can hold.
const PIPE_BYTES: i32 = 1 << 20;

/// Bytes, and where they were found.
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Where bytes of sessions may lie, as long as they are sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pipe,
    /// What the program has allocated.
    OwnMemory,
    Other,
}

impl Place {
    pub(super) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            kind: Kind::Other,
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// All memory of a process that can be read: heap, stacks, data, libraries. Pages in swap come
/// back when they are read, so they are among them.
pub(super) fn memory(process: u32) -> Vec<Place> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("it runs");
    let mut memory = File::open(format!("/proc/{process}/mem")).expect("we may read its memory");
    let mut places = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (
            words.next().expect("a range"),
            words.next().expect("rights"),
        );
        let name = words.nth(3).unwrap_or("anonymous");
        // The kernel's own pages, which /proc/PID/mem does not show.
        if !rights.starts_with('r') || name.starts_with("[vvar") || name == "[vsyscall]" {
            continue;
        }
        let address = |text| u64::from_str_radix(text, 16).expect("a number");
        let (from, to) = range.split_once('-').expect("two ends");
        let (from, to) = (address(from), address(to));
        let mut bytes = vec![0; usize::try_from(to - from).expect("fits")];
        memory.seek(SeekFrom::Start(from)).expect("is there");
        let read = memory.read_exact(&mut bytes);
        read.unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut place = Place::new(format!("memory: {range} {name}"), bytes);
        if name == "[heap]" || name == "anonymous" {
            place.kind = Kind::OwnMemory;
        }
        places.push(place);
    }
    places
}

/// What its descriptors lead to: content of pipes, which stays in them, and of files.
pub(super) fn descriptors(process: u32) -> Vec<Place> {
    let folder = PathBuf::from(format!("/proc/{process}/fd"));
    let mut places = Vec::new();
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder).expect("it runs") {
        let path = entry.expect("can be read").path();
        let Ok(target) = fs::read_link(&path) else {
            continue;
        };
        let name = target.display().to_string();
        // A pipe has two descriptors.
        if seen.contains(&target) {
            continue;
        }
        seen.push(target);
        if name.starts_with("pipe:") {
            let mut place = Place::new(name, pipe(&path));
            place.kind = Kind::Pipe;
            places.push(place);
        } else if fs::metadata(&path).is_ok_and(|it| it.is_file()) {
            let bytes = fs::read(&path).expect("an open file can be read");
            places.push(Place::new(format!("open file: {name}"), bytes));
        }
    }
    places
}

/// Content of a pipe, by tee(2), which does not take it out.
fn pipe(path: &Path) -> Vec<u8> {
    let source = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .expect("a pipe can be opened");
    let (copy, sink) = nix::unistd::pipe2(OFlag::O_NONBLOCK).expect("a pipe");
    fcntl(&sink, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).expect("is allowed");
    let most = usize::try_from(PIPE_BYTES).expect("fits");
    // An empty pipe answers that it would block.
    if tee(&source, &sink, most, SpliceFFlags::SPLICE_F_NONBLOCK).is_err() {
        return Vec::new();
    }
    drop(sink);
    let mut bytes = Vec::new();
    File::from(copy)
        .read_to_end(&mut bytes)
        .expect("has an end");
    bytes
}

/// All files below a path.
pub(super) fn files(path: &Path) -> Vec<Place> {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("can be read");
        let paths = entries.map(|entry| entry.expect("can be read").path());
        return paths.flat_map(|path| files(&path)).collect();
    }
    if !path.is_file() {
        return Vec::new();
    }
    let bytes = fs::read(path).expect("can be read");
    vec![Place::new(format!("file: {}", path.display()), bytes)]
}
