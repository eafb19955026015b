//! Limits of this process as the kernel keeps them.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open descriptors to what the system lets us have.
///
/// # Errors
/// The kernel refused; the old limit stays.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// How many descriptors this process may have open now; others can change it (`prlimit(2)`).
///
/// # Errors
/// The kernel refused.
pub fn descriptor_limit() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Counts the descriptors that are open now, for metrics and tests; it reads a directory.
///
/// # Errors
/// `/proc` is not mounted.
pub fn open_descriptors() -> io::Result<usize> {
    // The directory being read is one of them.
    Ok(std::fs::read_dir("/proc/self/fd")?
        .count()
        .saturating_sub(1))
}

/// Memory of this process that is really there, in bytes.
///
/// # Errors
/// `/proc` is not mounted.
pub fn resident_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes
        .and_then(|text| text.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(kilobytes * 1024)
}
