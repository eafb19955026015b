//! `tasuki-client`, the program on the home PC.

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_agent::cli::client::main()
}
