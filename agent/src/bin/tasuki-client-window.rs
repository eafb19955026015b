//! `tasuki-client-window`: opens the window of the `tasuki-client` beside it.
//!
//! Windows makes a console for `tasuki-client` when somebody clicks on it, which can be seen for
//! a moment; for this program it makes none.

#![windows_subsystem = "windows"]

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_agent::cli::client::open_window()
}
