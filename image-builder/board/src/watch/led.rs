//! The board's LED: what a person sees who stands before a rack of them.
//!
//! The kernel blinks (Documentation/leds/leds-class.rst, trigger `timer`), so the light goes on
//! telling the last known state even if this program is gone.

use std::fs;
use std::io;

use crate::sys::System;

/// What the light says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Steady: serving.
    Healthy,
    /// One second on, one second off: starting, or being emptied.
    Waiting,
    /// One short flash a second: the node file is wrong or an update has failed; the board may serve
    /// all the same.
    Card,
    /// Five flashes a second: not serving.
    Failed,
    /// Flickering: somebody is looking for this board.
    Locate,
}

impl Pattern {
    /// Milliseconds on and off; none: steady.
    fn delays(self) -> Option<(u32, u32)> {
        match self {
            Self::Healthy => None,
            Self::Waiting => Some((1_000, 1_000)),
            Self::Card => Some((100, 900)),
            Self::Failed => Some((100, 100)),
            Self::Locate => Some((30, 30)),
        }
    }
}

/// Shows a pattern on the LED of that name.
///
/// # Errors
/// There is no such LED, or the kernel lacks the trigger.
pub fn show(system: &System, led: &str, pattern: Pattern) -> io::Result<()> {
    let folder = system.at("/sys/class/leds").join(led);
    let write = |name: &str, text: String| fs::write(folder.join(name), text);
    match pattern.delays() {
        Some((on, off)) => {
            // The two files are there only once the trigger is chosen.
            write("trigger", "timer".to_owned())?;
            write("delay_on", on.to_string())?;
            write("delay_off", off.to_string())
        }
        None => {
            let most = fs::read_to_string(folder.join("max_brightness"))?;
            write("trigger", "none".to_owned())?;
            write("brightness", most.trim().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    #[test]
    fn each_pattern_is_another_blinking() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let led = system.at("/sys/class/leds/ACT");
        file::replace(&led.join("max_brightness"), b"255\n", 0o644).expect("writes");
        let read = |name: &str| fs::read_to_string(led.join(name)).expect("is written");

        show(&system, "ACT", Pattern::Healthy).expect("shows");
        assert_eq!(
            (read("trigger"), read("brightness")),
            ("none".into(), "255".into())
        );
        let blinking = [
            Pattern::Waiting,
            Pattern::Card,
            Pattern::Failed,
            Pattern::Locate,
        ];
        let mut seen: Vec<(String, String)> = blinking
            .into_iter()
            .map(|pattern| {
                show(&system, "ACT", pattern).expect("shows");
                assert_eq!(read("trigger"), "timer");
                (read("delay_on"), read("delay_off"))
            })
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), blinking.len());

        assert!(
            show(&system, "PWR", Pattern::Healthy).is_err(),
            "no such LED"
        );
    }
}
