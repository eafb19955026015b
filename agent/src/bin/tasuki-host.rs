//! `tasuki-host`, the program on the office PC.

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_agent::cli::host::main()
}
