//! What std does not offer: devices, and what a build costs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Opens a device for reading and writing, and for nobody else in the kernel: a mounted one, or
/// one with a mounted partition, is busy (open(2), `O_EXCL`).
pub(crate) fn open_alone(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_EXCL)
        .open(path)
}

/// Forgets what memory holds of a file or device, so that reading asks the card itself.
pub(crate) fn forget_cached(file: &File) -> io::Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

/// CPU time that this process and the programs that it waited for have used (getrusage(2)).
pub(crate) fn cpu_time() -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        for time in [usage.user_time(), usage.system_time()] {
            let micros = u64::try_from(time.num_microseconds()).map_err(io::Error::other)?;
            sum += Duration::from_micros(micros);
        }
    }
    Ok(sum)
}
