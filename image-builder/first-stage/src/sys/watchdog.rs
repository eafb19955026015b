//! The hardware watchdog: the second call without a safe wrapper.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc::{self, c_int};

/// Starts the watchdog, and gives whoever comes next as many seconds to take it over.
///
/// It is closed without the letter that would stop it, so it runs on
/// (Documentation/watchdog/watchdog-api.rst).
///
/// # Errors
/// There is none (`NotFound`), or it does not take the time; then it runs with its own.
#[expect(unsafe_code, reason = "nix has no safe call for a watchdog's time")]
pub fn start_watchdog(seconds: c_int) -> io::Result<()> {
    let device = OpenOptions::new().write(true).open("/dev/watchdog")?;
    // `WDIOC_SETTIMEOUT` of linux/watchdog.h.
    let code = nix::request_code_readwrite!(b'W', 6, size_of::<c_int>());
    let mut seconds = seconds;
    let at = &raw mut seconds;
    // SAFETY: the request reads and writes one `c_int` at `at`, which points to one that lives and
    // is borrowed by nobody else. The descriptor is open, since `device` owns it.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), code, at) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
