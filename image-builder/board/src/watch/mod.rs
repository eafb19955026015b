//! Shows how the board does, for as long as it runs: on its LED and on every console.
//!
//! Looks every two seconds, and draws only what has changed.

pub mod hardware;
pub mod led;
pub mod view;

use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crate::file;
use crate::places::{self, Board};
use crate::sys::System;

use self::led::Pattern;
use self::view::{View, uptime};

const INTERVAL: Duration = Duration::from_secs(2);
/// Clears the screen and puts the cursor at its top (ECMA-48: ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// What is shown already.
#[derive(Debug, Default)]
pub struct Shown {
    pattern: Option<Pattern>,
    text: String,
    /// The LED could not be set; told once.
    no_led: bool,
}

impl Shown {
    /// Shows what has changed. What goes wrong is told by `tell`.
    pub fn update(&mut self, system: &System, board: &Board, mut tell: impl FnMut(&str)) {
        let view = View::gather(system, board);
        let pattern = view.pattern();
        if let Some(led) = &board.led
            && self.pattern != Some(pattern)
        {
            match led::show(system, led, pattern) {
                Ok(()) => self.pattern = Some(pattern),
                Err(error) if !self.no_led => {
                    self.no_led = true;
                    tell(&format!("cannot set the LED {led}: {error}"));
                }
                Err(_) => {}
            }
        }
        let text = format!(
            "{CLEAR}Tasuki\r\n\r\n{}",
            view.to_string().replace('\n', "\r\n")
        );
        if text != self.text {
            for console in consoles(system) {
                // A console that nobody has plugged in is no trouble of the board's.
                let _ = draw(system, &console, &text);
            }
            self.text = text;
        }
    }
}

/// Shows for ever.
pub fn run(system: &System, board: &Board, mut tell: impl FnMut(&str)) {
    let mut shown = Shown::default();
    loop {
        shown.update(system, board, &mut tell);
        thread::sleep(INTERVAL);
    }
}

/// Blinks for so many seconds; 0 ends it.
///
/// # Errors
/// `/run` cannot be written.
pub fn locate(system: &System, seconds: u64) -> io::Result<()> {
    let until = uptime(system).saturating_add(seconds);
    match seconds {
        0 => file::remove(&system.at(places::LOCATE)),
        _ => file::replace(
            &system.at(places::LOCATE),
            until.to_string().as_bytes(),
            0o644,
        ),
    }
}

/// The kernel's consoles (Documentation/ABI/testing/sysfs-tty); the screen's first terminal for
/// `tty0`, which is whichever is shown.
fn consoles(system: &System) -> Vec<String> {
    let active = fs::read_to_string(system.at("/sys/class/tty/console/active")).unwrap_or_default();
    let devices = active.split_whitespace().map(|name| match name {
        "tty0" => "/dev/tty1".to_owned(),
        name => format!("/dev/{name}"),
    });
    devices.collect()
}

fn draw(system: &System, console: &str, text: &str) -> io::Result<()> {
    system.open_terminal(console)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::BootChain;

    #[test]
    fn only_what_has_changed_is_drawn_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let put = |path: &str, text: &str| {
            file::replace(&system.at(path), text.as_bytes(), 0o644).expect("writes");
        };
        put("/sys/class/tty/console/active", "tty0 ttyAMA0\n");
        put("/sys/class/leds/ACT/max_brightness", "1");
        put("/dev/tty1", "");
        put("/dev/ttyAMA0", "");
        put("/proc/uptime", "5.12 3.00\n");
        put(places::PROVISIONED, "4");
        let board = Board {
            board: "test".into(),
            title: "A board".into(),
            version: "0.1.0".into(),
            built: 0,
            chain: BootChain::UBoot,
            interface: "end0".into(),
            led: Some("ACT".into()),
        };
        let length = |path: &str| fs::metadata(system.at(path)).expect("is there").len();
        let mut told = Vec::new();
        let mut shown = Shown::default();

        shown.update(&system, &board, |line| told.push(line.to_owned()));
        let screen = fs::read_to_string(system.at("/dev/tty1")).expect("reads");
        assert!(
            screen.starts_with(CLEAR) && screen.contains("state    starting\r\n"),
            "{screen}"
        );
        assert_eq!(length("/dev/ttyAMA0"), length("/dev/tty1"));
        let before = length("/dev/tty1");
        shown.update(&system, &board, |_| {});
        assert_eq!(length("/dev/tty1"), before, "nothing has changed");

        put("/proc/uptime", "500.00 3.00\n");
        locate(&system, 60).expect("writes");
        shown.update(&system, &board, |_| {});
        assert!(length("/dev/tty1") > before, "it is down now");
        let delay =
            || fs::read_to_string(system.at("/sys/class/leds/ACT/delay_on")).expect("is on");
        assert_eq!(delay(), "30", "flickers");
        put("/proc/uptime", "560.00 3.00\n");
        shown.update(&system, &board, |_| {});
        assert_eq!(delay(), "100", "a minute is over");
        assert_eq!(told, [""; 0]);
    }
}
