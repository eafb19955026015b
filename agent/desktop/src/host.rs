//! What the host that has started this is told, beside RDP: lines of standard error.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use protocol::desktop::LEAVE_FULL_SCREEN;

/// Between two wishes. The host hears one a second, and nobody shall ever wait for it.
const PAUSE: Duration = Duration::from_secs(2);

/// The host.
#[derive(Debug, Default)]
pub(crate) struct Host {
    told: Option<Instant>,
}

impl Host {
    /// The viewer wants to leave full screen.
    pub(crate) fn leave_full_screen(&mut self) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < PAUSE) {
            return;
        }
        self.told = Some(now);
        // In one piece, so that no line of the log comes in between. A host that listens no more
        // has heard enough.
        let line = format!("{LEAVE_FULL_SCREEN}\n");
        let _ = io::stderr().write_all(line.as_bytes());
    }
}
