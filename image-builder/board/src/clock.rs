//! Time on a board without a clock chip: it starts at the later of build time and last saved time.
//!
//! The relay does not wait for a time server; agents look at their own clocks. Saving is rare,
//! so that it does not wear the card: every six hours and when the board is shut down.

use std::fs;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::file;
use crate::places::{self, Board};
use crate::sys::{System, seconds};

/// Where a clock that says `now` has to be put, if anywhere. All in seconds since 1970.
fn start(now: u64, built: u64, saved: Option<u64>) -> Option<u64> {
    // A saved time of the far future is a fault of some earlier clock.
    const TEN_YEARS: u64 = 10 * 365 * 86_400;
    let saved = saved.filter(|saved| *saved < built.saturating_add(TEN_YEARS));
    let least = built.max(saved.unwrap_or(0));
    (now < least).then_some(least)
}

/// Puts the clock forward if it is behind what is known.
///
/// # Errors
/// The image is broken, or the clock cannot be set.
pub fn restore(system: &System, now: SystemTime) -> Result<Option<u64>> {
    let built = Board::load(system)?.built;
    let target = start(seconds(now), built, saved(system));
    if let Some(target) = target {
        system.set_clock(target).context("cannot set the clock")?;
    }
    Ok(target)
}

/// Saves the time, unless it is one that the clock cannot have. A saved time that is later gives
/// way: the clock has been put right since, or the board would start in the future for ever.
///
/// # Errors
/// The image is broken, or the time cannot be written.
pub fn save(system: &System, now: SystemTime) -> Result<()> {
    let now = seconds(now);
    if now < Board::load(system)?.built || saved(system) == Some(now) {
        return Ok(());
    }
    let text = format!("{now}\n");
    file::replace(&system.at(places::SAVED_CLOCK), text.as_bytes(), 0o644)
        .context("cannot save the time")
}

fn saved(system: &System) -> Option<u64> {
    let text = fs::read_to_string(system.at(places::SAVED_CLOCK)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_starts_at_the_later_of_build_and_last_saved_time() {
        assert_eq!(start(0, 1_000, None), Some(1_000));
        assert_eq!(start(0, 1_000, Some(2_000)), Some(2_000));
        assert_eq!(
            start(0, 1_000, Some(500)),
            Some(1_000),
            "an image newer than the card"
        );
        assert_eq!(start(1_500, 1_000, Some(1_400)), None, "a clock chip");
        assert_eq!(start(0, 1_000, Some(u64::MAX)), Some(1_000), "nonsense");
    }

    #[test]
    fn a_clock_that_was_put_right_is_saved_and_one_before_the_image_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let board = "board = \"virt\"\ntitle = \"A board\"\nversion = \"0.1.0\"\nbuilt = 1000\n\
                     chain = \"u-boot\"\ninterface = \"en*\"\n";
        file::replace(&system.at(places::BOARD), board.as_bytes(), 0o644).expect("writes");
        for (now, expected) in [
            (999, None),
            (5_000, Some(5_000)),
            (2_000, Some(2_000)),
            (10, Some(2_000)),
        ] {
            let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now);
            save(&system, now).expect("writes");
            assert_eq!(saved(&system), expected, "{now:?}");
        }
        file::replace(&system.at(places::SAVED_CLOCK), b"99999999999\n", 0o644).expect("writes");
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(3_000);
        save(&system, now).expect("writes");
        assert_eq!(
            saved(&system),
            Some(3_000),
            "nonsense does not stay for ever"
        );
    }
}
