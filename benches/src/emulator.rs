//! Counting a program's instructions with qemu's user emulation, which runs programs for another
//! processor too: it writes a line for each instruction that it carries out, and a thread counts
//! the lines as they come.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Context;
use tempfile::TempDir;

use crate::sys;

/// Room for some 10,000 lines.
const PIECE: usize = 1024 * 1024;

/// An emulator, and the relay that it is for.
#[derive(Debug, Clone)]
pub struct Emulated {
    /// `qemu-aarch64` or one of its relatives.
    pub emulator: String,
    pub relay: PathBuf,
    /// A FIFO, which somebody must read before the emulator starts.
    lines: PathBuf,
}

/// Counts the lines of one emulator.
#[derive(Debug)]
pub(crate) struct Counter {
    lines: Arc<AtomicU64>,
    folder: TempDir,
}

impl Emulated {
    /// What stands before the relay's own arguments. One instruction for each block of code, and no
    /// block that leads to the next by itself, so each has its line (`qemu-user(1)`); the variable
    /// for that has had another name since qemu 8.1.
    pub(crate) fn command(&self) -> Vec<OsString> {
        let mut log = OsString::from("QEMU_LOG_FILENAME=");
        log.push(&self.lines);
        vec![
            "env".into(),
            "QEMU_SINGLESTEP=1".into(),
            "QEMU_ONE_INSN_PER_TB=1".into(),
            "QEMU_LOG=exec,nochain".into(),
            log,
            self.emulator.clone().into(),
        ]
    }
}

impl Counter {
    /// Begins to count, before there is an emulator.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("lines");
        sys::make_fifo(&path).context("cannot make a FIFO")?;
        let lines = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&lines);
        // It ends with the emulator, or with this program.
        thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || count(&path, &seen))?;
        Ok(Self { lines, folder })
    }

    pub(crate) fn emulated(&self, emulator: &str, relay: &Path) -> Emulated {
        Emulated {
            emulator: emulator.to_owned(),
            relay: relay.to_owned(),
            lines: self.folder.path().join("lines"),
        }
    }

    /// Instructions until now, but for those that are still in the FIFO: some hundreds.
    pub(crate) fn instructions(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }
}

fn count(path: &Path, seen: &AtomicU64) -> io::Result<()> {
    let mut lines = File::open(path)?;
    let mut piece = vec![0; PIECE];
    loop {
        let filled = lines.read(&mut piece)?;
        let Some(filled) = piece.get(..filled).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        let ends = filled.iter().filter(|byte| **byte == b'\n').count();
        seen.fetch_add(u64::try_from(ends).unwrap_or(0), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn each_line_is_an_instruction() {
        let counter = Counter::start().unwrap();
        let emulated = counter.emulated("qemu-aarch64", Path::new("tasuki-relay"));
        let mut fifo = File::create(&emulated.lines).unwrap();
        fifo.write_all(b"Trace 0: 1\nTrace 0: 2\nTrace").unwrap();
        fifo.write_all(b" 0: 3\n").unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while counter.instructions() != 3 {
            assert!(Instant::now() < until, "{}", counter.instructions());
            thread::yield_now();
        }
    }
}
