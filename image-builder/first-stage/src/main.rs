//! `/init`: runs the library, and restarts the board when that fails.

use std::thread;
use std::time::Duration;

use first_stage::log::Log;
use first_stage::{boot, sys};

/// Long enough to read the console, short enough for somebody who waits for the other slot.
const RESTART_DELAY: Duration = Duration::from_secs(10);

fn main() {
    let mut log = Log;
    let Err(error) = boot::run(&mut log);
    log.failure(&error);
    log.failure("this slot does not start; restarting in 10 s, so that the other can be tried");
    thread::sleep(RESTART_DELAY);
    // Should even that fail, the kernel panics when its first process ends, and restarts.
    sys::restart();
}
