//! Words to the person at the terminal: what a command found goes to standard output,
//! everything else to standard error.

use std::fmt::Display;
use std::io::Write;

/// Tells how things stand, on standard error.
pub(super) fn line(text: &dyn Display) {
    // When the terminal is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Gives what was asked for, on standard output.
pub(super) fn answer(text: &dyn Display) {
    // A reader that has gone away has read enough.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
