//! Tells a person how a run goes, on standard error; standard output is for results.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often, on a terminal and elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(500);
const IN_LOG: Duration = Duration::from_secs(10);

/// One line: written over on a terminal, else one now and then.
#[derive(Debug)]
pub(crate) struct Progress {
    name: String,
    on_terminal: bool,
    last: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            on_terminal: io::stderr().is_terminal(),
            last: None,
        }
    }

    /// Shows how it stands, if it is time to.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let pause = if self.on_terminal {
            ON_TERMINAL
        } else {
            IN_LOG
        };
        if self.last.is_none_or(|last| last.elapsed() >= pause) {
            self.last = Some(Instant::now());
            self.write(&text());
        }
    }

    fn write(&self, text: &str) {
        let (begin, end) = if self.on_terminal {
            ("\r\x1b[K", "")
        } else {
            ("", "\n")
        };
        let mut out = io::stderr().lock();
        // Nobody is left to tell when standard error is gone.
        let _ = write!(out, "{begin}{}: {text}{end}", self.name);
        let _ = out.flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.on_terminal && self.last.is_some() {
            // As above.
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
