//! What the first stage has to say: lines in the kernel's log, which show on every console.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

/// Levels of syslog(2): a critical line is shown even by a quiet kernel.
const CRITICAL: u8 = 2;
const NOTICE: u8 = 5;

/// Writes to the kernel's log once `/dev` is there.
#[derive(Debug, Default)]
pub struct Log;

impl Log {
    /// A milestone.
    pub fn notice(&mut self, text: impl Display) {
        write(NOTICE, text);
    }

    /// Why this slot does not start.
    pub fn failure(&mut self, text: impl Display) {
        write(CRITICAL, text);
    }
}

fn write(level: u8, text: impl Display) {
    let line = format!("<{level}>tasuki first stage: {text}\n");
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        // One write is one line of the log: see kmsg in Documentation/ABI/testing.
        .and_then(|mut kmsg| kmsg.write_all(line.as_bytes()));
    if written.is_err() {
        // Nobody is left to tell when the console is gone as well.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
