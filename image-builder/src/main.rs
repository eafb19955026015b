//! `tasuki`: reads the command line and hands over to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    image_builder::cli::main()
}
