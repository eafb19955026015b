//! `tasuki-board`: arguments, then the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_board::cli::main()
}
