//! What std does not offer for devices.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// Opens a device for reading and writing, and for nobody else in the kernel: a mounted one, or
/// one with a mounted partition, is busy (open(2), `O_EXCL`).
pub(super) fn open_alone(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_EXCL)
        .open(path)
}

/// Forgets what memory holds of a file or device, so that reading asks the card itself.
pub(super) fn forget_cached(file: &File) -> io::Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}
