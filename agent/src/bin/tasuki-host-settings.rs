//! `tasuki-host-settings`, the settings of the office PC's host in a window.

#![windows_subsystem = "windows"]

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_agent::cli::host::open_settings()
}
