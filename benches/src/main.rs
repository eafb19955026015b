//! `tasuki-bench`: reads the command line and hands over to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tasuki_bench::cli::main()
}
