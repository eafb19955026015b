//! The clock on the wall.

use std::io;
use std::ptr::null;

use windows_sys::Win32::Foundation::{FILETIME, SYSTEMTIME};
use windows_sys::Win32::System::Time::{
    FileTimeToSystemTime, SystemTimeToFileTime, SystemTimeToTzSpecificLocalTime,
};

use crate::handle::checked;

/// Ticks of 100 ns in a second.
const SECOND: i64 = 10_000_000;
/// Between the beginning of Windows' count, 1601, and that of Unix.
const SECONDS_TO_1970: i64 = 11_644_473_600;

/// By how many seconds the clock on the wall is ahead of UTC, at a time in seconds since 1970.
/// Windows reckons with the rules that it has now, summer time included.
pub fn ahead_of_utc(seconds: i64) -> io::Result<i32> {
    let ticks = seconds
        .checked_add(SECONDS_TO_1970)
        .and_then(|seconds| seconds.checked_mul(SECOND))
        .and_then(|ticks| u64::try_from(ticks).ok())
        .ok_or(io::ErrorKind::InvalidInput)?;
    let [low, high] = halves(ticks);
    let utc = FILETIME {
        dwLowDateTime: low,
        dwHighDateTime: high,
    };
    let (mut date, mut local) = (SYSTEMTIME::default(), SYSTEMTIME::default());
    let mut wall = FILETIME::default();
    // SAFETY: both are ours.
    checked(unsafe { FileTimeToSystemTime(&raw const utc, &raw mut date) })?;
    // SAFETY: both are ours, and no zone means the one of this PC.
    let converted =
        unsafe { SystemTimeToTzSpecificLocalTime(null(), &raw const date, &raw mut local) };
    checked(converted)?;
    // SAFETY: both are ours.
    checked(unsafe { SystemTimeToFileTime(&raw const local, &raw mut wall) })?;
    let wall = u64::from(wall.dwHighDateTime) << 32 | u64::from(wall.dwLowDateTime);
    // A date knows milliseconds, and these are whole seconds.
    let ahead = wall.cast_signed() - ticks.cast_signed();
    i32::try_from(ahead / SECOND).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn halves(ticks: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = ticks.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_is_less_than_a_day_away_and_nonsense_is_refused() {
        const QUARTER: i32 = 900;
        for seconds in [0, 1_700_000_000, 4_000_000_000] {
            let ahead = ahead_of_utc(seconds).expect("is known");

            // Nepal and others are a quarter of an hour off.
            assert!(ahead.abs() <= 14 * 3600 && ahead % QUARTER == 0, "{ahead}");
        }
        assert!(ahead_of_utc(i64::MAX).is_err());
        assert!(ahead_of_utc(-SECONDS_TO_1970 - 1).is_err());
    }
}
