//! `tasuki-host-background`: starts the host in user mode when somebody logs on, and ends.
//!
//! Windows would open a console for `tasuki-host`; for this program it opens none.

#![windows_subsystem = "windows"]

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_agent::cli::host::start_in_background()
}
